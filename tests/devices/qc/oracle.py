"""`ioos_qc` 3.0.0 as the oracle of the tests, and what its recorded calls say. Never part of the product."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ioos_qc import qartod

DATA = Path(__file__).parents[2] / "data/qartod"
START_S = 1_700_000_000
INTERVAL_S = 600


@st.composite
def series(draw: st.DrawFn, least: int = 1) -> list[float | None]:
    """A walk with flat stretches, spikes and runs of missing values (domain.md 5.2)."""
    made: list[float | None] = []
    level = 20.0
    for kind, length in draw(st.lists(st.tuples(st.sampled_from("wwfsn"), st.integers(1, 9)), min_size=1, max_size=12)):
        for _ in range(length):
            if kind == "w":
                level = round(level + draw(st.integers(-30, 30)) / 10, 3)
                made.append(level)
            elif kind == "f":
                made.append(round(level + draw(st.sampled_from([0, 0, 0.001])), 3))
            elif kind == "s":
                made.append(round(level + draw(st.integers(-900, 900)) / 10, 3))
            else:
                made.append(None)
    return made + [level] * max(0, least - len(made))


def times(count: int, step_s: int = INTERVAL_S) -> list[int]:
    return [START_S + number * step_s for number in range(count)]


def array(numbers: Sequence[float | None]) -> Any:
    return np.array([np.nan if number is None else number for number in numbers], dtype=float)


def flags(test: str, **arguments: Any) -> list[int]:
    """What ioos_qc says; masked flags come as 255 and would differ from any of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(qartod, test)(**arguments)
    return [int(flag) for flag in np.ma.filled(found, 255)]


def calls(test: str) -> list[dict[str, Any]]:
    """The recorded calls of one test of ioos_qc."""
    return [call for call in json.loads((DATA / "calls.json").read_text()) if call["function"] == f"qartod.{test}"]


def golden(test: str) -> list[dict[str, Any]]:
    """The golden series of one test."""
    return [case for case in json.loads((DATA / "golden.json").read_text()) if case["test"] == test]


def instant_ms(said: str | float) -> int:
    """A time of a recorded call."""
    if isinstance(said, str):
        return round(datetime.fromisoformat(said).replace(tzinfo=UTC).timestamp() * 1000)
    return round(said * 1000)


def name(call: dict[str, Any]) -> str:
    return str(call.get("id") or call["test"].rsplit(":", 1)[-1])
