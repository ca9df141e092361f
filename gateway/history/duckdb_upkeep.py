"""`envgw history setup` and `envgw doctor history` for the embedded history."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from gateway.errors import EnvgwError
from gateway.findings import Finding, State
from gateway.history.durations import shown
from gateway.settings import HistorySection

_LITTLE_BYTES = 1024**3
"""Less free space than this beside the file is worth a word."""


class DuckDBUpkeep:
    """Looks after one DuckDB file."""

    def __init__(self, settings: HistorySection, data_dir: Path) -> None:
        self._settings = settings
        self._path = data_dir / (settings.path or Path("history.duckdb"))
        self._part = f"history {settings.name}"

    async def prepare(self) -> list[Finding]:
        """Make the file if there is none."""
        there = self._path.exists()
        try:
            in_use = await asyncio.to_thread(self._open, read_only=there)
        except EnvgwError as error:
            return [self._finding("file", State.WRONG, str(error), "see that the folder can be written")]
        if there:
            return [self._finding("file", State.OK, f"{self._path} was there{in_use}")]
        return [self._finding("file", State.DONE, f"{self._path} made")]

    async def examine(self) -> list[Finding]:
        """The file, its retention, and room to grow."""
        if not self._path.exists():
            says = f"{self._path} is not there yet: the gateway makes it when it starts"
            return [self._finding("file", State.OK, says), *self._rest()]
        try:
            in_use = await asyncio.to_thread(self._open, read_only=True)
        except EnvgwError as error:
            do = "move the file away: the gateway starts a new one, and what the ledger still has is written to it again"
            return [self._finding("file", State.WRONG, str(error), do)]
        return [self._finding("file", State.OK, f"{self._path}, {self._path.stat().st_size / 1024**2:.0f} MB{in_use}"), *self._rest()]

    async def close(self) -> None:
        """Nothing is kept open."""

    def _open(self, *, read_only: bool) -> str:
        """Raises EnvgwError if it is no history. Says so if a running gateway has it."""
        from gateway.history.duckdb_schema import Locked
        from gateway.history.duckdb_store import DuckStore

        try:
            DuckStore(self._path, memory_limit=self._settings.memory_limit, threads=1, read_only=read_only).close()
        except Locked:
            return ", in use by the running gateway"
        return ""

    def _rest(self) -> list[Finding]:
        kept = self._settings.retention
        says = "everything is kept for ever" if kept is None else f"raw readings are deleted after {shown(kept)}; all else is kept"
        findings = [self._finding("retention", State.OK, says)]
        folder = next(folder for folder in self._path.parents if folder.exists())
        free = shutil.disk_usage(folder).free
        if free < _LITTLE_BYTES:
            do = "free some space, or set `retention` here"
            findings.append(self._finding("space", State.WARNING, f"{free / 1024**2:.0f} MB are free in {folder}", do))
        return findings

    def _finding(self, check: str, state: State, says: str, do: str = "") -> Finding:
        return Finding(self._part, check, state, says, do)
