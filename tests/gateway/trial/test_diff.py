"""Expected and actual transitions beside each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.trial.diff import Expected, Happened, compare, fits


def happened(minute: int, state: str = "firing", rule: str = "smoke", value: float | None = 60.0) -> Happened:
    return Happened(minute * 60_000, rule, "a", "hai-chau", state, "warning", "condition", "pm25", value, "ug/m3", False)


def expected(item: Happened, **other: object) -> Expected:
    whole = Expected(item.at, item.rule, item.station, None, item.state, item.severity, item.reason, None, item.value, None)
    return whole._replace(**other)


def test_what_is_left_out_may_be_anything_and_values_are_compared_within_a_thousandth() -> None:
    assert fits(expected(happened(5), station=None, severity=None, reason=None, value=None), happened(5))
    assert fits(expected(happened(5), value=60.05), happened(5))
    assert not fits(expected(happened(5), value=60.1), happened(5))
    assert not fits(expected(happened(5), value=60.0), happened(5, value=None))
    assert not fits(expected(happened(5), late=True), happened(5))


def test_a_diff_shows_what_is_missing_what_is_too_much_and_what_is_right() -> None:
    story = [happened(5), happened(9, "resolved")]
    lines = compare([expected(happened(4)), expected(story[1]), expected(happened(20, "unknown"))], story)
    assert lines is not None
    assert [line[:2] for line in lines] == ["- ", "+ ", "  ", "- "]
    assert lines[0].split() == ["-", "4m", "smoke", "a", "firing", "warning", "condition", "60"]
    assert lines[1].split() == ["+", "5m", "smoke", "a", "firing", "warning", "condition", "pm25", "60", "ug/m3"]


def test_the_order_within_one_instant_does_not_count() -> None:
    both = [happened(5, rule="b"), happened(5, rule="a")]
    assert compare([expected(item) for item in reversed(both)], both) is None


STORIES = st.lists(st.builds(happened, st.integers(0, 9), st.sampled_from(["firing", "resolved"]), st.sampled_from("ab")), max_size=8)


@given(STORIES, STORIES)
def test_equal_stories_have_no_diff_and_others_have_one_that_accounts_for_every_line(wanted: list[Happened], found: list[Happened]) -> None:
    lines = compare([expected(item) for item in wanted], found)
    key = [sorted((item.at, item.rule, item.state) for item in story) for story in (wanted, found)]
    if lines is None:
        assert key[0] == key[1]
        return
    marks = [line[:2] for line in lines]
    assert marks.count("- ") + marks.count("  ") == len(wanted)
    assert marks.count("+ ") + marks.count("  ") == len(found)
    assert set(marks) - {"  "}
