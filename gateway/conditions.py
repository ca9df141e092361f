"""The names that conditions of rules may use in this gateway: one place, for loading, checking and running them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from functools import cache

from devices import loader
from devices.indices.limit_tables import Limit
from devices.parameters import Parameter
from rules.language.vocabulary import LimitKey, ParameterInfo, Vocabulary

_LOCAL_MS = 7 * 3_600_000
"""Limits change at midnight in Viet Nam, whose texts they are."""
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)
_NO_DAY = -(1 << 62)


class DatedLimits:
    """The limits of the shipped tables, under the names that people write: `QCVN 05:2023`, `QCVN 05:2023/BTNMT`, `qcvn-05-2023`."""

    def __init__(self) -> None:
        self._found: dict[LimitKey, list[Limit]] = {}
        for limit in loader.limits():
            names = dict.fromkeys((limit.standard_name.partition("/")[0], limit.standard_name, limit.standard))
            default = limit.class_ == loader.limits().default_class(limit.standard)
            for name in names:
                for category in dict.fromkeys((limit.class_, None) if default else (limit.class_,)):
                    self._found.setdefault(LimitKey(name, limit.parameter, limit.averaging, category), []).append(limit)
        self._day = _NO_DAY
        self._on_that_day: dict[LimitKey, float | None] = {}
        """Values on the day that was asked for last: rules ask again and again for those of today."""

    def keys(self) -> Collection[LimitKey]:
        """All that there is, in force or not."""
        return self._found.keys()

    def value(self, key: LimitKey, at_ms: int) -> float | None:
        """In the parameter's canonical unit; None when nothing is in force at that time."""
        day = (at_ms + _LOCAL_MS) // _DAY_MS
        if day != self._day:
            self._day = day
            self._on_that_day.clear()
        try:
            return self._on_that_day[key]
        except KeyError:
            date_ = _EPOCH + timedelta(days=day)
            found = next((limit.value for limit in self._found.get(key, ()) if limit.in_force(date_)), None)
            self._on_that_day[key] = found
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
