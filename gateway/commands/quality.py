"""`envgw quality`: what each quality test says of a series, reading by reading or counted by day.

A file is judged with the shipped defaults, a station of the history with what its type and the station say. Always from the values,
never from the stored flags: so what it shows is what these settings make of the readings now.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import BinaryIO

from gateway.commands.source import Source, Sources
from gateway.series.judged import TESTS, Judged, judge

_BLOCK = 5_000
"""Rows whose lines are made and written together."""
_FLAGS = (1, 2, 3, 4, 9)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_MS = 3_600_000
_NOT_GOOD = re.compile(rb"[^\x01]")
_ABSENT = re.compile(rb"\x09")


def verdicts(source: Source) -> dict[str, Judged]:
    """Parameter → what the judge says of its series."""
    columns = source.columns
    if source.judged is not None:
        return {name: source.judged[name] for name in columns.values}
    return {name: judge(source.plans[name], source.spans[name], columns.times, values) for name, values in columns.values.items()}


def judged_once(sources: Sources) -> Sources:
    """The same with their verdicts kept, where both the text and the picture want them."""
    return sources._replace(sources=[source._replace(judged=verdicts(source)) for source in sources.sources])


def write_lines(sources: Sources, out: BinaryIO) -> None:
    """One JSON line a value, in the order of the file (of the history: by device, parameter and time)."""
    for source in sources.sources:
        for text in _lines(source, sources.several):
            out.write(text.encode())
    out.flush()


def _lines(source: Source, several: bool) -> Iterator[str]:
    columns = source.columns
    judged = verdicts(source)
    clock = _Clock()
    station = f'"station":{json.dumps(columns.station)},' if several else ""
    series = [
        (values, judged[name].flags, _tails(judged[name]), f'",{station}"parameter":{json.dumps(name)},"value":')
        for name, values in columns.values.items()
    ]
    for begin in range(0, len(columns.times), _BLOCK):
        end = begin + _BLOCK
        times = list(map(clock.text, columns.times[begin:end]))
        made = []
        for values, flags, tails, middle in series:
            lines = [
                f'{{"time":"{time}{middle}{value!r}{tail}'
                for time, value, tail in zip(times, values[begin:end], tails[begin:end], strict=True)
            ]
            for found in _ABSENT.finditer(flags, begin, end):
                at = found.start()
                lines[at - begin] = f'{{"time":"{times[at - begin]}{middle}null{tails[at]}'
            made.append(lines)
        yield "".join(text for row in zip(*made, strict=True) for text in row)


def _tails(judged: Judged) -> list[str]:
    """The end of each line: flag and tests."""
    usual, flags = judged.usual, judged.flags
    names = judged.names
    found = [_tail(1, usual, names)] * len(flags)
    for match in _NOT_GOOD.finditer(flags):
        found[match.start()] = _tail(flags[match.start()], usual, names)
    for at, tests in judged.special.items():
        found[at] = _tail(flags[at], tests, names)
    return found


def _tail(flag: int, tests: tuple[int, ...], names: tuple[str, ...]) -> str:
    said = ",".join(f'"{name}":{verdict}' for name, verdict in zip(names, tests, strict=True))
    return f',"flag":{flag},"tests":{{{said}}}}}\n'


class _Clock:
    """ms → `2026-11-23T07:13:38.250Z`, as `envgw query` writes it; hours and what follows them are remembered."""

    def __init__(self) -> None:
        self._hours: dict[int, str] = {}
        self._rest: dict[int, str] = {}

    def text(self, time_ms: int) -> str:
        """UTC."""
        hour, rest = divmod(time_ms, _HOUR_MS)
        try:
            return self._hours[hour] + self._rest[rest]
        except KeyError:
            return self._made(hour, rest)

    def _made(self, hour: int, rest: int) -> str:
        if len(self._hours) > 20_000 or len(self._rest) > 20_000:
            self._hours.clear()
            self._rest.clear()
        self._hours[hour] = f"{_EPOCH + timedelta(hours=hour):%Y-%m-%dT%H}"
        minutes, millis = divmod(rest, 60_000)
        self._rest[rest] = f":{minutes:02}:{millis // 1000:02}.{millis % 1000:03}Z"
        return self._hours[hour] + self._rest[rest]


# ---------------------------------------------------------------- the table

_HEAD = ("day", "station", "parameter", "flag 1", "2", "3", "4", "9")
_WIDTHS = (10, 18, 12, 7, 6, 6, 6, 6)


def table(sources: Sources) -> Iterator[str]:
    """Per day (in the file's or the city's zone) and parameter: how many readings have each flag, and each test's 3 / 4."""
    all_judged = [verdicts(source) for source in sources.sources]
    names = tuple(dict.fromkeys(name for judged in all_judged for one in judged.values() for name in one.names)) or TESTS
    widths = (*_WIDTHS, *(max(len(name), 9) for name in names))
    yield _row((*_HEAD, *names), widths)
    total = [0] * 10
    for source, judged in zip(sources.sources, all_judged, strict=True):
        noted = {name: sorted(one.special) for name, one in judged.items()}
        days = _days(source.columns.times, sources.zone)
        for begin, end, day in days:
            for name in source.columns.values:
                counts = _counts(judged[name].flags[begin:end])
                for flag in _FLAGS:
                    total[flag] += counts[flag]
                cells = [f"{counts[flag]}" if counts[flag] else "." for flag in _FLAGS]
                by_test = _by_test(judged[name], noted[name], begin, end)
                cells += [by_test.get(test, ".") for test in names]
                yield _row((day, source.columns.station, name, *cells), widths)
    yield f"all: {', '.join(f'{total[flag]} flag {flag}' for flag in _FLAGS if total[flag])}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.ljust(width) if at < 3 else cell.rjust(width) for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _counts(flags: bytearray) -> list[int]:
    return [flags.count(flag) for flag in range(10)]


def _by_test(judged: Judged, noted: list[int], begin: int, end: int) -> dict[str, str]:
    """Test → `suspect/fail` in a stretch, if there are any; `noted`: the positions of `judged.special`, sorted."""
    suspect, failed = [0] * len(judged.names), [0] * len(judged.names)
    for at in noted[bisect_left(noted, begin) : bisect_left(noted, end)]:
        for test, verdict in enumerate(judged.special[at]):
            suspect[test] += verdict == 3
            failed[test] += verdict == 4
    return {name: f"{bad}/{worse}" for name, bad, worse in zip(judged.names, suspect, failed, strict=True) if bad or worse}


def _days(times: Sequence[int], zone: tzinfo) -> list[tuple[int, int, str]]:
    """(first, behind the last, day) of each stretch of readings of one local day."""
    found: list[tuple[int, int, str]] = []
    begin, low, high, day = 0, 0, -1, ""
    for at, time_ms in enumerate(times):
        if low <= time_ms < high:
            continue
        if at:
            found.append((begin, at, day))
        local = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        low = round(midnight.timestamp() * 1000)
        high = round((midnight.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone).timestamp() * 1000)
        begin, day = at, f"{local:%Y-%m-%d}"
    if len(times):
        found.append((begin, len(times), day))
    return found
