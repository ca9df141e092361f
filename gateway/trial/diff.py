"""Expected and actual transitions beside each other: the longest common story, and what differs from it, as lines to read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gateway.trial.timelines import span_text


class Expected(NamedTuple):
    """What a test asks for; None: anything."""

    at: int
    rule: str
    station: str | None
    area: str | None
    state: str
    severity: str | None
    reason: str | None
    parameter: str | None
    value: float | None
    late: bool | None


class Happened(NamedTuple):
    """A transition, its time in ms since the start of the test."""

    at: int
    rule: str
    station: str
    area: str
    state: str
    severity: str
    reason: str
    parameter: str
    value: float | None
    unit: str
    late: bool


def fits(expected: Expected, happened: Happened) -> bool:
    """Whether the transition is what was expected."""
    for name, wanted in expected._asdict().items():
        found = getattr(happened, name)
        if wanted is None or wanted == found:
            continue
        if name == "value" and found is not None and math.isclose(wanted, found, rel_tol=1e-3, abs_tol=1e-9):
            continue
        return False
    return True


def compare(expected: Sequence[Expected], happened: Sequence[Happened]) -> list[str] | None:
    """None if everything is as expected, else the diff. Order counts, but not among transitions of the same instant."""
    wanted = sorted(expected, key=lambda item: (item.at, item.rule, item.station or "", item.area or ""))
    found = sorted(happened, key=lambda item: (item.at, item.rule, item.station, item.area))
    common = _common(wanted, found)
    if len(common) == len(wanted) == len(found):
        return None
    lines: list[tuple[str, Sequence[str]]] = []
    i = j = 0
    for next_i, next_j in [*common, (len(wanted), len(found))]:
        lines += [("- ", _expected_cells(item)) for item in wanted[i:next_i]]
        lines += [("+ ", _cells(item)) for item in found[j:next_j]]
        if next_j < len(found):
            lines.append(("  ", _cells(found[next_j])))
        i, j = next_i + 1, next_j + 1
    widths = [max(len(cells[column]) for _, cells in lines) for column in range(len(lines[0][1]))]
    return [mark + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for mark, cells in lines]


def _common(wanted: Sequence[Expected], found: Sequence[Happened]) -> list[tuple[int, int]]:
    """Pairs of a longest common subsequence."""
    best = [[0] * (len(found) + 1) for _ in range(len(wanted) + 1)]
    for i in range(len(wanted) - 1, -1, -1):
        for j in range(len(found) - 1, -1, -1):
            best[i][j] = best[i + 1][j + 1] + 1 if fits(wanted[i], found[j]) else max(best[i + 1][j], best[i][j + 1])
    pairs = []
    i = j = 0
    while i < len(wanted) and j < len(found):
        if fits(wanted[i], found[j]):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def _expected_cells(item: Expected) -> Sequence[str]:
    value = "" if item.value is None else f"{item.parameter or ''} {item.value:g}".strip()
    return (
        span_text(item.at),
        item.rule,
        item.station or item.area or "",
        item.state,
        item.severity or "",
        item.reason or "",
        value or item.parameter or "",
    )


def _cells(item: Happened) -> Sequence[str]:
    value = "" if item.value is None else f"{item.parameter} {item.value:g} {item.unit}"
    return (
        span_text(item.at),
        item.rule,
        item.station or item.area,
        item.state,
        item.severity,
        item.reason,
        value + (" late" if item.late else ""),
    )
