"""Readings into files: one CSV or Parquet file, or a folder with a Parquet file a month. Constant memory, whatever their number.

A file gets its name when it is whole and on disk. A folder's manifest is written again after every month, so that an export
which was interrupted goes on where it was: months whose file is still what the manifest says are not asked for again.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from devices.times import iso, parse_instant
from gateway.errors import EnvgwError
from gateway.export import manifest
from gateway.export.manifest import Tally
from gateway.export.stretches import Ask, Stretch, month_around, month_of, readings
from gateway.history.base import StoredReading
from gateway.history.parquet import ParquetMaker
from gateway.history.rows import COLUMNS


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, and what is to be said of it."""

    ask: Ask
    whole: Stretch
    asked: Mapping[str, Any]
    """Format and filters, for the manifest: an export is gone on with only if they are the same."""
    about: Mapping[str, Any]
    """Source, licence, history, gateway: see `gateway.commands.export.provenance`."""
    unit_of: Callable[[str], str]
    now_ms: int
    keep: Callable[[StoredReading], bool] | None = None
    """Which readings are wanted of what the history gives; None: all."""
    told: Callable[[int, int], None] = lambda rows, until_ms: None
    """Told of progress: rows written so far, and the instant up to which all is written."""

    def wanted(self, rows: list[StoredReading]) -> list[StoredReading]:
        """Those that pass the filter."""
        return rows if self.keep is None else [row for row in rows if self.keep(row)]


async def csv_file(order: Order, path: Path) -> dict[str, Any]:
    """One CSV file (RFC 4180, UTF-8). Returns the manifest, which stands beside it."""
    tally, part = Tally(), manifest.part_of(path)
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            async for rows in _all(order, tally):
                writer.writerows([(iso(row[0]), *row[1:7], order.unit_of(row[5]), row[7]) for row in rows])
        manifest.put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)
    return single(order, path, tally)


async def parquet_file(order: Order, path: Path) -> dict[str, Any]:
    """One Parquet file. Returns the manifest, which stands beside it."""
    tally, part = Tally(), manifest.part_of(path)
    try:
        with ParquetMaker(order.unit_of, path.parent) as maker:
            async for rows in _all(order, tally):
                maker.add(rows)
            maker.write(part, _metadata(order, tally))
        manifest.put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)
    return single(order, path, tally)


async def parquet_folder(order: Order, folder: Path, *, again: bool = False) -> dict[str, Any]:
    """`readings-2026-11.parquet` for every month (UTC) that holds something, and `manifest.json`, which is returned.

    The folder must exist. What an earlier run left there stays: a month that it has wholly is not asked for, unless `again`; then it
    is made anew, and stays as it is if the history holds nothing of it any more. Raises `EnvgwError` if the folder holds an
    export of something else.
    """
    entries, done = _found(order, folder, again)
    with ParquetMaker(order.unit_of, folder) as maker:
        month, tally = "", Tally()
        before = 0

        def finish() -> None:
            path = folder / f"readings-{month}.parquet"
            part = manifest.part_of(path)
            maker.write(part, _metadata(order, tally))
            manifest.put_in_place(part, path)
            entries[path.name] = manifest.file_entry(path, _within(order.whole, tally.first_ms or 0), tally.document())
            _save(order, folder, entries, complete=False)

        async with aclosing(readings(order.ask, order.whole, skip=done, passed=lambda at: order.told(before + tally.rows, at))) as lists:
            async for found in lists:
                rows = order.wanted(found)
                if not rows:
                    continue
                if (this := month_of(rows[0].time_ms)) != month:
                    if tally.rows:
                        finish()
                        before += tally.rows
                    month, tally = this, Tally()
                tally.add(rows)
                maker.add(rows)
        if tally.rows:
            finish()
    return _save(order, folder, entries, complete=True)


async def _all(order: Order, tally: Tally) -> AsyncGenerator[list[StoredReading]]:
    """Every wanted reading, counted."""
    async with aclosing(readings(order.ask, order.whole, passed=lambda at: order.told(tally.rows, at))) as lists:
        async for found in lists:
            rows = order.wanted(found)
            tally.add(rows)
            yield rows


def _within(whole: Stretch, time_ms: int) -> Stretch:
    """What of the month around that instant lies within the export."""
    month = month_around(time_ms)
    return Stretch(max(whole.since_ms, month.since_ms), min(whole.until_ms, month.until_ms))


def _found(order: Order, folder: Path, again: bool) -> tuple[dict[str, dict[str, Any]], list[Stretch]]:
    """Months that an earlier run finished: their entries by name of file, and what they cover."""
    known = manifest.load(folder / "manifest.json")
    if known is None:
        return {}, []
    if known["what"] != dict(order.asked):
        raise EnvgwError(f"{folder} holds an export of something else ({_told(known['what'])}): choose another folder, or remove it")
    entries, done = {}, []
    for entry in known["files"]:
        path = folder / entry["name"]
        if not manifest.is_whole(path, entry):
            continue
        entries[path.name] = entry
        wanted = _within(order.whole, _instant(entry["first"]))
        after, until = (_instant(entry["covers"][key]) for key in ("after", "until"))
        if after <= wanted.since_ms < wanted.until_ms <= until:
            done.append(wanted)
    return entries, [] if again else sorted(done)


def _instant(text: str) -> int:
    return parse_instant(text, UTC)


def _told(asked: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in asked.items() if value)


def _save(order: Order, folder: Path, entries: Mapping[str, Mapping[str, Any]], *, complete: bool) -> dict[str, Any]:
    files = [entries[name] for name in sorted(entries)]
    document = manifest.manifest(order.asked, order.about, order.whole, files, complete=complete, at_ms=order.now_ms)
    manifest.save(document, folder / "manifest.json")
    return document


def single(order: Order, path: Path, tally: Tally) -> dict[str, Any]:
    """The manifest of one finished file, put beside it."""
    entry = manifest.file_entry(path, order.whole, tally.document())
    document = manifest.manifest(order.asked, order.about, order.whole, [entry], complete=True, at_ms=order.now_ms)
    manifest.save(document, beside(path))
    return document


def beside(path: Path) -> Path:
    """Where the manifest of a single file stands."""
    return path.with_name(path.name + ".manifest.json")


def _metadata(order: Order, tally: Tally) -> dict[str, Any]:
    """What a Parquet file says of itself, should its manifest get lost."""
    return {**order.about, "parameters": manifest.parameter_table(sorted(tally.parameters))}
