"""What every history back end can do: take lines, answer queries.

A history is written by exactly one lane (`gateway.delivery`). `write` must be harmless when repeated: a point
with the same key is overwritten (InfluxDB) or superseded by revision (DuckDB), see `devices.reading.Line`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from devices.reading import Line


class RefusedLine(NamedTuple):
    """A line that the history will never accept, with the reason it gave (semantics B6)."""

    line: Line
    reason: str


def is_asked(medium: str, parameters: Sequence[str] | None) -> bool:
    """Whether a query for these parameters (None: all readings) looks into this measurement.

    Readings are what sensors said; indices and derived averages are given when they are asked for by name. Hourly and daily
    summaries, alerts and the gateway's accounting are no readings.
    """
    if medium in ("alert", "gateway") or medium.endswith(("_1h", "_1d")):
        return False
    return medium != "index" or parameters is not None


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


class History(Protocol):
    """One history back end."""

    name: str

    async def write(self, lines: Sequence[Line], upto: int) -> list[RefusedLine]:
        """Write these lines durably; `upto` is the ledger sequence number that they complete.

        Returns those that the back end refuses for good, after the rest is written. Raises `errors.Retryable` when
        nothing can be said about any of them (then the very same call is made again), never anything else.
        """
        ...

    def query(self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int) -> AsyncIterator[StoredReading]:
        """Readings (see `is_asked`) with since < time <= until, ordered by station, device, parameter, time; constant memory.

        Only the newest revision of each (station, device, medium, parameter, time). Raises `errors.DeliveryError`.
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
    """A history that keeps replaced values until it is told to look for them (DuckDB)."""

    async def compact(self) -> int:
        """Delete values that were replaced since, of a bounded number of new rows; returns how many. Raises DeliveryError."""
        ...
