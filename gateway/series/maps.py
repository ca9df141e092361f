"""Series maps: how one layout of file is to be read (DESIGN section 7).

A map says which columns hold which parameter in which unit, how time is written and in which zone, which codes mean
"missing", and where labels (a maker's or reviewer's quality verdict) stand. Shipped maps are `devices/maps/*.yaml`;
`--map` takes one of their names or the path of a file of the same form.
"""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from devices.loader import catalogue
from devices.problems import did_you_mean
from devices.times import parse_duration
from devices.units import conversion
from gateway.config.yamlfile import Document
from gateway.config.yamlfile import read as read_yaml
from gateway.errors import EnvgwError

_OFFSET = re.compile(r"^([+-])(\d{2}):?(\d{2})$")
_SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"


class SeriesError(EnvgwError):
    """A map or series file cannot be read: the text names the file, the line where there is one, and what to do."""

    def __init__(self, text: str, line: int = 0, why: str = "", *, cell: bool = False) -> None:
        super().__init__(text)
        self.line = line
        """Of the series file; 0: of none."""
        self.why = why
        """What is wrong with that line, without its place."""
        self.cell = cell
        """Only one value of the line: the others are read."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeMap(_Part):
    """Where a row's time stands and how it is written."""

    columns: list[str] = Field(min_length=1, description="Column(s) of the time; several are joined with one space.")
    format: str = Field(description="`iso`, `epoch-s`, `epoch-ms`, or a strptime pattern such as `%Y-%m-%d %H:%M`.")
    zone: str = Field(description="IANA zone or offset (`-07:00`) of times that do not carry their own.")
    marks: Literal["instant", "hour-end", "hour-start"] = Field(
        "instant", description="What the label marks. It stays the reading's time; hourly means are labelled by their end or their start."
    )

    @cached_property
    def tz(self) -> tzinfo:
        """The zone as a tzinfo. Raises ValueError for an unknown one."""
        match = _OFFSET.match(self.zone)
        if match:
            sign = -1 if match[1] == "-" else 1
            return timezone(sign * timedelta(hours=int(match[2]), minutes=int(match[3])))
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"zone {self.zone!r} is neither an IANA zone nor an offset: write Asia/Ho_Chi_Minh or +07:00") from error

    @model_validator(mode="after")
    def _zone_exists(self) -> TimeMap:
        assert self.tz is not None
        return self


class StationMap(_Part):
    """Which station a row belongs to: a fixed id, or a column whose text is turned into one."""

    name: str | None = Field(None, pattern=_SLUG, description="Station id of every row.")
    column: str | None = Field(None, description="Column with the station's name or number.")
    prefix: str = Field("", description="Put before the column's text, so that a number makes a legible id.")
    as_is: bool = Field(False, description="The column holds station ids: they are taken as they stand.")

    @model_validator(mode="after")
    def _one_of(self) -> StationMap:
        if (self.name is None) == (self.column is None):
            raise ValueError("station needs either `name` or `column`, not both")
        return self


class ColumnMap(_Part):
    """One column that holds one parameter. Values are kept in the file's own unit: the device type converts."""

    column: str = Field(description="Column header (USGS: the variable code, such as 00060).")
    parameter: str = Field(description="Parameter id of devices/parameters.yaml.")
    unit: str = Field(description="The file's unit for it, as devices/units.py writes it.")
    label: str | None = Field(None, description="Column with the quality label of this value.")
    missing: list[str] = Field([], description="Further missing codes, of this column only.")
    plausible: tuple[float, float] | None = Field(
        None, description="Plausible span in the canonical unit instead of the catalogue's, e.g. of a river that freezes."
    )
    codes: dict[str, float] = Field({}, description="Text that stands for a number, such as a compass point.")

    @model_validator(mode="after")
    def _known_to_the_catalogue(self) -> ColumnMap:
        parameter = catalogue().get(self.parameter)
        if parameter is None:
            raise ValueError(f"column {self.column!r}: unknown parameter {self.parameter!r}{did_you_mean(self.parameter, catalogue())}")
        conversion(self.unit, parameter)  # raises UnitError, a ValueError, which says what to write
        return self


class LongMap(_Part):
    """A layout with one value a row: a column says of which parameter. `columns[].column` is then what stands in that column."""

    parameter: str = Field(description="Column that names the parameter.")
    value: str = Field(description="Column with the value.")
    unit: str | None = Field(None, description="Column with the value's unit, where the file says it; values are converted.")


class SeriesMap(_Part):
    """How to read one layout of series file."""

    map: str = Field(pattern=_SLUG, description="Name of the map.")
    description: str = Field("", description="Where such files come from.")
    format: Literal["csv", "parquet", "usgs-json"] = "csv"
    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    medium: Literal["air", "water"]
    interval: str = Field("1h", description="How often such a series has a row, e.g. 15m.")
    time: TimeMap
    station: StationMap
    device: str | None = Field(None, description="Column with the id of the device that measured.")
    long: LongMap | None = Field(None, description="One value a row instead of a column a parameter.")
    missing: list[str] = Field([], description="Codes for a missing value. Numbers are compared as numbers; empty is always missing.")
    unlabelled: list[str] = Field(["", "NULL"], description="Label texts that mean: no label.")
    usable: list[str] = Field(
        [], description="Labels with which a value still counts for indices. One with any other label does not; one without always does."
    )
    columns: list[ColumnMap] = Field(
        min_length=1, description="What holds which parameter. With `long` it may be left out: parameter ids in their canonical unit."
    )

    @model_validator(mode="before")
    @classmethod
    def _whole_catalogue(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("long") and "columns" not in data:
            every = [{"column": name, "parameter": name, "unit": entry.unit} for name, entry in catalogue().items()]
            return {**data, "columns": every}
        return data

    @field_validator("interval")
    @classmethod
    def _is_a_duration(cls, text: str) -> str:
        parse_duration(text)
        return text

    @model_validator(mode="after")
    def _each_once(self) -> SeriesMap:
        for what in ("parameter", "column"):
            seen = [getattr(column, what) for column in self.columns]
            twice = sorted({item for item in seen if seen.count(item) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]!r} stands in `columns` twice")
        return self

    @property
    def parameters(self) -> list[str]:
        """Parameter ids in the order of the columns."""
        return [column.parameter for column in self.columns]


def shipped_maps() -> list[str]:
    """Names of the maps that come with envgw."""
    folder = resources.files("devices").joinpath("maps")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_map(name_or_file: str | Path) -> SeriesMap:
    """A shipped map by name, or a map file by path. Raises `SeriesError` that names file and line."""
    document = _document(str(name_or_file))
    if document.problems:
        raise SeriesError(str(document.problems[0]))
    try:
        return SeriesMap.model_validate(document.data)
    except ValidationError as error:
        first = error.errors()[0]
        at = tuple(first["loc"])
        field = ".".join(str(part) for part in at) or "the map"
        raise SeriesError(str(document.problem(at, f"{field}: {first['msg'].removeprefix('Value error, ')}"))) from error


def _document(name_or_file: str) -> Document:
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml") or path.parent != Path("."):
        if not path.is_file():
            raise SeriesError(f"{path}: there is no such map")
        return read_yaml(path)
    shipped = resources.files("devices").joinpath("maps", f"{name_or_file}.yaml")
    if not shipped.is_file():
        raise SeriesError(f"no map is called {name_or_file!r}: write one of {', '.join(shipped_maps())}, or the path of a .yaml file")
    with resources.as_file(shipped) as file:
        return read_yaml(file, f"devices/maps/{name_or_file}.yaml")
