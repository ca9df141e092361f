"""VN_WQI of one sample: Decision 1460/QĐ-TCMT (2019), through independent implementations that agree (`tables/vn_wqi_1460.yaml`).

VN_WQI = WQI_I/100 x (∏WQI_II)^(1/n)/100 x (∏WQI_III)^(1/m)/100 x core            a group I-III that is missing counts as 1
core   = ((mean IV)² x mean V)^(1/3)   or   (mean IV x mean V)^(1/2)   or, without V,   mean IV
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum, isfinite, prod

from devices.indices.reasons import Note, Why
from devices.indices.result import Index
from devices.indices.rounding import half_up, settled
from devices.indices.water_table import Aggregation, Group, WaterTable
from devices.loader import water_table

_COLDEST, _WARMEST = 0.0, 50.0
"""°C: where the decision's polynomial of oxygen saturation is used."""


def water(values: Mapping[str, float | None], *, aggregation: Aggregation | None = None, minimum_groups: int | None = None) -> Index:
    """VN_WQI from the values of one sample or hour, by parameter in its unit (mg/L, MPN/100 mL, pH, pesticides µg/L).

    DO needs `water_temp` (°C); without either, `do_sat` (%) as the probe gives it is taken, and a note says so. Parameters that
    VN_WQI does not know (turbidity, TSS …) are passed over. `aggregation` and `minimum_groups` override the table's defaults
    (cube root; 3 of 5 groups, where a national platform asks 2 of automatic stations).
    """
    table = water_table()
    aggregation = aggregation or table.aggregation
    least = table.minimum_groups if minimum_groups is None else minimum_groups
    subindices, without, measured_saturation = _subindices(values, table)
    groups = _groups(subindices, table)
    why = _why(subindices, without, groups, table, least)
    if why is not None:
        return Index(
            index=table.index,
            edition=table.edition,
            value=None,
            category=None,
            dominant=None,
            subindices=subindices,
            groups=groups,
            why=why,
            without=without,
        )
    value = half_up(settled(aggregate(groups, aggregation)))
    said = (
        (Note.AGGREGATION_OPEN, table.aggregation_status == "to-verify" and "V" in groups),
        (Note.FEWER_GROUPS, len(groups) < table.minimum_groups),
        (Note.SATURATION_MEASURED, measured_saturation),
    )
    return Index(
        index=table.index,
        edition=table.edition,
        value=value,
        category=table.categories.of(value),
        dominant=min(subindices, key=lambda parameter: subindices[parameter]),
        subindices=subindices,
        groups=groups,
        without=without,
        notes=tuple(note for note, holds in said if holds),
    )


def aggregate(groups: Mapping[str, float], aggregation: Aggregation) -> float:
    """VN_WQI before rounding, from the values of its groups. IV must be among them."""
    core = nutrients = groups["IV"]
    if "V" in groups:
        core = (nutrients**2 * groups["V"]) ** (1 / 3) if aggregation == "cube-root" else (nutrients * groups["V"]) ** 0.5
    return core * prod(groups[group] / 100 for group in ("I", "II", "III") if group in groups)


def saturation(do: float, celsius: float, table: WaterTable) -> float:
    """Percent of oxygen saturation of `do` mg/L, with the decision's polynomial (no salinity term: for VN_WQI only)."""
    a, b, c, d = table.saturation
    return do / (a + celsius * (b + celsius * (c + celsius * d))) * 100


def _subindices(values: Mapping[str, float | None], table: WaterTable) -> tuple[dict[str, float], dict[str, Why], bool]:
    """q by parameter, why others have none, and whether a measured saturation stands for DO."""
    found: dict[str, float] = {}
    without: dict[str, Why] = {}
    measured_saturation = False
    for parameter, row in table.parameters.items():
        value: float | Why | None = _checked(values.get(parameter))
        if row.of_saturation:
            celsius = _temperature(values)
            if isinstance(value, float):
                value = Why.NO_TEMPERATURE if celsius is None else saturation(value, celsius, table)
            if not isinstance(value, float) and isinstance(probe := _checked(values.get("do_sat")), float):
                value, measured_saturation = probe, True
        if isinstance(value, Why):
            without[parameter] = value
        elif value is not None:
            found[parameter] = row.curve.q(settled(value))
    return found, without, measured_saturation


def _checked(value: float | None) -> float | Why | None:
    if value is None:
        return None
    if not isfinite(value):
        return Why.NOT_A_NUMBER
    return Why.NEGATIVE if value < 0 else float(value)


def _temperature(values: Mapping[str, float | None]) -> float | None:
    celsius = values.get("water_temp")
    return celsius if celsius is not None and _COLDEST <= celsius <= _WARMEST else None


def _groups(subindices: Mapping[str, float], table: WaterTable) -> dict[str, float]:
    members: dict[Group, list[float]] = {}
    for parameter, q in subindices.items():
        members.setdefault(table.parameters[parameter].group, []).append(q)
    return {group: _group(group, members[group]) for group in ("I", "II", "III", "IV", "V") if group in members}


def _group(group: str, members: Sequence[float]) -> float:
    """II and III: the geometric mean; IV and V: the arithmetic mean; I has one member."""
    if group in ("II", "III"):
        return float(prod(q / 100 for q in members) ** (1 / len(members)) * 100)
    return fsum(members) / len(members)


def _why(
    subindices: Mapping[str, float], without: Mapping[str, Why], groups: Mapping[str, float], table: WaterTable, least: int
) -> Why | None:
    if not subindices:
        return next(iter(without.values()), Why.NOTHING_MEASURED)
    if sum(table.parameters[parameter].group == "IV" for parameter in subindices) < table.minimum_nutrients:
        return Why.TOO_FEW_NUTRIENTS
    return Why.TOO_FEW_GROUPS if len(groups) < least else None
