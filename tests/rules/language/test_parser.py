"""Any text is a condition or a ConditionError; what a condition means is its tree."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue
from rules.language.building import DEEPEST
from rules.language.errors import ConditionError
from rules.language.nodes import (
    Across,
    Age,
    And,
    Arithmetic,
    Call,
    Clock,
    ClockValue,
    Comparison,
    Duration,
    FlagOf,
    In,
    LimitOf,
    Negative,
    Node,
    Not,
    Number,
    Or,
    Reading,
    Selector,
    StationField,
    Text,
    Window,
)
from rules.language.parser import LONGEST, MOST_BRACKETS, grammar, parse
from rules.language.reach import walk
from rules.language.words import CALLS, CLOCK, FUNCTIONS, QUANTIFIERS, RESERVED, SELECTORS, STATISTICS
from rules.language.writing import text_of
from tests.rules.language.trees import CONDITIONS

A, B, C = (Comparison(">", Reading(name), Number(1.0)) for name in "abc")
PM25, HOUR = Reading("pm25"), 3_600_000


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a > 1 or b > 1 and c > 1", Or((A, And((B, C))))),
        ("(a > 1 or b > 1) and c > 1", And((Or((A, B)), C))),
        ("not a > 1 and b > 1", And((Not(A), B))),
        ("a > 1 and b > 1 and c > 1", And((A, B, C))),
        ("pm25 - 1 - 2", Arithmetic("-", Arithmetic("-", PM25, Number(1.0)), Number(2.0))),
        ("1 + 2 * pm25", Arithmetic("+", Number(1.0), Arithmetic("*", Number(2.0), PM25))),
        ("-5 °F", Number(-5.0, "°F")),
        ("-(5 °F)", Negative(Number(5.0, "°F"))),
        ("- pm25", Negative(PM25)),
        ("10m", Duration(600_000)),
        ("1.5h", Duration(5_400_000)),
        ("2w", Duration(1_209_600_000)),
        ("10 m", Number(10.0, "m")),
        ("10 m/s", Number(10.0, "m/s")),
        ("10m/s", Number(10.0, "m/s")),
        ("200ppb", Number(200.0, "ppb")),
        ("0.5 mg/m3", Number(0.5, "mg/m3")),
        ("50 µg/m³", Number(50.0, "µg/m³")),
        ("5 mgL-1", Number(5.0, "mgL-1")),
        ("60 dB(A)", Number(60.0, "dB(A)")),
        ("2500 MPN/100 mL", Number(2500.0, "MPN/100 mL")),
        ("7 [pH]", Number(7.0, "[pH]")),
        ("1e3", Number(1000.0)),
        ("50 %", Number(50.0, "%")),
        ("2 / pm25", Arithmetic("/", Number(2.0), PM25)),
        ("5 and", None),
        (
            "rain > 2 in and pm25 in (1, 2)",
            And((Comparison(">", Reading("rain"), Number(2.0, "in")), In(PM25, (Number(1.0), Number(2.0))))),
        ),
        ("pm25 not in (1)", Not(In(PM25, (Number(1.0),)))),
        ("time >= 22:00", Comparison(">=", Clock("time"), ClockValue("time", 22 * HOUR))),
        ("weekday == sun", Comparison("==", Clock("weekday"), ClockValue("weekday", 7))),
        ("avg(pm25, 1h)", Window("avg", "pm25", HOUR)),
        ("avg(station('x').pm25, 1h, complete=0.75)", Window("avg", "pm25", HOUR, 0.75, "x")),
        ("max(pm25, 1h)", Window("max", "pm25", HOUR)),
        ("max(pm25, 1)", Call("max", (PM25, Number(1.0)))),
        ("max(age(pm25), 1h)", Call("max", (Age("pm25"), Duration(HOUR)))),
        ("abs(pm25)", Call("abs", (PM25,))),
        ("flag(pm25) == 3", Comparison("==", FlagOf("pm25"), Number(3.0))),
        ("station.site == 'river'", Comparison("==", StationField("site"), Text("river"))),
        ('station.site == "it\'s"', Comparison("==", StationField("site"), Text("it's"))),
        ("station('cau-rong').pm25", Reading("pm25", "cau-rong")),
        ("limit('QCVN 05:2023', pm25, '24h')", LimitOf("QCVN 05:2023", "pm25", "24h")),
        ("limit('QCVN 08:2023', do, 'single', 'A')", LimitOf("QCVN 08:2023", "do", "single", "A")),
        ("any_of(stations, a > 1)", Across("any_of", Selector(everywhere=True), A)),
        ("median_of(area, pm25)", Across("median_of", Selector(own_area=True), PM25)),
        ("all_of(medium('air') and area('x/*'), a > 1)", Across("all_of", Selector(area="x/*", medium="air"), A)),
        ("min_of(tag('t') and stations('a', 'b'), pm25)", Across("min_of", Selector(tag="t", stations=("a", "b")), PM25)),
        ("a >\n  1\tor b>1", Or((A, B))),
    ],
)
def test_what_a_text_means(text: str, tree: object) -> None:
    if tree is None:
        with pytest.raises(ConditionError):
            parse(text)
    else:
        assert parse(text) == tree


def test_every_node_knows_where_it_stands() -> None:
    text = "avg(pm25, 1h) > 50 and not (o3 > -200 ppb)"
    spans = {text_of(node): text[node.span.start : node.span.end] for node in walk(parse(text))}
    assert spans == {
        text_of(parse(text)): text,
        "avg(pm25, 1h) > 50": "avg(pm25, 1h) > 50",
        "avg(pm25, 1h)": "avg(pm25, 1h)",
        "50": "50",
        "not o3 > -200 ppb": "not (o3 > -200 ppb)",
        "o3 > -200 ppb": "(o3 > -200 ppb)",
        "o3": "o3",
        "-200 ppb": "-200 ppb",
    }


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("", 0, "a condition is missing"),
        ("pm25 >", 6, "ends too early: expected a value"),
        ("pm25 = 3", 5, "write `==`"),
        ("pm25 => 3", 5, "write"),
        ("pm25 === 3", 7, "write one of > >= < <= == !="),
        ("pm25 ≥ 3", 5, "write `>=`"),
        ("pm25 > 3 && o3 > 2", 9, "write `and`"),
        ("pm25 > 3 AND o3 > 2", 9, "write `and` in small letters"),
        ("NOT pm25 > 3", 0, "write `not` in small letters"),
        ("pm25 > 3 và o3 > 2", 9, "'và' is no unit; conditions are joined with `and` and `or`"),
        ("pm25 > 5 or", 11, "ends too early: expected a value"),
        ("any_of(areas, pm25 > 3)", 7, "'areas' is not known here; did you mean 'area'?"),
        ("any_of(statons, pm25 > 3)", 7, "`statons` does not fit here; did you mean 'stations'?"),
        ("sttion.elevation > 5 m", 0, "'sttion' has no fields: a registry field is written `station.elevation`"),
        ("avg(pm25, 1h, complet=0.7) > 3", 14, "`complet` does not fit here: expected `complete=`"),
        ("pm25 > 37,5", 9, "a decimal is written with a point"),
        ("pm25 > 'x", 7, "no closing quote"),
        ("pm25 > ‘x’", 7, "straight quotes"),
        ("hour() > 3", 4, "write `hour` without brackets"),
        ("time > 6:5", 8, "`06:30`"),
        ("25:00 > time", 0, "no time of day"),
        ("1 < pm25 < 3", 0, "cannot be chained: write `… < pm25 and pm25 < …`"),
        ("pm25 > 3)", 8, "never opened"),
        ("(pm25 > 3", 9, "ends too early: expected `)`"),
        ("pm25 o3", 5, "expected an operator (> >= < <= == != in + - * / and or)"),
        ("avg(pm25) > 3", 8, "avg is written avg(parameter, duration), for example avg(pm25, 1h)"),
        ("avg(pm25, 60) > 3", 10, "expected a duration"),
        ("avg(pm25, 0h) > 3", 10, "a window is longer than 0"),
        ("avg(pm25, 9999d) > 3", 10, "at most 366d"),
        ("avg(pm25, 1h, complete=75) > 3", 14, "write `complete=0.75` for 75 %"),
        ("max(pm25, o3, complete=0.7) > 3", 14, "`complete` is for windows"),
        ("max(pm25) > 3", 0, "`max` needs a duration"),
        ("any_of(pm25 > 3)", 7, "expected stations"),
        ("any_of(area('x') and area('y'), pm25 > 3)", 21, "is there twice"),
        ("any_of(area(''), pm25 > 3)", 7, "nothing stands between the quotes"),
        ("limit(pm25) > 3", 6, "limit is written limit('standard', parameter, 'averaging')"),
        ("averge(pm25, 1h) > 3", 0, "unknown function `averge`; did you mean `avg`"),
        ("wibble(x=3) > 3", 0, "unknown function `wibble` (known: avg,"),
        ("area('x')", 0, "`area(…)` selects stations"),
        ("pm25 > 1e999", 7, "too large"),
        ("age(pm25) > " + "9" * 400 + "h", 12, "too large"),
        ("a" * (LONGEST + 1), LONGEST, f"at most {LONGEST} characters"),
        ("(" * 60 + "a", MOST_BRACKETS, "more than 50 brackets"),
        ("-" * 300 + "a", 250, "too deep: at most 50"),
        ("a" + "+a" * 300, 0, "too deep: at most 50"),
    ],
)
def test_what_is_no_condition(text: str, at: int, says: str) -> None:
    with pytest.raises(ConditionError) as raised:
        parse(text)
    assert says in raised.value.problems[0].message
    assert raised.value.problems[0].span.start == at


def test_misspelt_functions_are_all_told_at_once_but_not_what_is_in_them() -> None:
    with pytest.raises(ConditionError) as raised:
        parse("averge(pm25, foo(1)) > 3 and medain(area('x')) > 1")
    assert [problem.span.start for problem in raised.value.problems] == [0, 29]


def test_the_deepest_that_is_allowed() -> None:
    assert parse("-" * (DEEPEST - 2) + "a")
    assert parse("(" * MOST_BRACKETS + "a" + ")" * MOST_BRACKETS) == Reading("a")


def test_longer_texts_can_be_allowed() -> None:
    text = "pm25 > " + "0" * LONGEST + "5"
    assert parse(text, longest=len(text)) == Comparison(">", PM25, Number(5.0))


PIECES = [
    "pm25",
    "o3",
    "1",
    "2.5",
    "10m",
    "200 ppb",
    "30 °C",
    "22:00",
    "'x'",
    '"',
    "'",
    ",",
    ".",
    "+",
    "-",
    "*",
    "/",
    "é",
    "\n",
    "µ",
    "%",
    "=",
]
WORDS = [*sorted(RESERVED | set(SELECTORS)), *PIECES, *["(", ")"] * 5, "<", "<=", "==", "!="]


def outcome(text: str, longest: int = LONGEST) -> object:
    """A tree, or the problem: no other exception."""
    try:
        return parse(text, longest=longest)
    except ConditionError as error:
        return error


def assert_sound(text: str) -> None:
    found = outcome(text)
    if isinstance(found, ConditionError):
        assert found.problems
        assert all(problem.message and 0 <= problem.span.start <= problem.span.end for problem in found.problems)
        assert found.pictures()
    else:
        assert parse(text_of(found), longest=20 * LONGEST) == found  # type: ignore[arg-type]


@given(st.text() | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
def test_any_text_is_a_condition_or_says_what_is_wrong(text: str) -> None:
    assert_sound(text)


@given(CONDITIONS, st.data())
def test_a_changed_condition_too(tree: Node, data: st.DataObject) -> None:
    text = text_of(tree)
    at = data.draw(st.integers(0, len(text)))
    assert_sound(text[:at] + data.draw(st.sampled_from(WORDS)) + text[at + data.draw(st.integers(0, 3)) :])


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "a + ",
        "(",
        "-",
        "not ",
        "a and ",
        "'",
        "1",
        "1e",
        "1 m/",
        "1 m-1/",
        "a in (",
        "f(",
        "(a) or ",
        " ",
        "9.",
        "1 %",
        "a in (1, 2) and ",
        "\n",
    ],
)
def test_the_time_is_linear_in_the_length(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        started = time.process_time()
        outcome(text, length)
        return time.process_time() - started

    parse("a > 1")
    short, long = (min(seconds(length) for _ in range(3)) for length in (2_000, 8_000))
    assert long < 12 * short + 0.02, (short, long)


def test_every_example_of_the_words_is_read() -> None:
    for function in [
        *STATISTICS.values(),
        *QUANTIFIERS.values(),
        *FUNCTIONS.values(),
        *SELECTORS.values(),
        *CLOCK.values(),
        *CALLS.values(),
    ]:
        parse(function.example)


def test_no_parameter_is_a_word_of_the_language() -> None:
    assert not RESERVED & set(catalogue())


def test_every_word_of_the_grammar_is_in_the_tables() -> None:
    for word in RESERVED:
        assert f'"{word}"' in grammar()


def test_an_apostrophe_in_a_unit_opens_no_text() -> None:
    assert parse("pressure > min(29 [in_i'Hg], 30 [in_i'Hg])") == parse("pressure > min(29 [in_i'Hg],30 [in_i'Hg])")
