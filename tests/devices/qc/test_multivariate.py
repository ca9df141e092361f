"""One variable moves and its companion does not."""

from __future__ import annotations

from devices.qc.multivariate import Multivariate, MultivariateState, step

TEST = Multivariate("water_temp", rate=0.01, other_rate=0.001)


def test_only_the_one_that_moves_alone_is_suspect_and_never_fails() -> None:
    state = MultivariateState()
    seen = [
        step(state, at * 60_000, value, other, TEST)
        for at, (value, other) in enumerate([(8.0, 20.0), (8.1, 20.0), (18.0, 20.0), (8.0, 25.0), (8.0, 25.0)], 1)
    ]
    assert seen == [2, 1, 3, 1, 1]


def test_what_cannot_be_told_is_not_evaluated() -> None:
    state = MultivariateState()
    seen = [
        step(state, at, value, other, TEST)
        for at, value, other in [
            (1000, 8.0, 20.0),
            (2000, None, 20.0),
            (3000, 8.0, 20.0),
            (4000, 8.0, None),
            (5000, 8.0, 20.0),
            (5000, 9.0, 20.0),
        ]
    ]
    assert seen == [2, 9, 2, 2, 2, 2]
