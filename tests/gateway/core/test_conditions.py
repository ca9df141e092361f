"""The limits that conditions see: dated, and the same however often and in whatever order days are asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import loader
from gateway.core.conditions import DatedLimits
from rules.language.vocabulary import LimitKey

PM25 = LimitKey("QCVN 05:2023", "pm25", "24h")
LIMITS = DatedLimits()


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("2025-12-31T23:59:59.999+07:00", 50.0),
        ("2026-01-01T00:00:00+07:00", 45.0),
        ("2025-12-31T17:00:00+00:00", 45.0),
        ("1969-12-31T00:00:00+07:00", None),
    ],
)
def test_limits_change_at_midnight_in_viet_nam(at: str, value: float | None) -> None:
    assert LIMITS.value(PM25, ms(at)) == value


@given(st.lists(st.tuples(st.sampled_from(sorted(LIMITS.keys(), key=str)), st.integers(-(10**12), 4 * 10**12)), max_size=20))
def test_what_was_asked_before_changes_nothing(asked: list[tuple[LimitKey, int]]) -> None:
    known = [
        (limit.standard_name, limit.parameter, limit.averaging, limit.class_, limit.value, limit.in_force) for limit in loader.limits()
    ]
    for key, at_ms in asked:
        day: date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms, hours=7)).date()
        found = LIMITS.value(key, at_ms)
        assert found == DatedLimits().value(key, at_ms)
        assert found is None or any(value == found and in_force(day) for *_, value, in_force in known)


def test_a_limit_is_offered_in_the_unit_of_its_parameter_alone() -> None:
    """Lead in air (QCVN 05, µg/m³) is not the catalogue's lead, that of water (mg/L): no condition may compare the two."""
    known = loader.catalogue()
    units = {(limit.standard, limit.parameter): limit.unit for limit in loader.limits()}
    assert units["qcvn-05-2023", "lead"] == "ug/m3" != known["lead"].unit == units["qcvn-08-2023", "lead"]
    offered = {(key.standard, key.parameter) for key in list(LIMITS.keys())}
    assert ("qcvn-05-2023", "lead") not in offered
    assert ("qcvn-08-2023", "lead") in offered
    assert {one for one in offered if one in units and one[1] in known and units[one] != known[one[1]].unit} == set()
