"""Derived parameters: the one table of what is computed from readings, and under which id.

`derived.yaml` says which; rules, dashboards, the history and the limits use these ids. `devices.loader` reads the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devices.indices.reasons import Text
from devices.parameters import Catalogue
from devices.problems import ConfigError, ConfigProblem, from_pydantic

Period = Literal["hour", "day"]


class Derived(NamedTuple):
    """One derived parameter."""

    id: str
    parameter: str | None
    """What it is made of; None for an index."""
    averaging: str | None
    """`1h`, `8h`, `24h`, `nowcast`, `1h_max`, `8h_max`; None for an index."""
    of: Period
    """Computed at the end of every hour, or of every day."""
    unit: str
    """UCUM: the parameter's canonical unit, `1` for an index."""
    display: str
    name: Text


class _Averaging(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hours: int = Field(gt=0)
    of: Period
    name: Text


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    of: Period
    name: Text


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    averagings: Mapping[str, _Averaging]
    parameters: Mapping[str, tuple[str, ...]]
    indices: Mapping[str, _Index]


class DerivedTable(Mapping[str, Derived]):
    """All derived parameters by id. Immutable."""

    __slots__ = ("_by_id", "_by_parameter")

    def __init__(self, entries: Mapping[str, Derived]) -> None:
        self._by_id = dict(entries)
        self._by_parameter: dict[str, dict[Period, tuple[Derived, ...]]] = {}
        for parameter in dict.fromkeys(entry.parameter for entry in entries.values() if entry.parameter is not None):
            mine = [entry for entry in entries.values() if entry.parameter == parameter]
            self._by_parameter[parameter] = {
                "hour": tuple(entry for entry in mine if entry.of == "hour"),
                "day": tuple(entry for entry in mine if entry.of == "day"),
            }

    @classmethod
    def parse(cls, data: Mapping[str, Any], catalogue: Catalogue) -> DerivedTable:
        """Build from the parsed file. Raises ConfigError with every problem found."""
        try:
            file = _File.model_validate(data)
        except ValidationError as error:
            raise ConfigError(from_pydantic(error)) from None
        problems: list[ConfigProblem] = []
        entries: dict[str, Derived] = {}
        for parameter, averagings in file.parameters.items():
            if parameter not in catalogue:
                problems.append(ConfigProblem(("parameters", parameter), f"the catalogue has no parameter {parameter!r}"))
                continue
            for averaging in averagings:
                if averaging not in file.averagings:
                    problems.append(ConfigProblem(("parameters", parameter), f"there is no averaging {averaging!r}"))
                    continue
                entry = _mean(catalogue, parameter, averaging, file.averagings[averaging])
                entries[entry.id] = entry
        for index, said in file.indices.items():
            entries[index] = Derived(index, None, None, said.of, "1", "", said.name)
        problems.extend(
            ConfigProblem((name,), "is the id of a parameter of the catalogue already") for name in entries if name in catalogue
        )
        if problems:
            raise ConfigError(problems)
        return cls(entries)

    def __getitem__(self, derived: str) -> Derived:
        return self._by_id[derived]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, parameter: str, period: Period) -> tuple[Derived, ...]:
        """What is derived from one parameter at the end of an hour or day; nothing for those that have none."""
        mine = self._by_parameter.get(parameter)
        return () if mine is None else mine[period]


def _mean(catalogue: Catalogue, parameter: str, averaging: str, said: _Averaging) -> Derived:
    of = catalogue[parameter]
    name: Text = {"vi": f"{of.name['vi']}, {said.name['vi']}", "en": f"{of.name['en']}, {said.name['en']}"}
    return Derived(f"{parameter}_{averaging}", parameter, averaging, said.of, of.unit, of.display, name)
