"""MQTT topic rules, MQTT 5.0 section 4.7; the examples are the standard's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.topics import filter_problem, match, matcher, topic_problem


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "a/b/c", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("a/b", "a/b", True),
        ("a/b", "A/b", False),
        ("a/+/c", "a//c", True),
    ],
)
def test_matching_4_7(pattern: str, topic: str, expected: bool) -> None:
    assert match(pattern, topic) is expected
    assert matcher(pattern)(topic) is expected
    assert matcher("$share/group/" + pattern)(topic) is expected


@pytest.mark.parametrize("pattern", ["", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "a\0b", "x" * 65_536, "\ud800"])
def test_illegal_filters(pattern: str) -> None:
    assert filter_problem(pattern)


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "a\0b", "x" * 65_536, "é" * 40_000, "\ud800"])
def test_illegal_topics(topic: str) -> None:
    assert topic_problem(topic)


_LEVEL = st.sampled_from(["", "a", "b", "+", "$x"])


@given(st.lists(_LEVEL, min_size=1, max_size=4), st.booleans(), st.lists(st.sampled_from(["", "a", "b", "$x"]), min_size=1, max_size=4))
def test_matching_agrees_with_the_definition(levels: list[str], rest: bool, topic: list[str]) -> None:
    """Level by level: `+` stands for any one, a last `#` for the parent and all below."""
    pattern = "/".join([*levels, "#"] if rest else levels)
    name = "/".join(topic)
    if not name or not pattern:
        return
    fits = len(topic) >= len(levels) if rest else len(topic) == len(levels)
    fits = fits and all(p in ("+", t) for p, t in zip(levels, topic, strict=False))
    if name.startswith("$") and pattern[0] in "+#":
        fits = False
    assert filter_problem(pattern) is None
    assert match(pattern, name) is fits
