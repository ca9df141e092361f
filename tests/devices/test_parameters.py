"""The shipped catalogue is complete and its problems are found all at once."""

from __future__ import annotations

import pytest

from devices.loader import catalogue
from devices.parameters import Catalogue, UnknownParameter
from devices.problems import ConfigError


def test_all_parameters_of_the_reference_are_there() -> None:
    air = "pm1 pm25 pm10 tsp o3 no2 no nox so2 co co2 h2s nh3 c6h6 tvoc air_temp rh pressure wind_speed wind_dir rain solar uvi laeq"
    water = (
        "water_temp ph do do_sat ec salinity turbidity tss tds cod bod5 toc"
        " nh4_n no3_n no2_n po4_p tn tp orp chla level flow coliform ecoli"
    )
    # Parameters that the reference does not know (soil, light …) stand after its own.
    assert [parameter.id for parameter in catalogue().of("air") if parameter.source != "default"] == air.split()
    assert [parameter.id for parameter in catalogue().of("water") if parameter.source != "default"] == water.split()
    assert {"battery_voltage", "battery", "rssi", "snr", "device_temp", "clock_skew"} <= {p.id for p in catalogue().of("device")}


def test_smoke_and_typhoons_are_plausible() -> None:
    """Values that the city must be told about never fail for being large (semantics D1, typhoon note of the reference)."""
    known = catalogue()
    for parameter, value in (("pm25", 400), ("wind_speed", 75), ("pressure", 900), ("rain", 250), ("level", 15)):
        low, high = known[parameter].plausible
        assert low <= value <= high, parameter


def test_eea_terms() -> None:
    numbers = {p.id: int(p.eea.rsplit("/", 1)[1]) for p in catalogue().values() if p.eea}
    assert numbers == {"so2": 1, "pm10": 5, "pm25": 6001, "o3": 7, "no2": 8, "nox": 9, "co": 10, "c6h6": 20, "no": 38}


def test_a_typo_gets_a_suggestion() -> None:
    with pytest.raises(UnknownParameter, match=r"unknown parameter 'pm2\.5'; did you mean 'pm25'"):
        catalogue()["pm2.5"]
    assert catalogue().get("pm2.5") is None


def test_asking_whether_there_is_one_looks_for_no_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.parameters.did_you_mean", None)
    assert catalogue().get("pm25_24h") is None
    assert catalogue().get("pm25_24h", 3) == 3
    assert "pm25_24h" not in catalogue()
    assert "pm25" in catalogue()
    assert catalogue().get("pm25_raw") == catalogue()["pm25_raw"]


def test_all_problems_at_once_with_their_paths() -> None:
    good = {"medium": "air", "name": {"vi": "a", "en": "b"}, "unit": "%", "display": "%", "plausible": [0, 1], "source": "domain"}
    with pytest.raises(ConfigError) as caught:
        Catalogue.parse({"a": {**good, "plausible": [1, 0]}, "b": {**good, "colour": 1}, False: good, "c": good})  # type: ignore[dict-item]
    assert {problem.path for problem in caught.value.problems} == {("a", "plausible"), ("b", "colour"), ("False",)}
