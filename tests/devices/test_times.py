"""Times as devices write them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.times import LATEST_MS, format_instant, parse_duration, parse_instant, parse_zone, time_reader

T = 1_773_453_600_000
AUTO = time_reader("auto", None)
LOCAL = time_reader("auto", parse_zone("Asia/Ho_Chi_Minh"))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-03-14T02:00:00Z", T),
        ("2026-03-14T02:00:00z", T),
        (" 2026-03-14T02:00:00Z ", T),
        ("2026-03-14 02:00:00+00:00", T),
        ("2026-03-14T09:00:00+07:00", T),
        ("2026-03-14T09:00:00+0700", T),
        ("2026-03-13T22:00:00-04:00", T),
        ("2026-03-14T02:00Z", T),
        ("20260314T020000Z", T),
        ("2026-W11-6T02:00:00Z", T),
        ("2026-073T02:00:00Z", T),
        ("2026073T02:00:00Z", T),
        ("2024-366 00:00:00Z", 1_735_603_200_000),
        ("2026-03-14T02:00:00.123Z", T + 123),
        ("2026-03-14T02:00:00.1239999Z", T + 124),
        ("2026-03-14T02:00:00,5Z", T + 500),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2038-01-19T03:14:08Z", 2_147_483_648_000),
        (1_773_453_600, T),
        (1_773_453_600.25, T + 250),
        (1_773_453_600_000, T),
        (1_773_453_600_000_000, T),
        (1_773_453_600_000_000_000, T),
        ("1773453600", T),
        ("1773453600000", T),
        ("1773453600.5", T + 500),
        (2_147_483_648, 2_147_483_648_000),
        (0, 0),
    ],
)
def test_auto_reads_iso_8601_and_epochs_by_size(raw: object, expected: int) -> None:
    assert AUTO(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "yesterday",
        "2026-03-14",
        "2026-W11-6",
        "2026-366T00:00:00Z",
        "2026-000T00:00:00Z",
        "0000-001T00:00:00Z",
        "9999-999T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-03-14T25:00:00Z",
        "2026-03-14T02:00:00",
        True,
        [],
        {},
        -5,
        1e300,
        float("inf"),
        "9" * 21,
        "1969-12-31T23:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "x" * 10_000,
    ],
)
def test_what_is_no_time_comes_back_as_a_text_that_says_why(raw: object) -> None:
    found = AUTO(raw)
    assert isinstance(found, str)
    assert 10 < len(found) < 150


def test_local_time_needs_a_declared_zone() -> None:
    assert LOCAL("2026-03-14T09:00:00") == T
    assert LOCAL("2026-03-14T02:00:00Z") == T
    assert "time.zone" in str(AUTO("2026-03-14T09:00:00"))


def test_declared_formats_take_nothing_else() -> None:
    assert time_reader("iso8601", None)("2026-03-14T02:00:00Z") == T
    assert isinstance(time_reader("iso8601", None)(1_773_453_600), str)
    assert time_reader("epoch_s", None)(12) == 12_000
    assert time_reader("epoch_ms", None)(12) == 12
    assert isinstance(time_reader("epoch_ms", None)("2026-03-14T02:00:00Z"), str)


@given(st.integers(0, LATEST_MS))
def test_instants_survive_being_written(at: int) -> None:
    assert AUTO(format_instant(at)) == at
    assert parse_instant(format_instant(at), parse_zone("UTC")) == at


FORMS = [
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%d %H:%M:%S.%f+00:00",
    "%Y%m%dT%H%M%S.%fZ",
    "%Y%m%dT%H:%M:%S,%f-00:00",
    "%G-W%V-%uT%H:%M:%S.%f000Z",
]


@given(st.lists(st.tuples(st.datetimes(datetime(1970, 1, 1, 0, 0, 1), datetime(1970, 1, 1, 0, 5)), st.sampled_from(FORMS)), max_size=30))
def test_what_is_remembered_of_a_minute_is_never_taken_for_another(written: list[tuple[datetime, str]]) -> None:
    read = time_reader("auto", None)
    for moment, form in written:
        micro = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        assert read(moment.strftime(form)) in (micro // 1000, (micro + 500) // 1000), form


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.9Z"])
def test_the_ends_of_time(text: str) -> None:
    assert isinstance(AUTO(text), str)
    assert AUTO("9999-12-31T23:59:59Z") == LATEST_MS - 999
    assert AUTO("1970-01-01T00:00:00Z") == 0


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()))
@pytest.mark.parametrize("form", ["auto", "iso8601", "epoch_s", "epoch_ms"])
def test_nothing_raises(form: str, raw: object) -> None:
    found = time_reader(form, None)(raw)  # type: ignore[arg-type]
    assert isinstance(found, str) or 0 <= found <= LATEST_MS


def test_dates_of_people() -> None:
    zone = parse_zone("Asia/Ho_Chi_Minh")
    assert format_instant(parse_instant("2026-01-01", zone)) == "2025-12-31T17:00:00Z"
    assert parse_instant("2026-01-01T00:00:00Z", zone) - parse_instant("2026-01-01", zone) == 7 * 3_600_000
    with pytest.raises(ValueError, match="write for example"):
        parse_instant("01/02/2026", zone)
    with pytest.raises(ValueError, match="time zone"):
        parse_zone("../etc/passwd")
    assert parse_duration("90s") == 90_000
    for wrong in ("0s", "soon", True, "-5s"):
        with pytest.raises(ValueError, match="duration"):
            parse_duration(wrong)
