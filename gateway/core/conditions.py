"""The names that conditions of rules may use in this gateway: one place, for loading, checking and running them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from devices import loader
from devices.indices.limit_tables import Limit
from devices.parameters import Parameter
from rules.language.vocabulary import LimitKey, ParameterInfo, Vocabulary

_LOCAL = timedelta(hours=7)
"""Limits change at midnight in Viet Nam, whose texts they are."""


class DatedLimits:
    """The limits of the shipped tables, under the names that people write: `QCVN 05:2023`, `QCVN 05:2023/BTNMT`, `qcvn-05-2023`."""

    def __init__(self) -> None:
        self._found: dict[LimitKey, list[Limit]] = {}
        self._known: dict[LimitKey, tuple[list[int], list[float | None]]] = {}
        known = loader.catalogue()
        for limit in loader.limits():
            if limit.parameter in known and limit.unit != known[limit.parameter].unit:
                continue  # lead in air, µg/m³: the catalogue's lead is that of water, mg/L, and the two must not be compared
            names = dict.fromkeys((limit.standard_name.partition("/")[0], limit.standard_name, limit.standard))
            default = limit.class_ == loader.limits().default_class(limit.standard)
            for name in names:
                for category in dict.fromkeys((limit.class_, None) if default else (limit.class_,)):
                    self._found.setdefault(LimitKey(name, limit.parameter, limit.averaging, category), []).append(limit)

    def keys(self) -> Collection[LimitKey]:
        """All that there is, in force or not."""
        return self._found.keys()

    def value(self, key: LimitKey, at_ms: int) -> float | None:
        """In the parameter's canonical unit; None when nothing is in force at that time."""
        starts, values = self._steps(key)
        return values[bisect_right(starts, at_ms)]

    def changes(self, key: LimitKey) -> Sequence[int]:
        """When another number comes into force, or none any more."""
        return self._steps(key)[0]

    def _steps(self, key: LimitKey) -> tuple[list[int], list[float | None]]:
        """When the number changes, and what it is before the first change and after each."""
        found = self._known.get(key)
        if found is None:
            limits = self._found.get(key, ())
            days = {limit.effective_from for limit in limits}
            days |= {limit.effective_to + timedelta(days=1) for limit in limits if limit.effective_to is not None}
            starts: list[int] = []
            values: list[float | None] = [None]
            for day in sorted(days):
                starts.append(round((datetime(day.year, day.month, day.day, tzinfo=UTC) - _LOCAL).timestamp()) * 1000)
                values.append(next((limit.value for limit in limits if limit.in_force(day)), None))
            found = self._known[key] = starts, values
        return found


@cache
def _limits() -> DatedLimits:
    return DatedLimits()


@cache
def derived() -> Mapping[str, ParameterInfo]:
    """What is computed of the readings of a station: `pm25_24h`, `vn_aqi` …"""
    known = loader.catalogue()
    return {
        entry.id: ParameterInfo(
            unit=entry.unit, display="" if entry.unit == "1" else entry.display, of=known[entry.parameter] if entry.parameter else None
        )
        for entry in loader.derived_table().values()
    }


def vocabulary(
    catalogue: Mapping[str, Parameter], stations: Collection[str] | None = None, areas: Collection[str] | None = None,
    tags: Collection[str] | None = None,
) -> Vocabulary:  # fmt: skip
    """Parameters, derived ones and limits; stations, areas and tags are only checked where they are given."""
    return Vocabulary(catalogue=catalogue, derived=derived(), limits=_limits(), stations=stations, areas=areas, tags=tags)
