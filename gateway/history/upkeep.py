"""Looking after a history from outside: make its place, and tell how it is. One class a back end."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gateway.findings import Finding
from gateway.settings import HistorySection


class Upkeep(Protocol):
    """What `envgw history setup` and `envgw doctor` call. Nothing raises: what fails is a finding."""

    async def prepare(self) -> list[Finding]:
        """Make what is missing. May be called at any time: what is there stays as it is."""
        ...

    async def examine(self) -> list[Finding]:
        """How it is."""
        ...

    async def close(self) -> None:
        """Release connections; idempotent."""
        ...


def make_upkeep(settings: HistorySection, data_dir: Path) -> Upkeep:
    """Raises `EnvgwError` if the section cannot work (no legal address, CA file unreadable)."""
    if settings.kind == "influxdb":
        from gateway.history.influx_upkeep import InfluxUpkeep

        return InfluxUpkeep(settings)
    from gateway.history.duckdb_upkeep import DuckDBUpkeep

    return DuckDBUpkeep(settings, data_dir)
