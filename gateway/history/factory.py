"""From a section of the configuration to the history that it describes."""

from __future__ import annotations

from pathlib import Path

from gateway.history.base import History
from gateway.settings import HistorySection


def make_history(settings: HistorySection, data_dir: Path) -> History:
    """Connects to nothing yet. Raises `EnvgwError` if the section cannot work (no legal address, CA file unreadable)."""
    if settings.kind == "influxdb":
        from gateway.history.influxdb import InfluxHistory

        return InfluxHistory(settings)
    from gateway.history.duckdb_history import DuckDBHistory

    return DuckDBHistory(settings, data_dir)
