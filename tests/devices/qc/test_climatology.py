"""Climatology: whose month it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from devices.qc.climatology import Climatology, Member

DA_NANG = timezone(timedelta(hours=7))


def test_months_and_hours_are_those_of_the_city() -> None:
    """31 May 20:00 UTC is 1 June 03:00 in Da Nang."""
    at = int(datetime(2026, 5, 31, 20, tzinfo=UTC).timestamp() * 1000)
    june = (Member((6, 6), (20.0, 40.0), period="month"),)
    night = (Member((0, 5), (20.0, 40.0), period="hour"),)
    assert Climatology(june).flag(at, 30.0) == 2
    assert Climatology(june, DA_NANG).flag(at, 30.0) == 1
    assert Climatology(night, DA_NANG).flag(at, 45.0) == 3


def test_the_last_member_that_holds_the_reading_judges_it() -> None:
    year = Member((1, 12), (0.0, 10.0), (0.0, 20.0), "month")
    flood = Member((10, 12), (0.0, 15.0), None, "month")
    november = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
    assert Climatology((year, flood)).flag(november, 25.0) == 3
    assert Climatology((flood, year)).flag(november, 25.0) == 4
