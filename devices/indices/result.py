"""What an index is, once computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from devices.indices.reasons import Note, Text, Why


class Advice(NamedTuple):
    """What people should do. `source` says whose words they are."""

    everybody: Text
    sensitive: Text
    """Children, elderly and pregnant people, people with heart or lung disease; for water: whoever might use it."""
    source: str


class Category(msgspec.Struct, frozen=True, gc=False):
    """One band of an index: the integers from `least` to `most`, both included."""

    id: str
    least: int
    most: int
    name: Text
    colour: str
    """#RRGGBB."""
    advice: Advice


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """An index of one station at one hour, day or sample. `value` is None exactly when `why` is not."""

    index: str
    """`vn_aqi`, `us_aqi` or `vn_wqi`."""
    edition: str
    """Of the table: `1459`, `2012`, `2024`, `1460`."""
    value: int | None
    category: Category | None
    dominant: str | None
    """The parameter that decides: the largest sub-index of an AQI, the smallest of a WQI. Of equals, the table's first."""
    subindices: Mapping[str, float]
    """By what they are made from: derived parameters (`pm25_nowcast`), or parameters (`bod5`) in water. An AQI's are integers."""
    groups: Mapping[str, float] = {}
    """VN_WQI: the value of each group, `I` to `V`, that has one."""
    nowcast: Mapping[str, float] = {}
    """The NowCast values used, µg/m³, by derived parameter; US AQI: truncated as its table says."""
    why: Why | None = None
    """Why there is no value."""
    without: Mapping[str, Why] = {}
    """What was measured and gives no sub-index, and why. What nobody measures is not listed."""
    notes: tuple[Note, ...] = ()

    @property
    def beyond(self) -> bool:
        """The concentration is above the table's last row; the value is its end, 500."""
        return Note.BEYOND in self.notes

    @property
    def colour(self) -> str | None:
        """#RRGGBB, or None without a value."""
        return None if self.category is None else self.category.colour
