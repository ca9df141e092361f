"""The parameter catalogue: the one vocabulary of flags, rules, dashboards and exports.

The values stand in `parameters.yaml` beside this module, with their sources; here is only what they mean and how they are
checked. `devices.loader` reads the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from devices.problems import ConfigError, ConfigProblem, did_you_mean, from_pydantic

_Default = TypeVar("_Default")

Medium = Literal["air", "water", "device"]
Span = tuple[float, float]
"""(least, most) in the canonical unit, both ends included."""


class Parameter(BaseModel):
    """One thing that is measured. All numbers are in `unit`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    medium: Medium
    name: Mapping[Literal["vi", "en"], str]
    unit: str
    """Canonical unit, UCUM. Every stored value is in it."""
    display: str
    """The unit as people write it."""
    instrument: Span | None = None
    """What analysers of this kind measure. Information; never a flag (smoke and typhoons exceed it and are real)."""
    plausible: Span
    """Outside it a value is flagged 4 (fail)."""
    per: Literal["h"] | None = None
    """`h`: `plausible` is the span of the sum over one hour (rain)."""
    rate: float | None = None
    """Suspect change per hour of hourly means. Not for raw samples (semantics D1)."""
    circular: bool = False
    """A direction: differences are taken modulo 360."""
    molar_mass: float | None = Field(None, gt=0)
    """g/mol of a gas, for mole fraction <-> mass concentration."""
    bases: Mapping[str, float] = {}
    """Other naming bases of a nutrient: concentration as that ion = factor x concentration as stored."""
    cf: str | None = None
    """CF standard name, or None where CF has no fitting one."""
    eea: str | None = None
    """URI of the EEA air quality pollutant vocabulary."""
    source: str
    """Where the numbers are from; see the head of parameters.yaml."""

    @field_validator("instrument", "plausible")
    @classmethod
    def _ordered(cls, span: Span | None) -> Span | None:
        if span is not None and not span[0] < span[1]:
            raise ValueError("the span's first number must be the smaller one")
        return span

    @field_validator("name")
    @classmethod
    def _both_languages(cls, name: Mapping[str, str]) -> Mapping[str, str]:
        if set(name) != {"vi", "en"} or not all(name.values()):
            raise ValueError("write the name in both languages: {vi: …, en: …}")
        return name


RAW_SUFFIX = "_raw"
"""`pm25_raw` is pm25 as the instrument said it, kept beside the corrected value: every parameter has one, unlisted."""


class UnknownParameter(KeyError):
    """No parameter has this id. The text says which one may be meant."""

    def __str__(self) -> str:
        return str(self.args[0])


class Catalogue(Mapping[str, Parameter]):
    """All parameters by id, in the catalogue's order. Immutable."""

    __slots__ = ("_by_id",)

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._by_id = dict(parameters)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Catalogue:
        """Build from parsed data `{id: {medium, name, unit, …}}`. Raises ConfigError with every problem found."""
        problems: list[ConfigProblem] = []
        parameters: dict[str, Parameter] = {}
        for key, entry in data.items():
            if not isinstance(key, str) or not isinstance(entry, Mapping):
                problems.append(ConfigProblem((str(key),), "write `id: {medium: …, unit: …}`, and an id such as `no` in quotes"))
                continue
            try:
                parameters[key] = _PARAMETER.validate_python({"id": key, **entry})
            except ValidationError as error:
                problems.extend(from_pydantic(error, (key,)))
        if problems:
            raise ConfigError(problems)
        return cls(parameters)

    def __getitem__(self, parameter: str) -> Parameter:
        """Raises UnknownParameter, with a suggestion when the id looks like a known one."""
        found = self._found(parameter)
        if found is None:
            raise UnknownParameter(f"unknown parameter {parameter!r}{did_you_mean(parameter, self._by_id)}")
        return found

    def __contains__(self, parameter: object) -> bool:
        return isinstance(parameter, str) and self._found(parameter) is not None

    @overload
    def get(self, parameter: str, /) -> Parameter | None: ...

    @overload
    def get(self, parameter: str, /, default: Parameter | _Default) -> Parameter | _Default: ...

    def get(self, parameter: str, /, default: Any = None) -> Any:
        """As `[…]`, without looking for what may have been meant: that takes as long as a hundred readings."""
        found = self._found(parameter)
        return default if found is None else found

    def _found(self, parameter: str) -> Parameter | None:
        found = self._by_id.get(parameter)
        if found is None and parameter.endswith(RAW_SUFFIX):
            of = self._by_id.get(parameter.removesuffix(RAW_SUFFIX))
            return None if of is None else _raw(of)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, medium: Medium) -> tuple[Parameter, ...]:
        """The parameters of one medium, in the catalogue's order."""
        return tuple(parameter for parameter in self._by_id.values() if parameter.medium == medium)


def _raw(of: Parameter) -> Parameter:
    name = {"vi": f"{of.name['vi']} (chưa hiệu chỉnh)", "en": f"{of.name['en']} (as measured)"}
    return of.model_copy(update={"id": of.id + RAW_SUFFIX, "name": name, "cf": None, "eea": None})


_PARAMETER = TypeAdapter(Parameter)
