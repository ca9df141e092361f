"""What the dated file of VN_WQI says, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field, model_validator

from devices.indices.curves import Quality
from devices.indices.tables import STRICT, AdviceFile, Categories, CategoryModel, Status, parsed

Group = Literal["I", "II", "III", "IV", "V"]
"""pH; pesticides; metals; organics and nutrients; microbiology."""
Aggregation = Literal["cube-root", "square-root"]


class _Parameter(BaseModel):
    model_config = STRICT

    group: Group
    unit: str
    of: Literal["value", "saturation"] = "value"
    points: tuple[tuple[float, float], ...] = Field(min_length=1)
    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _growing(self) -> _Parameter:
        if any(left[0] >= right[0] for left, right in pairwise(self.points)):
            raise ValueError("`points` must grow")
        return self


class _Choice(BaseModel):
    model_config = STRICT

    default: Aggregation
    other: Aggregation
    status: Status


class _Minimum(BaseModel):
    model_config = STRICT

    default: int
    automatic_stations: int
    status: Status


class _File(BaseModel):
    model_config = STRICT

    index: Literal["vn_wqi"]
    edition: str
    source: str
    effective_from: date
    effective_to: date | None
    status: Status
    aggregation: _Choice
    minimum_groups: _Minimum
    minimum_nutrients: int
    saturation: tuple[float, float, float, float]
    parameters: Mapping[str, _Parameter]
    categories: tuple[CategoryModel, ...]
    colours_status: Status


class WaterParameter(NamedTuple):
    """One parameter of the index, ready."""

    group: Group
    unit: str
    """UCUM; values are given in it."""
    of_saturation: bool
    """The curve is over percent of oxygen saturation, not over the value."""
    curve: Quality


@dataclass(frozen=True, slots=True)
class WaterTable:
    """One edition of VN_WQI."""

    index: str
    edition: str
    source: str
    effective_from: date
    effective_to: date | None
    status: Status
    aggregation: Aggregation
    aggregation_status: Status
    minimum_groups: int
    minimum_groups_automatic: int
    minimum_nutrients: int
    saturation: tuple[float, float, float, float]
    parameters: Mapping[str, WaterParameter]
    categories: Categories

    @classmethod
    def parse(cls, data: Mapping[str, Any], advice: AdviceFile) -> WaterTable:
        """Raises ConfigError with what is wrong in the file."""
        file = parsed(_File, data)
        return cls(
            index=file.index,
            edition=file.edition,
            source=file.source,
            effective_from=file.effective_from,
            effective_to=file.effective_to,
            status=file.status,
            aggregation=file.aggregation.default,
            aggregation_status=file.aggregation.status,
            minimum_groups=file.minimum_groups.default,
            minimum_groups_automatic=file.minimum_groups.automatic_stations,
            minimum_nutrients=file.minimum_nutrients,
            saturation=file.saturation,
            parameters={
                name: WaterParameter(said.group, said.unit, said.of == "saturation", Quality(said.points, said.below, said.above))
                for name, said in file.parameters.items()
            },
            categories=Categories(file.categories, advice, "water"),
        )
