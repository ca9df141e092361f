"""Names, kinds and units: what fits, what is converted, and what is said of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.units import parse_unit
from rules.language.check import check, kind_of
from rules.language.compiling import compile_condition
from rules.language.errors import ConditionError
from rules.language.nodes import Comparison
from rules.language.parser import parse
from rules.language.vocabulary import FIELDS
from rules.language.writing import text_of
from tests.rules.language.trees import VOCABULARY, Station, cities


@pytest.mark.parametrize(
    ("text", "checked"),
    [
        ("pm25 > 50", "pm25 > 50"),
        ("o3 > 200 ppb", "o3 > 392.3744778157528 ug/m3"),
        ("o3_8h > 200 ppb", "o3_8h > 392.3744778157528 ug/m3"),
        ("200 ppb < o3", "392.3744778157528 ug/m3 < o3"),
        ("pm25_24h > 0.05 mg/m3", "pm25_24h > 50 ug/m3"),
        ("pm25_raw > 0.05 mg/m3", "pm25_raw > 50 ug/m3"),
        ("vn_aqi > 150", "vn_aqi > 150"),
        ("no2 + 10 ppb > 2 * (40 ppb)", "no2 + 18.80430855364038 ug/m3 > 2 * 75.21723421456151 ug/m3"),
        ("max(0.01 mg/m3, 3, pm25) > 5", "max(10 ug/m3, 3, pm25) > 5"),
        ("pm25 > 0.01 mg/m3 + 5 ug/m3", "pm25 > 10 ug/m3 + 5 ug/m3"),
        ("pm25 / (0.01 mg/m3) > 50 %", "pm25 / 10 ug/m3 > 0.5"),
        ("air_temp > 86 °F", "air_temp > 30 Cel"),
        ("air_temp < -4 °F", "air_temp < -20 Cel"),
        ("air_temp - water_temp > 9 °F", "air_temp - water_temp > 5 Cel"),
        ("delta(air_temp, 1h) < -9 °F", "delta(air_temp, 1h) < -5 Cel"),
        ("stddev(air_temp, 1h) > 5 K", "stddev(air_temp, 1h) > 5 Cel"),
        ("rate(level, 1h) > 20 cm/h", "rate(level, 1h) > 0.2 m/h"),
        ("rate(level, 1h) > 5 mm/min", "rate(level, 1h) > 0.3 m/h"),
        ("rate(air_temp, 1h) > 9 °F/h", "rate(air_temp, 1h) > 5 Cel/h"),
        ("rate(pm25, 1h) / rate(pm10, 1h) > 0.5", "rate(pm25, 1h) / rate(pm10, 1h) > 0.5"),
        ("age(pm25) > 30 min or uptime > 1d", "age(pm25) > 30m or uptime > 86400 s"),
        ("age(pm25) > 30m + 5 min", "age(pm25) > 30m + 5m"),
        ("age(pm25) / 1h > 2", "age(pm25) / 1h > 2"),
        ("level > 10 m", "level > 10 m"),
        ("flag(pm25) in (3, 4)", "flag(pm25) in (3, 4)"),
        ("station.elevation < 20 cm", "station.elevation < 0.2 m"),
        ("station.medium == 'air'", "station.medium == 'air'"),
        ("station.area != 'son-tra'", "station.area != 'son-tra'"),
        ("weekday in (sat, sun)", "weekday in (sat, sun)"),
        ("hour + minute / 60 > 22.5", "hour + minute / 60 > 22.5"),
        ("pm25 * wind_speed > 300", "pm25 * wind_speed > 300"),
        ("turbidity > 5 NTU", "turbidity > 5 [NTU]"),
        ("laeq > 60 dBA", "laeq > 60 dB[SPL]"),
        ("ecoli > 25 MPN/mL", "ecoli > 2500 {MPN}/dL"),
        ("pm25 > limit('QCVN 05:2023', pm25, '24h')", "pm25 > limit('QCVN 05:2023', pm25, '24h')"),
        ("limit('QCVN 08:2023', do, 'single', 'A') > do", "limit('QCVN 08:2023', do, 'single', 'A') > do"),
        ("median_of(area, o3) > 200 ppb", "median_of(area, o3) > 392.3744778157528 ug/m3"),
        ("count_of(area('hai-chau/*'), o3 > 200 ppb) >= 3", "count_of(area('hai-chau/*'), o3 > 392.3744778157528 ug/m3) >= 3"),
        ("last(wind_dir, 1h) > 90 and wind_dir < 180 °", "last(wind_dir, 1h) > 90 and wind_dir < 180 deg"),
    ],
)
def test_what_fits_is_converted(text: str, checked: str) -> None:
    node = check(parse(text), VOCABULARY, text)
    assert text_of(node) == checked
    assert check(node, VOCABULARY) == node
    assert check(parse(checked), VOCABULARY) == node


NOT_A_CONDITION = "not a condition: compare it"


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("pm25", "pm25", NOT_A_CONDITION),
        ("any_of(area, pm25 > 1) and pm25", "pm25", NOT_A_CONDITION),
        ("pm52 > 3", "pm52", "unknown parameter 'pm52'; did you mean 'pm25'?"),
        ("PM25 > 3", "PM25", "did you mean 'pm25'?"),
        ("avg(vn_aqy, 1h) > 3", "avg(vn_aqy, 1h)", "did you mean 'vn_aqi'?"),
        ("age(pm52) > 1h", "age(pm52)", "did you mean 'pm25'?"),
        ("flag(pm52) == 3", "flag(pm52)", "did you mean 'pm25'?"),
        ("pm25 > 10 °C", "10 °C", "'°C' (temperature) cannot become 'ug/m3' (mass concentration), the unit of pm25"),
        ("pm25 > 2 ppb", "2 ppb", "not one gas"),
        ("pm25 > 10 foo", "10 foo", "unknown unit 'foo'"),
        ("pm25 > 10 m/foo", "10 m/foo", "to divide, put blanks around `/`"),
        ("pm25 > level", "pm25 > level", "pm25 is in µg/m³, level is in m: they cannot be compared"),
        ("pm25 > vn_aqi", "pm25 > vn_aqi", "vn_aqi is a number without a unit"),
        ("max(level, pm25) > 3", "max(level, pm25)", "they cannot be put beside"),
        ("level > 10m", "10m", "`10m` is a duration, 10 metres are written `10 m`"),
        ("age(pm25) > 30 m", "30 m", "minutes are written without a blank: `30m`"),
        ("age(pm25) > 30", "30", "age(pm25) is a duration: write for example 30m, not 30"),
        ("rate(level, 1h) > 20 cm", "20 cm", "is no rate: a rate is per hour"),
        ("rate(level, 1h) > 20 cm/kg", "20 cm/kg", "unknown unit"),
        ("air_temp - 5 K > 3", "5 K", "write it in °C"),
        ("air_temp > 2 * (5 °F)", "(5 °F)", "write it in °C"),
        ("2 ppb * o3 > 3", "2 ppb * o3", "multiplied by plain numbers only"),
        ("pm25 * wind_speed > 3 m", "3 m", "product of units: write the number without a unit"),
        ("10 m / count(pm25, 1h) > level", "10 m / count(pm25, 1h)", "divided by plain numbers only"),
        ("1 / (5 m) > 1 / level", "1 / (5 m)", "nothing is divided by a constant with a unit"),
        ("5 m / 0 < level", "5 m / 0", "divides by zero"),
        ("pm25 > 5 / 0", "5 / 0", "divides by zero"),
        ("pm25 > 1e308 * 1e308", "1e308 * 1e308", "too large"),
        ("pm25 > 1e308 g/m3", "1e308 g/m3", "too large"),
        ("age(pm25) > 1e308 h", "1e308 h", "too large"),
        ("5 > 3", "5 > 3", "both constant"),
        ("sat == sun", "sat == sun", "both constant"),
        ("flag(pm25) == 5", "5", "a flag is compared with 1 (good)"),
        ("flag(pm25) > pm25", "pm25", "a flag is compared with 1 (good)"),
        ("flag(pm25) + 1 > 3", "flag(pm25)", "a flag is only compared"),
        ("(pm25 > 3) > 5", "(pm25 > 3)", "is a condition: it is true or false already"),
        ("(pm25 > 3) + 5 > 1", "(pm25 > 3)", "is a condition, not a number"),
        ("weekday == 6", "6", "`weekday` is compared with one of mon tue wed thu fri sat sun"),
        ("time > 22", "22", "`time` is compared with hh:mm"),
        ("time == 22:00", "time == 22:00", "write for example `time >= 22:00 and time < 22:30`"),
        ("hour == 24", "24", "`hour` is 0 to 23"),
        ("0 == month", "0", "`month` is 1 to 12"),
        ("pm25 > 'x'", "pm25 > 'x'", "'x' is a text: they cannot be compared"),
        ("weekdays in (sat, sun)", "weekdays", "unknown parameter 'weekdays'; did you mean 'weekday'?"),
        ("weekday in (sta, sun)", "sta", "sta is no weekday; did you mean 'sat'?"),
        ("weekday in (pm25, sun)", "pm25", "pm25 is no weekday: they are mon tue"),
        ("pm25 in (3, o3)", "o3", "`in (…)` lists constants"),
        ("station.elev > 3", "station.elev", "did you mean 'elevation'?"),
        ("station.wibble > 3", "station.wibble", "known: id, medium"),
        ("station.site > 'x'", "station.site > 'x'", "`==` and `!=` only"),
        ("station.medium == 'watr'", "'watr'", "did you mean 'water'?"),
        ("station.medium == 'xyz'", "'xyz'", "there are: air, water"),
        ("station.id == 'cau-rog'", "'cau-rog'", "did you mean 'cau-rong'?"),
        ("station('cau-rog').pm25 > 1", "station('cau-rog').pm25", "did you mean 'cau-rong'?"),
        ("avg(wind_dir, 1h) > 90", "avg(wind_dir, 1h)", "is a direction"),
        ("median_of(area, wind_dir) > 90", "wind_dir", "there is no `median_of` of it"),
        ("median_of(area, 5) > 90", "5", "asks for a number that stations have"),
        ("count_of(area, pm25) > 3", "pm25", "asks for a condition"),
        ("any_of(area, all_of(stations, pm25 > 3))", "all_of(stations, pm25 > 3)", "stands within another one"),
        ("any_of(area('son-tr'), pm25 > 3)", "area('son-tr')", "did you mean 'son-tra'?"),
        ("any_of(medium('watr'), pm25 > 3)", "medium('watr')", "did you mean 'water'?"),
        ("any_of(tag('shool'), pm25 > 3)", "tag('shool')", "did you mean 'school'?"),
        ("any_of(stations('a', 'cau-rog'), pm25 > 3)", "stations('a', 'cau-rog')", "did you mean 'cau-rong'?"),
        ("pm25 > limit('QCVN 05:2024', pm25, '24h')", "limit('QCVN 05:2024', pm25, '24h')", "did you mean 'QCVN 05:2023'?"),
        ("pm25 > limit('QCVN 05:2023', pm10, '24h')", "limit('QCVN 05:2023', pm10, '24h')", "there are: 'o3', 'pm25'"),
        ("pm25 > limit('QCVN 05:2023', pm25, '1h')", "limit('QCVN 05:2023', pm25, '1h')", "there are: '1y', '24h'"),
        ("do > limit('QCVN 08:2023', do, 'single')", "limit('QCVN 08:2023', do, 'single')", "name one of 'A' as the fourth"),
        ("pm25 > limit('QCVN 05:2023', pm25, '24h', 'A')", "limit('QCVN 05:2023', pm25, '24h', 'A')", "has no classes: leave 'A' out"),
        ("level > limit('QCVN 05:2023', pm25, '24h')", "level > limit('QCVN 05:2023', pm25, '24h')", "they cannot be compared"),
    ],
)
def test_what_does_not_fit(text: str, at: str, says: str) -> None:
    with pytest.raises(ConditionError) as raised:
        check(parse(text), VOCABULARY, text)
    (problem,) = raised.value.problems
    assert says in problem.message
    assert text[problem.span.start : problem.span.end] == at


def test_all_problems_at_once() -> None:
    text = "pm52 > 3 and o3 > 10 °C or flag(pm25) == 7 and station.elev > avg(levle, 1h)"
    with pytest.raises(ConditionError) as raised:
        check(parse(text), VOCABULARY, text)
    assert [text[p.span.start : p.span.end] for p in raised.value.problems] == ["pm52", "10 °C", "7", "station.elev", "avg(levle, 1h)"]


ANYTHING = st.recursive(
    st.sampled_from(
        [
            "5",
            "0",
            "2.5",
            "10m",
            "1h",
            "200 ppb",
            "5 %",
            "30 °C",
            "5 K",
            "20 cm/h",
            "2 m",
            "'air'",
            "sat",
            "22:00",
            "pm25",
            "o3",
            "level",
            "vn_aqi",
            "uptime",
            "wind_dir",
            "station('a').o3",
            "station.site",
            "station.elevation",
            "hour",
            "time",
            "weekday",
            "age(o3)",
            "flag(o3)",
            "rate(level, 1h)",
            "count(o3, 1h)",
            "delta(air_temp, 1h)",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(("+", "-", "*", "/", ">", "<=", "==", "and", "or")), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda x: f"-({x})"),
        inner.map(lambda x: f"(not {x})"),
        inner.map(lambda x: f"abs({x})"),
        st.tuples(inner, inner).map(lambda t: f"max({', '.join(t)})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} in ({t[1]}))"),
        st.tuples(st.sampled_from(("any_of", "count_of", "avg_of")), inner).map(lambda t: f"{t[0]}(area, {t[1]})"),
    ),
    max_leaves=6,
)


@given(ANYTHING | st.tuples(ANYTHING, st.sampled_from((">", "==")), ANYTHING).map(" ".join), cities())
def test_any_tree_is_refused_or_runs(text: str, view: Station) -> None:
    tree = parse(text)
    try:
        node = check(tree, VOCABULARY, text)
    except ConditionError:
        return
    assert check(node, VOCABULARY) == node
    assert check(parse(text_of(node), longest=10_000), VOCABULARY) == node
    assert compile_condition(node, VOCABULARY.limits).evaluate(view) in (True, False, None)


@given(st.sampled_from(("o3", "no2", "so2", "co")), st.floats(0.001, 1e6), st.sampled_from(("ppb", "ppm", "mg/m3", "ug/m3", "µg/m³")))
def test_a_gas_in_any_unit(gas: str, value: float, unit: str) -> None:
    checked = check(parse(f"{gas} > {value!r} {unit}"), VOCABULARY)
    assert isinstance(checked, Comparison)
    grams = VOCABULARY.catalogue[gas].molar_mass or 0.0
    moles = {"ppb": 1.0, "ppm": 1000.0}
    expected = value * moles[unit] * grams / 24.46539 if unit in moles else value * float(parse_unit(unit).factor)
    assert checked.right.value == pytest.approx(expected, rel=1e-6)  # type: ignore[union-attr]


def test_kinds_can_be_asked_for() -> None:
    def kind(text: str) -> str:
        node = check(parse(f"{text} > 3"), VOCABULARY)
        assert isinstance(node, Comparison)
        return str(kind_of(node.left, VOCABULARY))

    assert kind("rate(level, 1h)") == "in m/h"
    assert kind("vn_aqi") == kind("pm25 / pm10") == kind("count(pm25, 1h)") == "a number without a unit"
    assert str(kind_of(parse("age(pm25)"), VOCABULARY)) == "a duration"
    assert str(kind_of(parse("time"), VOCABULARY)) == "a time of day"


def test_names_that_are_not_given_are_not_checked() -> None:
    from rules.language.vocabulary import Vocabulary

    free = Vocabulary(catalogue=VOCABULARY.catalogue)
    for text in ("any_of(tag('x') and area('y') and stations('z'), pm25 > 1)", "station('q').pm25 > 1", "station.area == 'w'"):
        check(parse(text), free)


def test_fields_have_a_sentence() -> None:
    assert all(info.about for info in FIELDS.values())
