"""What the dated files of air indices say, checked when they are read and made ready for computing.

`tables/vn_aqi_*.yaml`, `tables/us_aqi_*.yaml`, each with its source, its dates and how far it has been verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from devices.indices.curves import Above, Bands, Points
from devices.indices.derived import DerivedTable, Period
from devices.indices.reasons import Note, Text
from devices.indices.result import Advice, Category
from devices.indices.rounding import whole_steps
from devices.parameters import Catalogue
from devices.problems import ConfigError, ConfigProblem, from_pydantic
from devices.units import conversion

Status = Literal["verified", "secondary", "to-verify"]
"""`verified`: against the text or a checked transcription of it; `secondary`: independent copies agree; `to-verify`: neither."""

_Model = TypeVar("_Model", bound=BaseModel)
STRICT = ConfigDict(extra="forbid", frozen=True)


class CategoryModel(BaseModel):
    """One category; it begins where the one before ends."""

    model_config = STRICT

    id: str
    most: int
    name: Text
    colour: str = Field(pattern=r"^#[0-9A-F]{6}$")
    advice: str


class AdviceModel(BaseModel):
    """Advice of one category."""

    model_config = STRICT

    everybody: Text
    sensitive: Text


class AdviceFile(BaseModel):
    """`tables/advice.yaml`."""

    model_config = STRICT

    source: str
    air: Mapping[str, AdviceModel]
    water: Mapping[str, AdviceModel]

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> AdviceFile:
        """Raises ConfigError."""
        return parsed(cls, data)

    def of(self, medium: Literal["air", "water"], category: str) -> Advice:
        """The advice of one category. Raises ConfigError where there is none."""
        found = (self.air if medium == "air" else self.water).get(category)
        if found is None:
            raise ConfigError([ConfigProblem((medium, category), "advice.yaml says nothing about this category")])
        return Advice(found.everybody, found.sensitive, self.source)


class Categories:
    """The category of every integer of an index."""

    __slots__ = ("_by_value", "all")

    def __init__(self, models: Sequence[CategoryModel], advice: AdviceFile, medium: Literal["air", "water"]) -> None:
        found: list[Category] = []
        for model in models:
            least = found[-1].most + 1 if found else 0
            found.append(Category(model.id, least, model.most, model.name, model.colour, advice.of(medium, model.advice)))
        self.all = tuple(found)
        self._by_value = tuple(category for category in found for _ in range(category.least, category.most + 1))

    def of(self, value: int) -> Category:
        """`value` is one of the index: 0 to 500, or 0 to 100."""
        return self._by_value[value]


class _Row(BaseModel):
    model_config = STRICT

    parameter: str
    hourly: str | None = None
    daily: str | None = None
    unit: str | None = None
    step: float | None = Field(None, gt=0)
    above: Above
    points: tuple[float, ...] = ()
    bands: tuple[tuple[int, int, float, float], ...] = ()
    status: Status | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _one_curve(self) -> _Row:
        if bool(self.points) == bool(self.bands) or bool(self.bands) != (self.step is not None):
            raise ValueError("a row has either `points`, or `bands` with their `step`")
        if any(left >= right for left, right in pairwise(self.points)):
            raise ValueError("`points` must grow")
        for low, high, start, end in self.bands:
            if not (low < high and start < end):
                raise ValueError(f"band [{low}, {high}, {start}, {end}] must grow")
        for left, right in pairwise(self.bands):
            if self.step is not None and (
                right[0] != left[1] + 1 or whole_steps(right[2], self.step) != whole_steps(left[3], self.step) + 1
            ):
                raise ValueError(f"a band must begin one step after [{left[0]}, {left[1]}, {left[2]}, {left[3]}] ends")
        return self


class _File(BaseModel):
    model_config = STRICT

    index: Literal["vn_aqi", "us_aqi"]
    edition: str
    kind: Literal["points", "bands"]
    source: str
    effective_from: date
    effective_to: date | None
    status: Status
    scale: tuple[int, ...] = ()
    one_of: tuple[str, ...] = ()
    rows: tuple[_Row, ...]
    categories: tuple[CategoryModel, ...]


class Row(NamedTuple):
    """One row of a table, ready: `curve.index(value of derived x factor)`."""

    derived: str
    parameter: str
    factor: float
    """From the parameter's canonical unit to the table's."""
    curve: Points | Bands
    note: Note | None
    step: float | None
    """To which the concentration is truncated; None in tables that do not truncate."""
    is_nowcast: bool


@dataclass(frozen=True, slots=True)
class AirTable:
    """One edition of one air quality index."""

    index: str
    edition: str
    source: str
    effective_from: date
    effective_to: date | None
    status: Status
    one_of: tuple[str, ...]
    """Parameters of which one must have a sub-index; empty where any will do."""
    hourly: tuple[Row, ...]
    daily: tuple[Row, ...]
    categories: Categories

    @classmethod
    def parse(cls, data: Mapping[str, Any], advice: AdviceFile, catalogue: Catalogue, derived: DerivedTable) -> AirTable:
        """Raises ConfigError with what is wrong in the file."""
        file = parsed(_File, data)
        problems = [
            ConfigProblem(("rows", at), f"there is no derived parameter {name!r}")
            for at, row in enumerate(file.rows)
            for name in (row.hourly, row.daily)
            if name is not None and name not in derived
        ]
        if problems:
            raise ConfigError(problems)

        def rows(period: Period) -> tuple[Row, ...]:
            chosen = [(row, row.hourly if period == "hour" else row.daily) for row in file.rows]
            return tuple(_ready(row, name, file, catalogue) for row, name in chosen if name is not None)

        categories = Categories(file.categories, advice, "air")
        dates = (file.effective_from, file.effective_to)
        return cls(file.index, file.edition, file.source, *dates, file.status, file.one_of, rows("hour"), rows("day"), categories)

    def in_force(self, at: date) -> bool:
        """Was it in force on that day?"""
        return self.effective_from <= at and (self.effective_to is None or at <= self.effective_to)


def _ready(row: _Row, derived: str, file: _File, catalogue: Catalogue) -> Row:
    curve: Points | Bands
    if row.step is not None:
        curve = Bands(row.bands, row.step, row.above)
    else:
        curve = Points(list(zip(row.points, file.scale, strict=False)), row.above)
    factor = 1.0 if row.unit is None else 1 / conversion(row.unit, catalogue[row.parameter]).factor
    note = row.note or (Note.TO_VERIFY if (row.status or file.status) == "to-verify" else None)
    return Row(derived, row.parameter, factor, curve, note, row.step, derived.endswith("_nowcast"))


class AirTables:
    """All editions of all air quality indices."""

    def __init__(self, tables: Sequence[AirTable]) -> None:
        self._by_index: dict[str, tuple[AirTable, ...]] = {}
        for table in sorted(tables, key=lambda table: table.effective_from):
            self._by_index[table.index] = (*self._by_index.get(table.index, ()), table)

    def __iter__(self) -> Iterator[AirTable]:
        return (table for editions in self._by_index.values() for table in editions)

    def at(self, index: str, day: date, edition: str | None = None) -> AirTable:
        """The edition named, else the one in force on `day`, else the nearest one. Raises LookupError for an unknown edition."""
        editions = self._by_index[index]
        if edition is not None:
            for table in editions:
                if table.edition == edition:
                    return table
            raise LookupError(f"{index} has no edition {edition!r} (known: {', '.join(table.edition for table in editions)})")
        for table in reversed(editions):
            if table.effective_from <= day:
                return table
        return editions[0]


def parsed(model: type[_Model], data: Mapping[str, Any]) -> _Model:
    """`data` as the model. Raises ConfigError."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(from_pydantic(error)) from None
