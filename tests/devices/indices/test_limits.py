"""Limits: dated values with source and status."""

from __future__ import annotations

from datetime import date

import pytest

from devices.indices.limit_tables import Limits
from devices.indices.limits import SAMPLE, NoLimit, limit
from devices.loader import catalogue, limits
from devices.problems import ConfigError
from devices.units import parse_unit
from tests.devices.indices.shared import DAY

LAW = {
    # QCVN 05:2023, domain.md 3: 1 h, 8 h, 24 h, year
    "so2": {"1h": 350, "24h": 125, "1y": 50},
    "co": {"1h": 30_000, "8h": 10_000},
    "no2": {"1h": 200, "24h": 100, "1y": 40},
    "o3": {"1h": 200, "8h": 120},
    "tsp": {"1h": 300, "24h": 200, "1y": 100},
    "pm10": {"24h": 100, "1y": 50},
    "pm25": {"24h": 45, "1y": 25},
    "lead": {"24h": 1.5, "1y": 0.5},
}


def test_ambient_air() -> None:
    found = {}
    for entry in limits():
        if entry.standard == "qcvn-05-2023" and entry.in_force(DAY):
            found.setdefault(entry.parameter, {})[entry.averaging] = entry.value
    assert found == LAW


def test_who_guideline_and_interim_targets() -> None:
    assert limit("pm25", "24h", DAY, standard="who-2021").value == 15
    assert [limit("pm25", "24h", DAY, standard="who-2021", class_=f"IT-{n}").value for n in (1, 2, 3, 4)] == [75, 50, 37.5, 25]
    assert limit("co", "24h", DAY, standard="who-2021").value == 4000
    assert limit("pm25", "24h", DAY, standard="who-2021", class_="IT-1").status == "to-verify"
    assert limit("pm25", "24h", DAY, standard="who-2021").status == "secondary"


def test_surface_water() -> None:
    assert limit("nh4_n", SAMPLE, DAY).value == 0.3
    oxygen = limit("do", SAMPLE, DAY, class_="B")
    assert (oxygen.least, oxygen.most, oxygen.value) == (5, None, 5)
    assert [oxygen.exceeded(mg) for mg in (4.99, 5, 9)] == [True, False, False]
    acidity = limit("ph", SAMPLE, DAY, class_="A")
    assert [acidity.exceeded(ph) for ph in (6.4, 6.5, 8.5, 8.6)] == [True, False, False, True]
    assert limit("do", SAMPLE, DAY, class_="A").status == "to-verify"
    assert limit("cod", SAMPLE, DAY, class_="B").status == "verified"


def test_sea_water_placeholders_are_marked() -> None:
    placeholder = limit("do", SAMPLE, DAY, standard="QCVN 10:2023/BTNMT", class_="bathing")
    assert (placeholder.value, placeholder.status) == (4, "to-verify")
    assert placeholder.remark is not None
    assert "superseded" in placeholder.remark
    assert limit("nh4_n", SAMPLE, DAY, standard="qcvn-10-2023").value == 0.1


def test_exceeded_is_greater_never_equal() -> None:
    assert [limit("pm25", "24h", DAY).exceeded(c) for c in (44.9, 45.0, 45.1)] == [False, False, True]


def test_what_is_to_verify_says_so() -> None:
    """domain.md 11: O3 over one hour and lead over a year of QCVN 05, the lost cells of QCVN 08, Bảng 1 of QCVN 10, interim targets."""
    doubtful = {(entry.standard, entry.parameter, entry.averaging, entry.class_) for entry in limits() if entry.status == "to-verify"}
    assert {("qcvn-05-2023", "o3", "1h", None), ("qcvn-05-2023", "lead", "1y", None)} <= doubtful
    assert {("qcvn-08-2023", "do", SAMPLE, "A"), ("qcvn-08-2023", "tss", SAMPLE, "B"), ("qcvn-08-2023", "toc", SAMPLE, "C")} <= doubtful
    assert all(entry.class_ != "AQG" or entry.averaging not in ("24h", "1y") for entry in limits() if entry.status == "to-verify")


def test_eu_tables_are_not_shipped() -> None:
    assert {entry.standard for entry in limits()} == {"qcvn-05-2023", "qcvn-08-2023", "qcvn-10-2023", "who-2021"}


@pytest.mark.parametrize(
    ("asked", "more", "says"),
    [
        (("pm2_5", "24h"), {}, "no limit is shipped for 'pm2_5'; did you mean 'pm25'?"),
        (("pm25", "8h"), {}, "qcvn-05-2023 has no limit for pm25 over '8h' (there is: 24h, 1y)"),
        (("cod", SAMPLE), {}, "qcvn-08-2023 has no limit for cod of class 'health': say class_=… (there is: A, B, C)"),
        (("pm25", "24h"), {"standard": "eu"}, "there is no standard 'eu' (known: qcvn-05-2023, qcvn-08-2023, qcvn-10-2023, who-2021)"),
        (("cod", SAMPLE), {"standard": "who-2021"}, "who-2021 has no limit for 'cod'"),
    ],
)
def test_what_there_is_not(asked: tuple[str, str], more: dict[str, str], says: str) -> None:
    with pytest.raises(NoLimit) as caught:
        limit(*asked, DAY, **more)  # type: ignore[arg-type]
    assert str(caught.value) == says


def test_before_it_began() -> None:
    with pytest.raises(NoLimit, match="had no limit for pm25 over 24h on 2023-09-11: it begins on 2023-09-12"):
        limit("pm25", "24h", date(2023, 9, 11))


def test_every_limit_is_in_the_canonical_unit_and_dated() -> None:
    for entry in limits():
        parse_unit(entry.unit)
        medium = "water" if entry.averaging == SAMPLE else "air"
        if entry.parameter in catalogue() and catalogue()[entry.parameter].medium == medium:
            assert entry.unit == catalogue()[entry.parameter].unit, entry
        assert entry.source
        assert entry.effective_to is None or entry.effective_from < entry.effective_to


def test_no_two_limits_hold_on_one_day() -> None:
    seen: dict[tuple[object, ...], list[object]] = {}
    for entry in limits():
        seen.setdefault((entry.standard, entry.parameter, entry.averaging, entry.class_), []).append(entry)
    for key, entries in seen.items():
        for day in (date(2023, 9, 12), date(2025, 12, 31), date(2026, 1, 1), date(2040, 1, 1)):
            assert sum(entry.in_force(day) for entry in entries) == 1, key  # type: ignore[attr-defined]


def test_a_limit_without_a_bound_is_refused() -> None:
    data = {
        "id": "x",
        "name": "X",
        "medium": "air",
        "unit": "ug/m3",
        "source": "s",
        "effective_from": DAY,
        "effective_to": None,
        "status": "verified",
    }
    with pytest.raises(ConfigError, match=r"write `most`, `least` or both"):
        Limits([{**data, "limits": [{"parameter": "pm25", "averaging": "1h"}]}])
