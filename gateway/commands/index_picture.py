"""The picture of `envgw index`: a calendar, each day in the colour of its category. Of VN_WQI the day's worst hour or sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

from devices.indices.result import Category, Index
from gateway.commands.picture import new_figure, save
from gateway.errors import EnvgwError
from gateway.series.hourly import Found

_TITLES = {
    "vi": {"vn_aqi": "VN_AQI ngày", "us_aqi": "US AQI ngày", "vn_wqi": "VN_WQI thấp nhất trong ngày"},
    "en": {"vn_aqi": "Daily VN_AQI", "us_aqi": "Daily US AQI", "vn_wqi": "Lowest VN_WQI of the day"},
}
_WEEKDAYS = {"vi": ("T2", "T3", "T4", "T5", "T6", "T7", "CN"), "en": ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")}
_NONE = {"vi": "không có", "en": "none"}
_EMPTY = "#e5e5e5"


def draw(rows: Sequence[Found], name: str, path: Path, language: Literal["vi", "en"]) -> None:
    """One strip a station and year, a column a week. Raises EnvgwError when there is nothing to draw or the file cannot be written."""
    days = by_day(rows)
    strips = sorted({(station, day.year) for station, day in days})
    if not strips:
        raise EnvgwError("there is no day to draw: the series has nothing that this index is made of")
    figure = new_figure(14, 0.9 + 2.1 * len(strips))
    axes = figure.subplots(len(strips), 1, squeeze=False)[:, 0]
    from matplotlib.patches import Patch, Rectangle

    seen: dict[str, Category] = {}
    for axis, (station, year) in zip(axes, strips, strict=True):
        first = date(year, 1, 1)
        for (of, day), index in days.items():
            if (of, day.year) != (station, year):
                continue
            week = ((day - first).days + first.weekday()) // 7
            if index.category is not None:
                seen[index.category.id] = index.category
            axis.add_patch(
                Rectangle((week, day.weekday()), 0.92, 0.92, facecolor=index.colour or _EMPTY, edgecolor="#999999", linewidth=0.3)
            )
            if index.value is not None:
                axis.text(
                    week + 0.46, day.weekday() + 0.48, str(index.value), ha="center", va="center", fontsize=5, color=_ink(index.colour)
                )
        axis.set_xlim(0, 54)
        axis.set_ylim(7, 0)
        axis.set_aspect("equal")
        axis.set_yticks([at + 0.46 for at in range(7)], _WEEKDAYS[language], fontsize=7)
        months = [date(year, month, 1) for month in range(1, 13)]
        axis.set_xticks(
            [((day - first).days + first.weekday()) // 7 + 0.46 for day in months], [str(day.month) for day in months], fontsize=7
        )
        axis.set_title(f"{station} {year}", loc="left", fontsize=9)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    shown = sorted(seen.values(), key=lambda category: category.least)
    handles = [Patch(facecolor=category.colour, edgecolor="#999999", label=category.name[language]) for category in shown]
    handles.append(Patch(facecolor=_EMPTY, edgecolor="#999999", label=_NONE[language]))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=8)
    title = _TITLES[language][name]
    figure.suptitle(title, x=0.01, ha="left")
    save(figure, path, title, language)


def by_day(rows: Iterable[Found]) -> dict[tuple[str, date], Index]:
    """(station, day) → its index; of several in a day the lowest value, for VN_WQI's hours and samples."""
    found: dict[tuple[str, date], Index] = {}
    for row in rows:
        # An hour's label may be 00:00 of the next day: what it holds was measured before.
        day = (row.time - timedelta(milliseconds=1)).date() if isinstance(row.time, datetime) else row.time
        other = found.get((row.station, day))
        if other is None or other.value is None or (row.found.value is not None and row.found.value < other.value):
            found[row.station, day] = row.found
    return found


def _ink(colour: str | None) -> str:
    """Black on light colours, white on dark ones."""
    if colour is None:
        return "#000000"
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "#ffffff"
