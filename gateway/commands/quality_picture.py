"""The picture of `envgw quality`: each series as a line, its doubted stretches shaded and doubted readings marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devices.loader import catalogue
from gateway.commands.picture import new_figure, save
from gateway.commands.quality import verdicts
from gateway.commands.source import Sources

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {3: "#e69f00", 4: "#cc3311", 9: "#999999"}
_NAMES = {
    "vi": {3: "3 nghi ngờ", 4: "4 sai", 9: "9 thiếu", "title": "Chất lượng số liệu"},
    "en": {3: "3 suspect", 4: "4 fail", 9: "9 missing", "title": "Quality of readings"},
}
_USABLE = bytes((1, 2))
_DATES = {
    "formats": ["%Y", "tháng %-m", "%d", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "tháng %-m", "%-d/%-m", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%-m/%Y", "%-d/%-m/%Y", "%-d/%-m/%Y", "%-d/%-m/%Y %H:%M"],
}
"""Vietnamese has no short names of months."""
_PIXELS = 1600
"""Horizontal resolution: of a longer series the least and largest value of each of so many stretches is drawn."""


def draw(sources: Sources, path: Path, language: Literal["vi", "en"]) -> None:
    """One panel a series, below one another. Raises EnvgwError when the file cannot be written."""
    names = _NAMES[language]
    panels = [(source, parameter) for source in sources.sources for parameter in source.columns.values]
    figure = new_figure(14, 0.8 + 2.2 * len(panels))
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    judged = {id(source): verdicts(source) for source in sources.sources}
    for axis, (source, parameter) in zip(axes, panels, strict=True):
        columns, of = source.columns, catalogue()[parameter]
        flags = judged[id(source)][parameter].flags
        _panel(axis, columns.times, columns.values[parameter], flags, sources, 2.5 * source.interval_ms, language)
        axis.set_title(f"{columns.station}: {of.name[language]}", loc="left", fontsize=10)
        axis.set_ylabel(of.display)
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=colour, label=str(names[flag])) for flag, colour in _COLOURS.items()], loc="outside upper right", ncols=3
    )
    title = str(names["title"])
    figure.suptitle(title, x=0.01, ha="left")
    save(figure, path, title, language)


def _panel(
    axis: Axes, times: Sequence[int], values: Sequence[float], flags: bytearray, sources: Sources, gap_ms: float, language: str
) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if not len(times):
        return
    days = [time_ms / 86_400_000 for time_ms in times]
    width = max(days[-1] - days[0], 1e-6) / _PIXELS
    usable = list(values) if not flags.translate(None, _USABLE) else _where_usable(values, flags)
    axis.plot(*_thinned(days, usable, width, gap_ms / 86_400_000), color="#224488", linewidth=0.8)
    for flag, colour in _COLOURS.items():
        for begin, end in _runs(days, flags, flag, width):
            axis.axvspan(begin, end, color=colour, alpha=0.3, linewidth=0)
        if flag != 9 and flag in flags:
            marked = [(day, value) for day, value, of in zip(days, values, flags, strict=True) if of == flag and not isnan(value)]
            axis.plot(*(zip(*marked, strict=True) if marked else ([], [])), ".", color=colour, markersize=3)
    axis.xaxis_date(tz=sources.zone)
    locator = AutoDateLocator(  # type: ignore[no-untyped-call]
        tz=sources.zone
    )
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(
        ConciseDateFormatter(  # type: ignore[no-untyped-call]
            locator, tz=sources.zone, **(_DATES if language == "vi" else {})
        )
    )
    axis.set_xlim(days[0], max(days[-1], days[0] + width))
    axis.grid(alpha=0.25)


def _where_usable(values: Sequence[float], flags: bytearray) -> list[float]:
    return [nan if flag > 2 else value for value, flag in zip(values, flags, strict=True)]


def _thinned(days: Sequence[float], values: Sequence[float], width: float, gap: float) -> tuple[list[float], list[float]]:
    """The least and largest of each stretch of `width` days, the line broken where nothing usable is or time leaps."""
    import numpy  # comes with matplotlib

    at, value = numpy.asarray(days), numpy.asarray(values)
    leaps = numpy.diff(at) > gap
    stretches = numpy.floor((at - at[0]) / width)
    starts = numpy.flatnonzero(numpy.concatenate(([True], leaps | (numpy.diff(stretches) != 0))))
    across = numpy.repeat(at[starts], 2)
    up = numpy.column_stack((numpy.fmin.reduceat(value, starts), numpy.fmax.reduceat(value, starts))).ravel()
    broken = numpy.flatnonzero(numpy.concatenate(([False], leaps))[starts])
    across = numpy.insert(across, 2 * broken, at[starts[broken] - 1])
    up = numpy.insert(up, 2 * broken, nan)
    return across.tolist(), up.tolist()


def _runs(days: Sequence[float], flags: bytearray, flag: int, width: float) -> list[tuple[float, float]]:
    """Stretches with this flag, a pixel at least; those less than a pixel apart are one."""
    found: list[tuple[float, float]] = []
    for match in re.finditer(re.escape(bytes([flag])) + b"+", flags):
        begin, end = days[match.start()], max(days[match.end() - 1], days[match.start()] + width)
        if found and begin - found[-1][1] < width:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found
