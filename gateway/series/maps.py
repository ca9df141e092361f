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

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from devices.loader import catalogue
from devices.problems import did_you_mean
from devices.times import parse_duration
from devices.units import conversion
from gateway.errors import EnvgwError

_OFFSET = re.compile(r"^([+-])(\d{2}):?(\d{2})$")
_SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"


class SeriesError(EnvgwError):
    """A map or series file cannot be read: the text names the file, the line where there is one, and what to do."""


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
    missing: list[str] = Field([], description="Codes for a missing value. Numbers are compared as numbers; empty is always missing.")
    unlabelled: list[str] = Field(["", "NULL"], description="Label texts that mean: no label.")
    usable: list[str] = Field(
        [], description="Labels with which a value still counts for indices. One with any other label does not; one without always does."
    )
    columns: list[ColumnMap] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> SeriesMap:
        for what in ("parameter", "column"):
            seen = [getattr(column, what) for column in self.columns]
            twice = sorted({item for item in seen if seen.count(item) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]!r} stands in `columns` twice")
        return self

    @model_validator(mode="after")
    def _known_to_the_catalogue(self) -> SeriesMap:
        known = catalogue()
        for column in self.columns:
            parameter = known.get(column.parameter)
            if parameter is None:
                raise ValueError(f"column {column.column!r}: unknown parameter {column.parameter!r}{did_you_mean(column.parameter, known)}")
            conversion(column.unit, parameter)  # raises UnitError, a ValueError, which says what to write
        parse_duration(self.interval)
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
    """A shipped map by name, or a map file by path. Raises `SeriesError`."""
    text, where = _map_text(str(name_or_file))
    try:
        return SeriesMap.model_validate(_yaml(text, where))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the map"
        raise SeriesError(f"{where}: {field}: {first['msg'].removeprefix('Value error, ')}") from error


def _map_text(name_or_file: str) -> tuple[str, str]:
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml") or path.parent != Path("."):
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise SeriesError(f"{path}: this map cannot be read: {error}") from error
    shipped = resources.files("devices").joinpath("maps", f"{name_or_file}.yaml")
    if not shipped.is_file():
        raise SeriesError(f"no map is called {name_or_file!r}: write one of {', '.join(shipped_maps())}, or the path of a .yaml file")
    return shipped.read_text(encoding="utf-8"), f"devices/maps/{name_or_file}.yaml"


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise SeriesError(f"{where}{line}: this is not YAML: {getattr(error, 'problem', error)}") from error
