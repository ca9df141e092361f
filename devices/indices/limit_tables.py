"""What the files of limits (`limits/*.yaml`) say, checked when they are read: values with source, dates and status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, model_validator

from devices.indices.tables import STRICT, Status, parsed
from devices.problems import did_you_mean
from devices.units import parse_unit

SAMPLE = "sample"
"""The averaging of water: a sample, or what a probe says, is compared as it is."""
_DEFAULT = {"air": "qcvn-05-2023", "water": "qcvn-08-2023"}


class NoLimit(LookupError):
    """There is no such limit, or none on that day. The text says what there is."""


class Limit(NamedTuple):
    """One limit. `most` is an upper bound, `least` a lower one (dissolved oxygen); pH has both."""

    standard: str
    """Id: `qcvn-05-2023`."""
    standard_name: str
    parameter: str
    averaging: str
    class_: str | None
    """`health`, `A` … of QCVN 08 and 10; `AQG`, `IT-1` … of WHO."""
    most: float | None
    least: float | None
    unit: str
    """UCUM: of the parameter as the standard means it. That is the canonical unit, but for lead in air, which no device type measures."""
    source: str
    status: Status
    remark: str | None
    effective_from: date
    effective_to: date | None

    @property
    def value(self) -> float:
        """The bound; the upper one where there are two."""
        bound = self.least if self.most is None else self.most
        assert bound is not None  # the file was checked
        return bound

    def exceeded(self, value: float) -> bool:
        """Is `value`, in `unit`, outside the limit? Exactly at it, it is not."""
        return (self.most is not None and value > self.most) or (self.least is not None and value < self.least)

    def in_force(self, at: date) -> bool:
        """Does it hold on that day?"""
        return self.effective_from <= at and (self.effective_to is None or at <= self.effective_to)


class _Entry(BaseModel):
    model_config = STRICT | {"populate_by_name": True}

    parameter: str
    averaging: str = SAMPLE
    class_: str | None = None
    most: float | None = None
    least: float | None = None
    unit: str | None = None
    status: Status | None = None
    remark: str | None = None
    effective_from: date | None = None
    effective_to: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _class(cls, data: Any) -> Any:
        # `class` is no name that Python allows.
        return {("class_" if key == "class" else key): value for key, value in data.items()} if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _some_bound(self) -> _Entry:
        if self.most is None and self.least is None:
            raise ValueError("write `most`, `least` or both")
        if self.unit is not None:
            parse_unit(self.unit)
        return self


class _File(BaseModel):
    model_config = STRICT

    id: str
    name: str
    medium: Literal["air", "water"]
    unit: str
    source: str
    effective_from: date
    effective_to: date | None
    status: Status
    default_class: str | None = None
    limits: tuple[_Entry, ...]


class Limits:
    """All limits of all standards."""

    def __init__(self, files: Sequence[Mapping[str, Any]]) -> None:
        """`files`: parsed YAML. Raises ConfigError."""
        models = [parsed(_File, data) for data in files]
        self._default_class = {file.id: file.default_class for file in models}
        self._medium = {file.id: file.medium for file in models}
        self._ids = {name: file.id for file in models for name in (file.id, file.name, file.name.partition("/")[0])}
        self._all = tuple(_limit(entry, file) for file in models for entry in file.limits)

    def __iter__(self) -> Iterator[Limit]:
        return iter(self._all)

    def default_class(self, standard: str) -> str | None:
        """The class that is meant where none is named; None where the standard has none."""
        return self._default_class[standard]

    def find(self, parameter: str, averaging: str, at: date, *, standard: str | None = None, class_: str | None = None) -> Limit:
        """The limit that holds on that day. Raises NoLimit."""
        of = [limit for limit in self._all if limit.parameter == parameter]
        chosen = self._standard(parameter, of) if standard is None else self._named(standard)
        of = [limit for limit in of if limit.standard == chosen]
        if not of:
            raise NoLimit(f"{chosen} has no limit for {parameter!r}")
        averaged = [limit for limit in of if limit.averaging == averaging]
        if not averaged:
            known = ", ".join(dict.fromkeys(limit.averaging for limit in of))
            raise NoLimit(f"{chosen} has no limit for {parameter} over {averaging!r} (there is: {known})")
        wanted = self._default_class[chosen] if class_ is None else class_
        classed = [limit for limit in averaged if limit.class_ == wanted]
        if not classed:
            known = ", ".join(dict.fromkeys(str(limit.class_) for limit in averaged))
            raise NoLimit(f"{chosen} has no limit for {parameter} of class {wanted!r}: say class_=… (there is: {known})")
        for limit in classed:
            if limit.in_force(at):
                return limit
        first = min(limit.effective_from for limit in classed)
        raise NoLimit(f"{chosen} had no limit for {parameter} over {averaging} on {at}: it begins on {first}")

    def _standard(self, parameter: str, of: Sequence[Limit]) -> str:
        """The Vietnamese standard for ambient air or surface water, whichever knows the parameter; air first (lead is in both)."""
        for standard in _DEFAULT.values():
            if any(limit.standard == standard for limit in of):
                return standard
        known = sorted({limit.parameter for limit in self._all})
        raise NoLimit(f"no limit is shipped for {parameter!r}{did_you_mean(parameter, known)}")

    def _named(self, standard: str) -> str:
        try:
            return self._ids[standard]
        except KeyError:
            raise NoLimit(f"there is no standard {standard!r} (known: {', '.join(sorted(set(self._ids.values())))})") from None


def _limit(entry: _Entry, file: _File) -> Limit:
    return Limit(
        standard=file.id,
        standard_name=file.name,
        parameter=entry.parameter,
        averaging=entry.averaging,
        class_=entry.class_,
        most=entry.most,
        least=entry.least,
        unit=entry.unit or file.unit,
        source=file.source,
        status=entry.status or file.status,
        remark=entry.remark,
        effective_from=entry.effective_from or file.effective_from,
        effective_to=entry.effective_to or file.effective_to,
    )
