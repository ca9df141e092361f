"""What the tests of indices share: rows of the tables by name, and the vectors."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from devices.indices.reasons import Why
from devices.indices.tables import AirTable, Row
from devices.loader import air_tables

DATA = Path(__file__).parents[2] / "data"
DAY = date(2026, 5, 1)


def vectors(name: str) -> Any:
    return json.loads((DATA / "indices" / name).read_text("utf-8"))


def table(index: str, edition: str | None = None) -> AirTable:
    return air_tables().at(index, DAY, edition)


def row(of: AirTable, derived: str) -> Row:
    return next(row for row in (*of.hourly, *of.daily) if row.derived == derived)


def vn(derived: str, concentration: float) -> int | Why | None:
    """Sub-index of VN_AQI, concentration in µg/m³."""
    return row(table("vn_aqi"), derived).curve.index(concentration)


def us(derived: str, concentration: float, edition: str = "2024") -> int | Why | None:
    """Sub-index of the US AQI, concentration in the table's unit."""
    return row(table("us_aqi", edition), derived).curve.index(concentration)


def canonical(derived: str, concentration: float) -> float:
    """From the unit of the US table to the parameter's canonical µg/m³."""
    return concentration / row(table("us_aqi"), derived).factor
