"""Times as devices and people write them, turned into milliseconds since the Unix epoch, UTC.

A device says `2026-03-14T02:00:00Z`, `2026-03-14 09:00:00` (local), `1773453600`, `1773453600000` …; a person writes dates
and durations into the registry. Which clock is believed is not decided here (semantics C1).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

TimeFormat: TypeAlias = Literal["auto", "iso8601", "epoch_s", "epoch_ms"]
TimeReader: TypeAlias = Callable[[object], int | str]
"""Raw value → milliseconds, or a text that says why it cannot be read."""

_fromisoformat = datetime.fromisoformat

LATEST_MS = 253_402_300_799_999
"""The end of the year 9999: times beyond it, and before 1970, are not times."""

_WHOLE_INSTANT = 19
"""Characters of a date with a time to the second: shorter texts are looked at closely."""

_FIRST_YEAR, _LAST_YEAR = 1970, 9999
_MOST_MINUTES = 1_000
"""Remembered of each reader's past, for messages of one minute come together."""

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?\s*")
_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_DATE_AND_TIME = re.compile(r"\d{4}-?\d\d-?\d\d[Tt ]\d\d")
_OTHER_DATE = re.compile(r"\d{4}([./])\d\d\1\d\d[T ]\d\d:")
_ORDINAL_DATE = re.compile(r"(\d{4})-?(\d{3})(?=[T ])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_TEXT = re.compile(r"\d{1,20}(?:\.\d{1,9})?")


def parse_duration(value: Any) -> int:
    """`"10m"` → 600000 ms; a bare number is seconds. Raises ValueError saying what to write."""
    match = None if isinstance(value, bool) else _DURATION.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write for example 90s, 10m, 2h or 7d")
    milliseconds = round(float(match[1]) * _DURATION_MS[match[2] or "s"])
    if not 0 < milliseconds <= LATEST_MS:
        raise ValueError(f"{value!r} is not a duration that can be used here")
    return milliseconds


Duration = Annotated[int, BeforeValidator(parse_duration)]
"""Milliseconds, in models whose data are written by people."""


def parse_zone(name: str) -> tzinfo:
    """An IANA zone (`Asia/Ho_Chi_Minh`), `UTC`, or a fixed offset (`+07:00`). Raises ValueError."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    if match := _OFFSET.fullmatch(name):
        minutes = int(match[2]) * 60 + int(match[3])
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}: write for example Asia/Ho_Chi_Minh, UTC or +07:00") from None


def parse_instant(value: object, zone: tzinfo) -> int:
    """A date or date and time that a person wrote → ms. A date is its first moment in `zone`. Raises ValueError."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise ValueError(f"{value!r} is not a date: write for example 2026-01-31, or 2026-01-31T09:00:00+07:00") from None
    return _to_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def iso(time_ms: int) -> str:
    """ms since the epoch → `2026-03-14T02:00:00.000Z` (RFC 3339). Milliseconds are always there, so that times sort as text."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


def format_instant(milliseconds: int) -> str:
    """As `iso`, with milliseconds only where there are some: for people who read one."""
    return iso(milliseconds).replace(".000Z", "Z")


def time_reader(form: TimeFormat, zone: tzinfo | None) -> TimeReader:
    """The reader of a device type's time field, prepared once.

    `auto` takes ISO 8601 text, and numbers (also as text) as seconds, milliseconds, microseconds or nanoseconds since the
    epoch by their size: seconds up to the year 5138. `zone` is that of texts without one; None refuses such texts, for
    guessing it wrong shifts every reading by hours.
    """
    if form == "iso8601":
        return lambda raw: _iso(raw, zone) if isinstance(raw, str) else _no_time(raw)
    if form == "epoch_s":
        return lambda raw: _epoch(raw, 1000)
    if form == "epoch_ms":
        return lambda raw: _epoch(raw, 1)

    minutes: dict[str, int] = {}

    def auto(raw: Any) -> int | str:
        if raw.__class__ is int and 100_000_000_000 <= raw < 100_000_000_000_000:
            return raw  # milliseconds already
        # The fast way for `2026-03-14T02:00:00Z`, whatever its fraction; every other text, and every doubt, takes the way below.
        if raw.__class__ is str and len(raw) >= _WHOLE_INSTANT:
            try:
                moment = _fromisoformat(raw)
            except ValueError:
                pass
            else:
                if moment.tzinfo is UTC:
                    minute_ms = minutes.get(raw[:16])
                    if minute_ms is None:
                        if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
                            return _iso(raw, zone)
                        minute_ms = _remember_minute(minutes, moment, raw[:16])
                    return minute_ms + moment.second * 1000 + (moment.microsecond + 500) // 1000
        if isinstance(raw, str) and not _EPOCH_TEXT.fullmatch(raw):
            return _iso(raw, zone)
        return _epoch(raw, None)

    return auto


def _remember_minute(minutes: dict[str, int], moment: datetime, text: str) -> int:
    """The minute's first ms. Its date and minute are all in the text's first 16 characters, however they are written."""
    if len(minutes) >= _MOST_MINUTES:
        minutes.clear()
    found = minutes[text] = _to_ms(moment.replace(second=0, microsecond=0))
    return found


def _iso(text: str, zone: tzinfo | None) -> int | str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _unusual_iso(text, zone)
    # A date alone would be taken for midnight, and fromisoformat reads week dates and any separator: refused.
    if len(text) < _WHOLE_INSTANT and not _DATE_AND_TIME.match(text):
        return _no_time(text)
    if moment.tzinfo is None:
        if zone is None:
            return f"{text[:40]!r} has no time zone, and the type declares none (`time.zone`)"
        moment = moment.replace(tzinfo=zone)
    return _in_range(_to_ms(moment), text)


def _unusual_iso(text: str, zone: tzinfo | None) -> int | str:
    """What `fromisoformat` does not read: a leap second (`23:59:60`), a small `z`, blanks around the text, a date with points or
    slashes (`2018.02.01 22:52:09`, the year first: anything else can be read in two ways), the day of the year (`2026-073T02:00Z`)."""
    plain = text.strip()
    if _OTHER_DATE.match(plain):
        plain = f"{plain[:4]}-{plain[5:7]}-{plain[8:]}"
    if ordinal := _ORDINAL_DATE.match(plain):
        try:
            day = datetime.strptime(ordinal[1] + ordinal[2], "%Y%j")
        except ValueError:
            return _no_time(text)
        if day.year != int(ordinal[1]):  # day 366 of a year that has none
            return _no_time(text)
        plain = f"{day:%Y-%m-%d}{plain[ordinal.end() :]}"
    if plain.endswith("z"):
        plain = plain[:-1] + "Z"
    leap = plain[16:19] == ":60"
    if leap:
        plain = plain[:16] + ":59" + plain[19:]
    if plain == text or len(plain) > 64:
        return _no_time(text)
    found = _iso(plain, zone)
    return found + 1000 if leap and isinstance(found, int) else found


def _epoch(raw: object, per_unit: int | None) -> int | str:
    """`per_unit`: milliseconds in one unit; None tells s, ms, µs and ns apart by size."""
    number = raw
    if isinstance(raw, str) and _EPOCH_TEXT.fullmatch(raw):
        number = float(raw) if "." in raw else int(raw)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return _no_time(raw)
    if not 0 <= number < 1e21:
        return _no_time(raw)
    if per_unit is not None:
        scaled = number * per_unit
    elif number < 1e11:
        scaled = number * 1000
    elif number < 1e14:
        scaled = number
    else:
        divisor = 1000 if number < 1e17 else 1_000_000
        scaled = number // divisor
    return _in_range(round(scaled), raw)


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _in_range(milliseconds: int, raw: object) -> int | str:
    return milliseconds if 0 <= milliseconds <= LATEST_MS else _no_time(raw)


def _no_time(raw: object) -> str:
    shown = repr(raw[:40] if isinstance(raw, str) else raw) if isinstance(raw, str | int | float | None) else f"a {type(raw).__name__}"
    return f"{shown[:60]} cannot be read as a time"
