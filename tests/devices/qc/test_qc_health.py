"""A device that says itself that it is not well."""

from __future__ import annotations

from devices.qc.health import verdict

SPANS = {"battery_voltage": (3.3, 4.3), "battery": (10.0, 100.0)}


def test_outside_its_span_everything_is_suspect() -> None:
    assert verdict({"battery_voltage": 3.1, "pm25": 10.0}, SPANS) == 3
    assert verdict({"battery_voltage": 3.6, "battery": 5.0}, SPANS) == 3
    assert verdict({"battery_voltage": 3.6}, SPANS) == 1


def test_what_is_not_reported_says_nothing() -> None:
    assert verdict({"pm25": 10.0, "battery": None}, SPANS) == 2
