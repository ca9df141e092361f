"""Can `when` and `clear` be true at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language.compiling import compile_condition
from rules.language.condition import read_condition
from rules.language.nodes import And, Comparison, Node, Not, Number, Or, Reading
from rules.language.overlap import overlap
from rules.language.vocabulary import NoLimits
from tests.rules.language.trees import OPERATORS, VOCABULARY, City, Station

LIMIT = "limit('QCVN 05:2023', pm25, '24h')"


@pytest.mark.parametrize(
    ("when", "clear", "answer"),
    [
        ("pm25 > 50", "pm25 < 40", False),
        ("pm25 > 50", "pm25 < 50", False),
        ("pm25 > 50", "pm25 <= 50", False),
        ("pm25 >= 50", "pm25 <= 50", True),
        ("pm25 > 50", "pm25 < 51", True),
        ("pm25 > 0.05 mg/m3", "pm25 < 50", False),
        ("avg(pm25, 1h) > 50", "avg(pm25, 1h) < 40", False),
        ("avg(pm25, 1h) > 50", "avg(pm25, 1h) < 60", True),
        ("avg(pm25, 1h) > 50", "avg(pm25, 2h) < 40", None),
        ("avg(pm25, 1h) > 100", "max(pm25, 1h) < 80", None),
        ("count(pm25, 1h) > 2", "count(pm25, 1h) < 3", None),
        ("pm25 > 50 or pm10 > 80", "pm25 < 40 and pm10 < 60", False),
        ("pm25 > 50 or pm10 > 80", "pm25 < 40", True),
        ("pm25 > 50 and pm10 > 80", "pm25 < 40", False),
        ("pm25 > 50 and hour > 5", "pm25 < 40 or hour < 3", False),
        ("pm25 > 50 and hour > 5", "pm25 < 40 or hour > 8", None),
        ("hour > 5", "hour < 6", False),
        ("flag(pm25) in (3, 4)", "flag(pm25) < 3", False),
        ("flag(pm25) >= 3", "flag(pm25) in (1, 9)", True),
        ("flag(pm25) > 4", "flag(pm25) < 9", False),
        ("weekday in (sat, sun)", "not weekday in (sat, sun)", False),
        (f"pm25 > {LIMIT}", f"pm25 < {LIMIT}", False),
        (f"pm25 >= {LIMIT}", f"pm25 <= {LIMIT}", True),
        (f"pm25 > {LIMIT}", f"pm25 < 0.8 * {LIMIT}", None),
        ("any_of(area, pm25 > 50)", "pm25 < 40", None),
        ("pm25 > 50 and pm25 < 40", "pm25 > 0", False),
        ("not pm25 > 50", "pm25 > 50", False),
    ],
)
def test_e3_overlap(when: str, clear: str, answer: bool | None) -> None:
    one, other = (read_condition(text, VOCABULARY) for text in (when, clear))
    assert overlap(one, other) is answer
    assert overlap(other, one) is answer


COMPARISONS = st.builds(Comparison, OPERATORS, st.just(Reading("x")), st.sampled_from((1.0, 2.0, 3.0)).map(Number))
ONE_OPERAND = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        st.builds(Not, inner),
    ),
    max_leaves=5,
)


@given(ONE_OPERAND, ONE_OPERAND)
def test_of_one_operand_it_is_exact(when: Node, clear: Node) -> None:
    one, other = compile_condition(when, NoLimits()), compile_condition(clear, NoLimits())
    views = [Station("a", City(), values={"x": value}) for value in (0.5, 1, 1.5, 2, 2.5, 3, 3.5)]
    assert overlap(one, other) is any(one.evaluate(view) and other.evaluate(view) for view in views)
    assert one.evaluate(Station("a", City())) is None


def test_too_many_operands_are_left_undecided() -> None:
    text = " and ".join(f"{name} > 1" for name in list(VOCABULARY.catalogue)[:12] if name != "wind_dir")
    assert overlap(read_condition(text, VOCABULARY), read_condition("pm25 < 1", VOCABULARY)) is None
