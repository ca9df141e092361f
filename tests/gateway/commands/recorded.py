"""A place whose history holds readings: what `envgw quality` and `envgw index` take with `--station`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from devices.reading import Line, Value
from gateway.history.duckdb_history import DuckDBHistory
from gateway.settings import HistorySection
from tests.gateway.commands.place import Place


def recorded(folder: Path, times: Sequence[int], values: Sequence[float | None], flags: Sequence[int], parameter: str = "pm25") -> Place:
    """The station bach-dang with one device, an-01, and these readings of it."""
    lines = [
        Line("air", "bach-dang", "an-01", "hai-chau/binh-hien", time_ms, (Value(parameter, value, flag),))
        for time_ms, value, flag in zip(times, values, flags, strict=True)
    ]

    async def write() -> None:
        history = DuckDBHistory(HistorySection(name="local", kind="duckdb"), folder / "data")
        try:
            await history.write([*lines, Line("index", "bach-dang", "bach-dang", "", times[0], (Value("vn_aqi", 50.0, 1),))], 1)
        finally:
            await history.close()

    (folder / "data").mkdir()
    asyncio.run(write())
    # Port 9 of loopback: nobody answers there, so the history is asked itself.
    return Place(folder, history=[{"name": "local", "kind": "duckdb"}], api={"port": 9})
