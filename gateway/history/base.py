"""What every history back end can do: take lines, answer queries.

A history is written by exactly one lane (`gateway.delivery`). `write` must be harmless when repeated: a point
with the same key is overwritten (InfluxDB) or superseded by revision (DuckDB), see `devices.reading.Line`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from devices.reading import Line

Resolution = Literal["raw", "1h", "1d"]
"""Readings as they were measured, or the gateway's summaries of hours or days (`<medium>_1h`, `<medium>_1d`)."""

INDEX_NOTES = ("category", "dominant", "why")
"""What is said of an index beside its value: fields `<index>_category` …, texts."""
SUMMARY_NOTES = ("min", "max", "count", "complete", "worst")
"""What is said of an hour or day beside its mean: fields `<parameter>_min` …, numbers."""
FINAL = "final"
"""Said once of a whole line: 1 when nothing will revise that hour or day any more, else 0."""
_ALL_NOTES = (*INDEX_NOTES, *SUMMARY_NOTES, FINAL)
_NEEDS_VALUE = frozenset(("category", "dominant", "min", "max"))
_NEEDS_NO_VALUE = frozenset(("why",))


class RefusedLine(NamedTuple):
    """A line that the history will never accept, with the reason it gave (semantics B6)."""

    line: Line
    reason: str


def is_summary(medium: str) -> bool:
    """Whether this measurement is made of readings: an index, an hour, a day. Raw retention leaves it alone."""
    return medium == "index" or medium.endswith(("_1h", "_1d"))


def is_asked(medium: str, parameters: Sequence[str] | None, resolution: Resolution = "raw") -> bool:
    """Whether a query for these parameters (None: all of that resolution) looks into this measurement.

    Readings are what sensors said. Hourly and daily summaries are asked for by resolution; indices and derived averages, which are of
    an hour or a day in themselves, by name at any resolution. Alerts and the gateway's accounting are no readings.
    """
    if medium in ("alert", "gateway"):
        return False
    if medium == "index":
        return parameters is not None
    return (medium[-2:] if medium.endswith(("_1h", "_1d")) else "raw") == resolution


def split_note(medium: str, name: str) -> tuple[str, str]:
    """Field of a line that is no reading → (the parameter that it is about, what it says); ("", name) if it is about the whole line."""
    if is_summary(medium):
        parameter, _, what = name.rpartition("_")
        if parameter and what in (INDEX_NOTES if medium == "index" else SUMMARY_NOTES):
            return parameter, what
    return "", name


Notes = tuple[tuple[str, str | float], ...]


def notes_of(found: Mapping[str, str | float], value: float | None) -> Notes:
    """What is said of a reading, in the order in which answers have it.

    Fields are written singly, so that something said of an earlier revision may still be there: a category beside a value that is
    missing now, a reason why there is none beside a value. These are left out.
    """
    stale = _NEEDS_VALUE if value is None else _NEEDS_NO_VALUE
    return tuple([(name, found[name]) for name in _ALL_NOTES if name in found and name not in stale])


class StoredReading(NamedTuple):
    """One row of an answer to a query. Times are ms since the epoch, UTC."""

    time_ms: int
    station: str
    device: str
    area: str
    medium: str
    parameter: str
    value: float | None
    flag: int
    notes: Notes = ()
    """Of an index or a summary: see `INDEX_NOTES`, `SUMMARY_NOTES`, `FINAL`."""


class StoredNotes(NamedTuple):
    """All fields of one point that are no readings, by name: what a line's `notes` were. Times are ms since the epoch, UTC."""

    time_ms: int
    station: str
    device: str
    area: str
    medium: str
    notes: Notes


class History(Protocol):
    """One history back end."""

    name: str

    async def write(self, lines: Sequence[Line], upto: int) -> list[RefusedLine]:
        """Write these lines durably; `upto` is the ledger sequence number that they complete.

        Returns those that the back end refuses for good, after the rest is written. Raises `errors.Retryable` when
        nothing can be said about any of them (then the very same call is made again), never anything else.
        """
        ...

    def query(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int, resolution: Resolution = "raw"
    ) -> AsyncIterator[StoredReading]:
        """Readings (see `is_asked`) with since < time <= until, ordered by station, device, parameter, time; constant memory.

        Only the newest revision of each (station, device, medium, parameter, time). Raises `errors.DeliveryError`.
        """
        ...

    def notes(self, *, medium: str, station: str | None, since_ms: int, until_ms: int) -> AsyncIterator[StoredNotes]:
        """Points of this measurement that hold anything but readings (alerts: `alert`), with since < time <= until, ordered by
        station, device, time, area; constant memory. Of each field the newest revision. Raises `errors.DeliveryError`.
        """
        ...

    async def check(self) -> str:
        """Empty if reachable and writable, else what is wrong and what to do. Takes at most the write timeout."""
        ...

    async def close(self) -> None:
        """Release connections and files; idempotent."""
        ...


@runtime_checkable
class Compacting(Protocol):
    """A history that keeps replaced and old values until it is told to look for them (DuckDB)."""

    async def compact(self) -> int:
        """Delete values that were replaced since, of a bounded number of new rows; returns how many. Raises DeliveryError."""
        ...

    async def expire(self, now_ms: int) -> int:
        """Delete raw readings older than the section's `retention`, a bounded number; returns how many. Raises DeliveryError."""
        ...
