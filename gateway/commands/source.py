"""Where `envgw quality` and `envgw index` take their series from: a file through a map, or a station of the configured history."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from itertools import pairwise
from math import nan
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from devices.hours import HOUR_MS
from devices.loader import catalogue, quality_defaults
from devices.parameters import RAW_SUFFIX
from devices.problems import from_pydantic
from devices.qc.message_tests import MessageTests, message_tests
from devices.qc.model import QualityModel
from devices.qc.settings import Plan, plan
from devices.qc.settings import problems as quality_problems
from devices.quality import Spans
from devices.times import iso, parse_duration, parse_zone
from gateway.api.times import parse_instant
from gateway.commands.query import rows
from gateway.config import yamlfile
from gateway.errors import EnvgwError
from gateway.series.columns import Columns, read_columns
from gateway.series.judged import Judged, Series, judge_device
from gateway.series.maps import SeriesMap, load_map

if TYPE_CHECKING:
    from devices.interpret import Interpreter
    from gateway.coreconfig import CoreConfig
    from gateway.settings import Settings


class Source(NamedTuple):
    """One device of one station (of a file: one station) and how its series are judged."""

    columns: Columns
    interval_ms: int
    plans: Mapping[str, Plan]
    spans: Mapping[str, Spans]
    flags: Mapping[str, bytes] | None
    """Parameter → the flags that the history has; None for a file."""
    judged: Mapping[str, Judged] | None = None
    """Parameter → the verdicts, where somebody asked for more than the default tests: those look at the device's series together."""


class Sources(NamedTuple):
    """What is to be worked on."""

    sources: list[Source]
    zone: tzinfo
    map: SeriesMap | None
    """None for the history."""

    @property
    def several(self) -> bool:
        """Whether a line must say its station."""
        return len({source.columns.station for source in self.sources}) > 1


def of_file(path: Path, map_name: str, said: QualityModel | None = None) -> Sources:
    """Every station of a file, judged with the shipped defaults and what is `said`. Raises `SeriesError`."""
    series_map = load_map(map_name)
    interval_ms = parse_duration(series_map.interval)
    given = {column.parameter: Spans(column.plausible) for column in series_map.columns if column.plausible is not None}
    zone = series_map.time.tz
    found = []
    for columns in read_columns(path, series_map):
        plans = {name: _plan(name, interval_ms, () if said is None else (said,), zone) for name in columns.values}
        spans = {name: given.get(name) or Spans(catalogue()[name].plausible) for name in columns.values}
        source = Source(columns, interval_ms, plans, spans, None)
        found.append(source._replace(judged=_together([source], None if said is None else message_tests(said.message))))
    return Sources(found, zone, series_map)


def settings_of(path: Path) -> QualityModel:
    """The `quality:` section of a YAML file (a device type's own file, say). Raises EnvgwError with file and line."""
    document = yamlfile.read(path)
    if document.problems:
        raise EnvgwError("\n".join(map(str, document.problems)))
    section = document.data.get("quality") if isinstance(document.data, Mapping) else None
    if section is None:
        raise EnvgwError(f"{path}: no `quality:` section: write `quality: {{turbidity: {{step: 50}}}}`")
    try:
        model = QualityModel.model_validate(section)
    except ValidationError as error:
        problems = from_pydantic(error, ("quality",))
    else:
        problems = list(quality_problems(model, catalogue(), ("quality",)))
        if not problems:
            return model
    raise EnvgwError("\n".join(str(document.problem(problem.path, problem.message)) for problem in problems))


async def of_history(
    settings: Settings, core: CoreConfig | None, station: str, since: str, until: str | None, *, before_h: int = 0
) -> Sources:
    """The devices of a station as the history has them, judged as its type and station say. Raises EnvgwError.

    `before_h`: begin so many hours before `since`, for means that reach back.
    """
    groups: dict[str, dict[str, list[tuple[int, float | None, int]]]] = {}
    async for row in rows(settings, station, None, _earlier(since, before_h), until or "now"):
        if row.medium in ("air", "water") and row.parameter in catalogue() and not row.parameter.endswith(RAW_SUFFIX):
            groups.setdefault(row.device, {}).setdefault(row.parameter, []).append((row.time_ms, row.value, row.flag))
    if not groups:
        raise EnvgwError(f"the history has no reading of station {station!r} since {since}: see `envgw stations list`, or go further back")
    zone = parse_zone(settings.gateway.timezone)
    found = []
    for device, series in groups.items():
        found += _of_device(station, device, series, None if core is None else core.interpreter, zone)
    return Sources(found, zone, None)


def _of_device(
    station: str, device: str, series: Mapping[str, Sequence[tuple[int, float | None, int]]], known: Interpreter | None, zone: tzinfo
) -> list[Source]:
    """One source a parameter: the history has each with times of its own."""
    entry = known.registry.devices.get(device) if known is not None else None
    found = []
    for parameter, readings in series.items():
        columns = Columns(station, [parameter])
        columns.times = array("q", [time_ms for time_ms, _, _ in readings])
        columns.values[parameter] = array("d", [nan if value is None else value for _, value, _ in readings])
        interval_ms = _usual_interval(columns.times) if entry is None else entry.interval_ms
        spans = Spans(catalogue()[parameter].plausible)
        layers: tuple[QualityModel, ...] = ()
        if known is not None and entry is not None:
            place = known.registry.stations.get(station)
            own = place.spans if place is not None else None
            spans = (own or {}).get(parameter) or known.types[entry.type].spans.get(parameter, spans)
            layers = known.quality_layers(entry, station)
        flags = {parameter: bytes(flag for _, _, flag in readings)}
        found.append(Source(columns, interval_ms, {parameter: _plan(parameter, interval_ms, layers, zone)}, {parameter: spans}, flags))
    tests = known.message_tests(entry, station) if known is not None and entry is not None else None
    judged = _together(found, tests)
    return found if judged is None else [source._replace(judged=judged) for source in found]


def _plan(parameter: str, interval_ms: int, layers: Sequence[QualityModel], zone: tzinfo) -> Plan:
    said = tuple(layer.parameters[parameter] for layer in layers if parameter in layer.parameters)
    return plan(catalogue()[parameter], interval_ms, quality_defaults(), said, zone)


def _together(sources: Sequence[Source], tests: MessageTests | None) -> Mapping[str, Judged] | None:
    """The verdicts on the series of one device; None where its default tests are all that there are."""
    if tests is None and not any(made.asks_more for source in sources for made in source.plans.values()):
        return None
    series = {
        name: Series(source.plans[name], source.spans[name], source.columns.times, values)
        for source in sources
        for name, values in source.columns.values.items()
    }
    return judge_device(series, tests)


def _earlier(since: str, hours: int) -> str:
    """The same kind of instant, so many hours before. A relative one stays so: the demo's clock is not ours."""
    if not hours:
        return since
    try:
        if since.startswith("-"):
            return f"-{(parse_duration(since[1:]) + hours * HOUR_MS) // 1000}s"
        return iso(parse_instant(since, 0) - hours * HOUR_MS)
    except ValueError as error:
        raise EnvgwError(str(error)) from None


def _usual_interval(times: array[int]) -> int:
    """Of a device that the registry does not know: the median of its gaps."""
    gaps = [later - sooner for sooner, later in pairwise(times) if later > sooner]
    return round(median(gaps)) if gaps else 60_000
