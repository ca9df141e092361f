"""The answer to `envgw query`: rows of a history as a table, CSV, JSON Lines or Parquet, whatever their number.

Every format has the same columns: time (ISO 8601, UTC), station, device, area, medium, parameter, value, unit, flag.
Nothing is collected on the way: a row is written when it arrives. Parquet, which cannot be written row by row,
goes through a file on disk.
"""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson

from gateway.errors import EnvgwError
from gateway.history.base import StoredReading
from gateway.history.duckdb_history import DuckDBHistory
from gateway.history.factory import make_history
from gateway.history.parquet import ParquetMaker
from gateway.settings import HistorySection

Format = Literal["table", "csv", "json", "parquet"]
COLUMNS = ("time", "station", "device", "area", "medium", "parameter", "value", "unit", "flag")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTHS = (24, 16, 16, 14, 8, 14, 12, 8, 4)
_AT_ONCE = 1_000
"""Rows gathered before they are written out."""


def iso(time_ms: int) -> str:
    """`2026-11-23T07:13:38.250Z`. Milliseconds are always there, so that times sort as text."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def row_of(reading: StoredReading, unit: str) -> dict[str, Any]:
    """One reading under the names that every format uses; also what the API answers."""
    return {
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


async def write_answer(rows: AsyncIterator[StoredReading], form: Format, out: BinaryIO, unit_of: Callable[[str], str]) -> int:
    """Write all rows to `out` and return their number. `unit_of` gives the unit of a parameter, "" if it has none.

    Raises what the history raises (`DeliveryError`) after what came before it was written, and OSError from `out`.
    """
    if form == "parquet":
        return await _parquet(rows, out, unit_of)
    head, lines = {"json": ("", _json), "csv": (_csv([COLUMNS]), _csv_rows), "table": (_cells(COLUMNS), _table)}[form]
    out.write(head.encode())
    written = 0
    try:
        async for batch in batches(rows):
            written += len(batch)
            out.write(lines([row_of(reading, unit_of(reading.parameter)) for reading in batch]))
    finally:
        out.flush()
    return written


async def query_offline(
    settings: HistorySection, data_dir: Path, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int
) -> AsyncIterator[StoredReading]:
    """Ask the configured history without a gateway. Raises `EnvgwError`; for a DuckDB file that a running gateway has
    open it says so: then only the gateway's own API (`/api/v1/readings`) can answer."""
    history = DuckDBHistory(settings, data_dir, read_only=True) if settings.kind == "duckdb" else make_history(settings, data_dir)
    try:
        async for reading in history.query(station=station, parameters=parameters, since_ms=since_ms, until_ms=until_ms):
            yield reading
    finally:
        await history.close()


async def batches(rows: AsyncIterator[StoredReading]) -> AsyncIterator[list[StoredReading]]:
    """Up to `_AT_ONCE` rows together. What came before an error is handed on before the error."""
    batch: list[StoredReading] = []
    failure: EnvgwError | None = None
    try:
        async for reading in rows:
            batch.append(reading)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
    except EnvgwError as error:
        failure = error
    if batch:
        yield batch
    if failure is not None:
        raise failure


def _json(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _csv_rows(rows: list[dict[str, Any]]) -> bytes:
    return _csv([tuple(row.values()) for row in rows]).encode()


def _cells(cells: Sequence[object]) -> str:
    """One line of the table. Widths are fixed, since the widest row is not known yet; a long text pushes the rest on."""
    shown = ["-" if cell is None else str(cell) for cell in cells]
    texts = [
        text.rjust(width) if place in (6, 8) else text.ljust(width) for place, (text, width) in enumerate(zip(shown, _WIDTHS, strict=True))
    ]
    return "  ".join(texts).rstrip() + "\n"


def _table(rows: list[dict[str, Any]]) -> bytes:
    return "".join(_cells([f"{cell:g}" if isinstance(cell, float) else cell for cell in row.values()]) for row in rows).encode()


async def _parquet(rows: AsyncIterator[StoredReading], out: BinaryIO, unit_of: Callable[[str], str]) -> int:
    """Rows → a file in a temporary folder → `out`."""
    written = 0
    with tempfile.TemporaryDirectory(prefix="envgw-query-") as folder, ParquetMaker(unit_of, Path(folder)) as maker:
        async for batch in batches(rows):
            written += len(batch)
            await asyncio.to_thread(maker.add, batch)
        made = Path(folder) / "answer.parquet"
        await asyncio.to_thread(maker.write, made)
        with made.open("rb") as source:
            shutil.copyfileobj(source, out)
    out.flush()
    return written
