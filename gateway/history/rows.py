"""How a row of an answer looks to whoever asked: the names of its columns, the same in `envgw query`, the API and every format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from devices.times import iso, parse_instant
from gateway.history.base import FINAL, INDEX_NOTES, SUMMARY_NOTES, Resolution, StoredReading

COLUMNS = ("time", "station", "device", "area", "medium", "parameter", "value", "unit", "flag")
_WHOLE = frozenset(("count", "worst"))


def extra_columns(resolution: Resolution, parameters: Sequence[str] | None, derived: frozenset[str]) -> tuple[str, ...]:
    """What an answer may hold beside `COLUMNS`: it hangs on the question alone, so that a table's head does not wait for its rows.

    `derived`: the indices and averages that are not measured.
    """
    texts = INDEX_NOTES if parameters is not None and not derived.isdisjoint(parameters) else ()
    numbers = SUMMARY_NOTES if resolution != "raw" else ()
    return (*texts, *numbers, FINAL) if texts or numbers else ()


def row_of(reading: StoredReading, unit: str) -> dict[str, Any]:
    """One reading under the names of `COLUMNS`, then what is said of it, as far as there is anything."""
    row = {
        "time": iso(reading.time_ms),
        "station": reading.station,
        "device": reading.device,
        "area": reading.area,
        "medium": reading.medium,
        "parameter": reading.parameter,
        "value": reading.value,
        "unit": unit,
        "flag": reading.flag,
    }
    for name, content in reading.notes:
        row[name] = content == 1.0 if name == FINAL else int(content) if name in _WHOLE else content
    return row


def cells(row: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    """The row's cells under these columns, None where it has nothing to say."""
    return [row.get(name) for name in columns]


def reading_of(row: dict[str, Any]) -> StoredReading:
    """The reading that `row_of` made this of. Raises KeyError, ValueError or TypeError if it is none."""
    notes = tuple((name, row[name]) for name in (*INDEX_NOTES, *SUMMARY_NOTES, FINAL) if name in row)
    return StoredReading(
        time_ms=parse_instant(str(row["time"]), UTC),
        station=str(row["station"]),
        device=str(row["device"]),
        area=str(row["area"]),
        medium=str(row["medium"]),
        parameter=str(row["parameter"]),
        value=None if row["value"] is None else float(row["value"]),
        flag=int(row["flag"]),
        notes=tuple((name, content if isinstance(content, str) else float(content)) for name, content in notes),
    )
