"""The answer to `envgw query`: rows of a history as a table, CSV, JSON Lines or Parquet, whatever their number.

Every format has the same columns: time (ISO 8601, UTC), station, device, area, medium, parameter, value, unit, flag. Summaries and
indices have further ones (`rows.extra_columns`); in JSON only where there is something to say.
Nothing is collected on the way: a row is written when it arrives. Parquet, which cannot be written row by row,
goes through a file on disk.
"""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import orjson

from gateway.errors import EnvgwError
from gateway.history.base import History, Resolution, StoredReading
from gateway.history.duckdb_history import DuckDBHistory
from gateway.history.factory import make_history
from gateway.history.parquet import ParquetMaker
from gateway.history.rows import COLUMNS, cells, row_of
from gateway.settings import HistorySection

Format = Literal["table", "csv", "json", "parquet"]

_WIDTHS = dict(zip(COLUMNS, (24, 16, 16, 14, 8, 14, 12, 8, 4), strict=True))
_RIGHT = frozenset(("value", "flag", "min", "max", "count", "complete", "worst"))
_AT_ONCE = 1_000
"""Rows gathered before they are written out."""


async def write_answer(
    rows: AsyncIterator[StoredReading], form: Format, out: BinaryIO, unit_of: Callable[[str], str], extra: Sequence[str] = ()
) -> int:
    """Write all rows to `out` and return their number. `unit_of` gives the unit of a parameter, "" if it has none; `extra` are the
    columns that this answer has beside `COLUMNS`.

    Raises what the history raises (`DeliveryError`) after what came before it was written, and OSError from `out`.
    """
    if form == "parquet":
        return await _parquet(rows, out, unit_of, extra)
    columns = (*COLUMNS, *extra)
    forms: dict[str, tuple[str, Callable[[list[dict[str, Any]]], bytes]]] = {
        "json": ("", _json),
        "csv": (_csv([columns]), partial(_csv_rows, columns)),
        "table": (_cells(columns, columns), partial(_table, columns)),
    }
    head, lines = forms[form]
    out.write(head.encode())
    written = 0
    try:
        async for batch in batches(rows):
            written += len(batch)
            out.write(lines([row_of(reading, unit_of(reading.parameter)) for reading in batch]))
    finally:
        out.flush()
    return written


@asynccontextmanager
async def opened_offline(settings: HistorySection, data_dir: Path) -> AsyncGenerator[History]:
    """The configured history without a gateway, for reading, until the block ends. Raises `EnvgwError`; for a DuckDB file that a
    running gateway has open the first question says so: then only the gateway's own API (`/api/v1/readings`) can answer."""
    history = DuckDBHistory(settings, data_dir, read_only=True) if settings.kind == "duckdb" else make_history(settings, data_dir)
    try:
        yield history
    finally:
        await history.close()


async def query_offline(
    settings: HistorySection, data_dir: Path, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int,
    resolution: Resolution = "raw",
) -> AsyncIterator[StoredReading]:  # fmt: skip
    """One question to it. Whoever has many opens it once: opening an embedded history takes longer than most answers."""
    async with opened_offline(settings, data_dir) as history:
        asked = history.query(station=station, parameters=parameters, since_ms=since_ms, until_ms=until_ms, resolution=resolution)
        # Whoever breaks off must not leave a question behind in a history that is being closed.
        async with aclosing(cast(AsyncGenerator[StoredReading], asked)):
            async for reading in asked:
                yield reading


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


def _csv_rows(columns: Sequence[str], rows: list[dict[str, Any]]) -> bytes:
    return _csv([cells(row, columns) for row in rows]).encode()


def _cells(columns: Sequence[str], shown: Sequence[object]) -> str:
    """One line of the table. Widths are fixed, since the widest row is not known yet; a long text pushes the rest on."""
    texts = []
    for name, cell in zip(columns, shown, strict=True):
        text, width = "-" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell), _WIDTHS.get(name, 9)
        texts.append(text.rjust(width) if name in _RIGHT else text.ljust(width))
    return "  ".join(texts).rstrip() + "\n"


def _table(columns: Sequence[str], rows: list[dict[str, Any]]) -> bytes:
    return "".join([_cells(columns, cells(row, columns)) for row in rows]).encode()


async def _parquet(rows: AsyncIterator[StoredReading], out: BinaryIO, unit_of: Callable[[str], str], extra: Sequence[str]) -> int:
    """Rows → a file in a temporary folder → `out`."""
    written = 0
    with tempfile.TemporaryDirectory(prefix="envgw-query-") as folder, ParquetMaker(unit_of, Path(folder), extra) as maker:
        async for batch in batches(rows):
            written += len(batch)
            await asyncio.to_thread(maker.add, batch)
        made = Path(folder) / "answer.parquet"
        await asyncio.to_thread(maker.write, made)
        with made.open("rb") as source:
            shutil.copyfileobj(source, out)
    out.flush()
    return written
