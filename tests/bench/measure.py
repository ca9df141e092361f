"""What every part of the bench needs: CPU and memory of a process, percentiles, waiting with a deadline, and the table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

T = TypeVar("T")
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system seconds of a process, all its threads (10 ms steps). See proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def rss_kb(pid: int) -> int:
    """Resident memory of a process in KB: what is in RAM now, file pages (libraries) included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, round(percent / 100 * len(ranked) + 0.5) - 1))]


def wait(found: Callable[[], T], *, timeout_s: float, every_s: float = 0.02, what: str) -> T:
    """Poll until `found()` is true; returns it."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(every_s)


@dataclass
class Table:
    """Rows of the report: what, measured, the budget it is held against, and whether it was met."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, what: str, measured: str, budget: str = "", met: bool | None = None) -> None:
        """One row, printed at once as well: a bench that breaks half-way has still said something."""
        row = (what, measured, budget, "" if met is None else "yes" if met else "**no**")
        self.rows.append(row)
        print("| " + " | ".join(row) + " |", flush=True)

    def markdown(self) -> str:
        """The whole table."""
        head = ("Path", "Measured", "Budget", "Met")
        return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * 4, *self.rows))


def middle(values: Sequence[float]) -> float:
    """The median, 0 of nothing."""
    return median(values) if values else 0.0
