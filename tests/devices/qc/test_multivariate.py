"""One variable leaps while the related one rests."""

from __future__ import annotations

from math import inf

from devices.qc.multivariate import MultiVariate
from devices.qc.rate import Rate
from tests.devices.qc.series import T0, flags

TEST = MultiVariate(Rate(0.01), Rate(0.01))


def _flags(*pairs: tuple[float | None, float | None]) -> list[int]:
    return flags(TEST, [(T0 + 60_000 * number, *pair) for number, pair in enumerate(pairs)])


def test_alone_is_suspect_together_is_good() -> None:
    assert _flags((1, 1), (5, 1)) == [2, 3]
    assert _flags((1, 1), (5, 5)) == [2, 1]
    assert _flags((1, 1), (1, 5)) == [2, 1]


def test_however_far_it_never_fails() -> None:
    assert _flags((1, 1), (1e9, 1)) == [2, 3]


def test_what_cannot_be_compared_is_not_evaluated() -> None:
    assert _flags((1, 1), (5, None), (9, 1), (13, 1)) == [2, 2, 2, 3]
    assert _flags((1, 1), (None, 1), (9, 1), (inf, 1)) == [2, 9, 2, 9]
