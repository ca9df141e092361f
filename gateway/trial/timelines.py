"""What a file of rule tests may say (`envgw rules test`), and reading one with the line of everything that is wrong.

rules: [../pm25.yaml]                     # beside this file; without it: the rules of the configuration
stations:                                 # made up; without it: those of the configuration
  hai-chau-01: {medium: air, area: hai-chau/binh-hien}
tests:
  - name: smoke comes and goes
    interval: 5m
    series:
      hai-chau-01.pm25: "20x10 50+35x10 20x12"
    expect:
      - {at: 75m, rule: pm25-smoke, station: hai-chau-01, state: firing, severity: warning, reason: condition}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from devices import loader
from devices.problems import did_you_mean
from gateway.config import ConfigError, yamlfile
from gateway.config.messages import explain
from gateway.config.yamlfile import Document, Problem
from gateway.trial.notation import Item, parse_series

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def span_ms(value: Any) -> int:
    """`25m`, `1h30m`, `0` → ms. ValueError says what to write."""
    text = str(value).strip()
    if text == "0":
        return 0
    parts = _SPAN.findall(text)
    if not parts or _SPAN.sub("", text).strip():
        raise ValueError(f"{text!r} is not a span of time: write for example 25m or 1h30m")
    return round(sum(float(number) * _MS[unit] for number, unit in parts))


def span_text(ms: int) -> str:
    """As people write it: `1h30m`, `25m`, `0`."""
    if not ms:
        return "0"
    parts, left = [], abs(ms)
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if ms < 0 else "") + "".join(parts)


Span = Annotated[int, BeforeValidator(span_ms)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedModel(_Part):
    """One expected transition. What is left out may be anything."""

    at: Span = Field(description="Event time since the start of the test, such as 25m or 1h30m.")
    rule: str = Field(description="Id of the rule, or of a built-in alert such as device-silent.")
    station: str | None = Field(None, description="Station id. Groups have none: give `area`.")
    area: str | None = None
    state: Literal["firing", "unknown", "resolved"]
    severity: Literal["info", "warning", "critical"] | None = None
    reason: str | None = Field(None, description="condition, escalated, de-escalated, cleared, data-stopped, data-doubted, data-returned …")
    parameter: str | None = None
    value: float | None = Field(None, description="The value that the transition gives, within 0.1 %.")
    late: bool | None = Field(None, description="Whether it was over before the gateway learnt of it.")


class TimelineModel(_Part):
    """One timeline."""

    name: str = Field(min_length=1)
    start: str | None = Field(None, description="Local or ISO time of the first value; default 2026-01-05 00:00 (a Monday), local.")
    interval: Span = Field(description="Time between the values of a series, and the reporting interval of stations that are made up.")
    series: dict[str, str] = Field(min_length=1, description="station.parameter → values, as in `20x10 50+35x10 _x5`.")
    until: Span | None = Field(None, description="End of the test; default: the last value or the last expectation, whichever is later.")
    only: list[str] | None = Field(None, description="Rules that this test is about; default: all.")
    expect: list[ExpectedModel] = Field(
        description="All transitions of these rules, in order. Built-in alerts only count where one is named."
    )


class TimelinesModel(_Part):
    """A file of rule tests."""

    rules: list[str] | None = Field(
        None, min_length=1, description="Files or folders of rules, relative to this file; default: the configuration's."
    )
    stations: dict[str, dict[str, Any]] | None = Field(
        None,
        min_length=1,
        description="Made-up stations: registry fields (medium, area, tags …) and `interval`; default: the configuration's.",
    )
    timezone: str = Field("Asia/Ho_Chi_Minh", description="The city's zone, where the stations are made up.")
    judged: bool = Field(False, description="true: the quality tests judge the values of made-up stations, as they would in the gateway.")
    tests: list[TimelineModel] = Field(min_length=1)


class Timelines(NamedTuple):
    """A test file that was read, with the places in it."""

    path: Path
    document: Document
    model: TimelinesModel

    def series(self, index: int) -> dict[tuple[str, str], list[Item]]:
        """(station, parameter) → values of one test."""
        return {_split(key): parse_series(text) for key, text in self.model.tests[index].series.items()}


def read(path: Path) -> Timelines:
    """Raises ConfigError with everything that is wrong in the file."""
    document = yamlfile.read(path)
    if document.problems:
        raise ConfigError(document.problems)
    try:
        model = TimelinesModel.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError([document.problem(where, text) for where, text in explain(error, TimelinesModel, document.data)]) from None
    problems: list[Problem] = []
    for index, test in enumerate(model.tests):
        for key, text in test.series.items():
            place = ("tests", index, "series", key)
            problems += [document.problem(place, message) for message in _wrong_series(key, text, model.stations)]
        if test.start is not None:
            try:
                datetime.fromisoformat(test.start)
            except ValueError:
                problems.append(document.problem(("tests", index, "start"), f"{test.start!r} is not a time: write 2026-01-05T06:00"))
    if problems:
        raise ConfigError(problems)
    return Timelines(path, document, model)


def start_ms(test: TimelineModel, zone: tzinfo) -> int:
    """When the test begins, ms since the epoch."""
    at = datetime.fromisoformat(test.start or "2026-01-05T00:00")
    return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)


def _split(key: str) -> tuple[str, str]:
    station, _, parameter = key.rpartition(".")
    return station, parameter


def _wrong_series(key: str, text: str, stations: Mapping[str, Any] | None) -> Sequence[str]:
    station, parameter = _split(key)
    known = loader.catalogue()
    found = []
    if not station or parameter not in known:
        found.append(f"unknown parameter {parameter!r}{did_you_mean(parameter, known)}" if station else f"{key!r}: write station.parameter")
    if stations is not None and station and station not in stations:
        found.append(f"no station {station!r} under `stations`{did_you_mean(station, stations)}")
    try:
        parse_series(text)
    except ValueError as error:
        found.append(str(error))
    return found
