"""Corrections of readings: the published vectors, versions with dates, and the raw value kept beside."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.calibration import us_epa_2021
from devices.interpret import Interpreted, Interpreter, build_interpreter
from devices.loader import catalogue
from devices.problems import ConfigError
from devices.times import parse_instant, parse_zone
from tests.devices.building import NOON, core_config, device, station

EPA = {"pm25": {"us-epa-2021": {}}}
KAPPA = {"pm25": {"kappa-kohler": {"kappa": 0.4}}}


def town(calibration: dict[str, Any], **more: Any) -> Interpreter:
    return build_interpreter(core_config(station("st-1", device("an-01", calibration=calibration), **more)))


def read(interpreter: Interpreter, body: str, at_ms: int = NOON) -> dict[str, tuple[float | None, int]]:
    found = interpreter.interpret("main", "sensors/air/an-01", b'{"device":"an-01",' + body.encode() + b"}", NOON)
    assert isinstance(found, Interpreted), found
    lines = interpreter.lines(found, at_ms)
    assert isinstance(lines, tuple)
    return {value.parameter: (value.value, value.flag) for line in lines for value in line.values}


@pytest.mark.parametrize(
    ("pm", "rh", "due"), [(10, 50, 6.680), (33, 40, 20.891), (100, 85, 77.023), (235, 60, 199.611), (300, 60, 289.526)]
)
def test_the_us_epa_correction_gives_the_published_vectors(pm: float, rh: float, due: float) -> None:
    assert us_epa_2021(pm, rh) == pytest.approx(due, abs=5e-4)


@pytest.mark.parametrize("joint", [30, 50, 210, 260])
@given(rh=st.floats(0, 100))
def test_the_us_epa_correction_has_no_steps(joint: float, rh: float) -> None:
    assert us_epa_2021(joint - 1e-9, rh) == pytest.approx(us_epa_2021(joint, rh), abs=1e-6)


@given(st.floats(0, 5000), st.floats(0, 100))
def test_no_corrected_concentration_is_negative(pm: float, rh: float) -> None:
    assert us_epa_2021(pm, rh) >= 0


def test_a_correction_by_humidity_keeps_the_raw_value_beside() -> None:
    found = read(town(EPA), '"pm25":100,"humidity":85')
    assert found["pm25"] == (pytest.approx(77.023, abs=1e-3), 1)
    assert found["pm25_raw"] == (100.0, 1)
    assert found["rh"] == (85.0, 1)


def test_kappa_kohler_takes_the_water_off() -> None:
    """At 50 %: 1 + (0.4 / 1.65) / (100 / 50 - 1) = 1.2424; never more than at 95 %."""
    assert read(town(KAPPA), '"pm25":100,"humidity":50')["pm25"][0] == pytest.approx(100 / 1.242424, abs=1e-3)
    at_95, at_100 = (read(town(KAPPA), f'"pm25":100,"humidity":{rh}')["pm25"][0] for rh in (95, 100))
    assert at_95 == at_100 == pytest.approx(100 / (1 + 0.4 / 1.65 * 19), abs=1e-3)


@pytest.mark.parametrize("body", ['"pm25":100', '"pm25":100,"humidity":null', '"pm25":100,"humidity":"wet"', '"pm25":100,"humidity":250'])
def test_without_a_humidity_to_be_believed_the_value_stays_and_is_suspect(body: str) -> None:
    found = read(town(EPA), body)
    assert found["pm25"] == (100.0, 3)
    assert found["pm25_raw"] == (100.0, 1)


def test_a_missing_value_has_nothing_beside_it() -> None:
    assert read(town(EPA), '"pm25":null,"humidity":50') == {"pm25": (None, 9), "rh": (50.0, 1)}


def test_a_failed_value_is_not_mended_by_a_formula() -> None:
    found = read(town({"pm25": {"linear": {"factor": 0.1}}}), '"pm25":5000')
    assert (found["pm25"], found["pm25_raw"]) == ((500.0, 4), (5000.0, 4))


def test_a_value_that_the_correction_moves_out_of_its_span_is_flagged() -> None:
    assert read(town({"pm25": {"linear": {"offset": -20}}}), '"pm25":5')["pm25"] == (-15.0, 4)


def test_linear_and_polynomial() -> None:
    forms = {"pm25": {"linear": {"factor": 2, "offset": 1}}, "pm10": {"polynomial": [1, 0, 0.5]}}
    found = read(town(forms), '"pm25":10,"pm10":4,"no2":7')
    assert (found["pm25"][0], found["pm10"][0], found["no2"][0]) == (21.0, 9.0, 7.0)
    assert "no2_raw" not in found


def test_versions_hold_for_their_dates() -> None:
    zone = parse_zone("Asia/Ho_Chi_Minh")
    versions = [
        {"from": "2026-03-01", "to": "2026-06-01", "linear": {"factor": 3}, "note": "co-location, summer"},
        {"from": "2026-01-01", "linear": {"factor": 2}},
    ]
    city = town({"pm25": versions})
    for day, due in (("2025-12-31", 10.0), ("2026-01-01", 20.0), ("2026-02-28", 20.0), ("2026-03-01", 30.0), ("2026-06-01", 20.0)):
        found = read(city, '"pm25":10', parse_instant(day, zone))
        assert found["pm25"][0] == due, day
        assert ("pm25_raw" in found) == (due != 10.0)


def test_a_stations_own_spans_judge_the_corrected_value_and_raw_keeps_its_flag() -> None:
    city = town({"pm25": {"linear": {"factor": 2}}}, limits={"pm25": {"suspect": [0, 15]}})
    found = read(city, '"pm25":10')
    assert (found["pm25"], found["pm25_raw"]) == ((20.0, 3), (10.0, 1))


def test_what_else_the_message_holds_is_corrected_too_and_keeps_its_medium() -> None:
    city = town({"battery": {"linear": {"offset": -1}}})
    found = city.interpret("main", "sensors/air/an-01", b'{"device":"an-01","pm25":1,"battery":50}', NOON)
    assert isinstance(found, Interpreted)
    lines = city.lines(found, NOON)
    assert isinstance(lines, tuple)
    about = next(line for line in lines if line.medium == "device")
    assert [(value.parameter, value.value) for value in about.values] == [("battery", 49.0), ("battery_raw", 50.0)]


@pytest.mark.parametrize(
    ("calibration", "path", "says"),
    [
        ({"pm26": {"linear": {}}}, ("pm26",), "did you mean"),
        ({"ph": {"linear": {}}}, ("ph",), "not measured by this device type"),
        ({"pm25": {"us-epa-2021": {"humidity": "device_rh"}}}, ("pm25", 0), "does not give"),
        ({"pm25": {"linear": {}, "from": "2026-02-01", "to": "2026-01-01"}}, ("pm25", 0, "to"), "before"),
        ({"pm25": [{"linear": {}}, {"linear": {"factor": 2}}]}, ("pm25", 1), "begin at the same time"),
        ({"pm25": {"linear": {}, "from": "soon"}}, ("pm25", 0, "from"), "is not a date"),
        ({"pm25": {}}, ("pm25", 0), "one of"),
        ({"pm25": {"linear": {}, "polynomial": [0, 1]}}, ("pm25", 0), "one of"),
        ({"pm25": {"polynomial": [1]}}, ("pm25", 0, "polynomial"), ""),
    ],
)
def test_problems_name_their_place(calibration: dict[str, Any], path: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        town(calibration)
    due = ("stations", 0, "devices", 0, "calibration", *path)
    assert [problem for problem in caught.value.problems if problem.path[: len(due)] == due and says in problem.message], (
        caught.value.problems
    )


def test_every_parameter_has_a_raw_one_that_is_not_listed() -> None:
    known = catalogue()
    assert known["pm25_raw"].unit == known["pm25"].unit
    assert "pm25_raw" in known
    assert "pm25_raw" not in list(known)
    assert "nothing_raw" not in known


@given(
    value=st.floats(-1e308, 1e308), rh=st.floats(-1e308, 1e308), form=st.sampled_from([EPA, KAPPA, {"pm25": {"polynomial": [1e300] * 8}}])
)
def test_no_value_raises(value: float, rh: float, form: dict[str, Any]) -> None:
    found = read(town(form), f'"pm25":{value!r},"humidity":{rh!r}')
    assert all(number is None or abs(number) < float("inf") for number, _ in found.values())
