"""The back ends on which the one contract suite runs: how to make each, and how to see what is really in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import NamedTuple, cast

from devices.reading import Line
from gateway.history.base import History, StoredReading
from gateway.history.factory import make_history
from gateway.history.upkeep import Upkeep, make_upkeep
from gateway.settings import HistorySection
from tests.tools.history_servers import Influxd, VictoriaMetrics
from tests.tools.influx3_standin import Influx3CoreStandIn
from tests.tools.influx27_standin import Influx27StandIn

ALWAYS_MS = 2**50


class Key(NamedTuple):
    station: str
    device: str
    area: str
    medium: str
    parameter: str
    time_ms: int


Stored = dict[Key, tuple[float | None, int]]


def expected(lines: Iterable[Line]) -> Stored:
    """What must be stored after these lines were written in this order."""
    stored: Stored = {}
    for line in lines:
        for value in line.values:
            key = Key(line.station, line.device, line.area, line.medium, value.parameter, line.time_ms)
            stored[key] = (None if value.value is None else float(value.value), value.flag)
    return stored


class Backend(ABC):
    """One back end, empty at the start of a test."""

    name: str
    answers = True
    """Whether `query` works."""
    deletes = False
    """Whether `InfluxUpkeep.forget` deletes old readings there."""
    section: HistorySection
    data_dir: Path = Path()

    def history(self) -> History:
        return make_history(self.section, self.data_dir)

    def upkeep(self, **more: object) -> Upkeep:
        """Whoever looks after it, with more settings."""
        return make_upkeep(HistorySection.model_validate(self.section.model_dump(exclude_unset=True) | more), self.data_dir)

    def remove(self) -> None:  # noqa: B027  (most begin with nothing)
        """Take its place away, so that there is nothing."""

    async def settle(self) -> None:  # noqa: B027  (most have nothing to settle)
        """Between a point and its revision: what a second of time does to a server that gathers before it stores."""

    @abstractmethod
    async def stored(self, history: History) -> Stored:
        """All that is in it, seen by another way than `query` where there is one."""


class DuckDB(Backend):
    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        self.section = HistorySection(name="contract", kind="duckdb")
        self.data_dir = folder

    async def stored(self, history: History) -> Stored:
        return {Key(*row[1:6], row.time_ms): (row.value, row.flag) async for row in everything(history)}


class InfluxDB16(Backend):
    name = "influxdb-1.6"
    deletes = True

    def __init__(self, server: Influxd, database: str) -> None:
        self.server, self.database = server, database
        self.section = HistorySection(name="contract", kind="influxdb", api="v1", url=server.url, bucket=database)

    def remove(self) -> None:
        self.server.query(f'DROP DATABASE "{self.database}"')

    async def stored(self, history: History) -> Stored:
        stored: Stored = {}
        for series in self.server.query('SELECT * FROM /.*/ GROUP BY "station","device","area"', db=self.database):
            tags = series["tags"]
            area = "" if tags["area"] == "-" else tags["area"]
            for row in series["values"]:
                found = dict(zip(series["columns"][1:], row[1:], strict=True))
                for field, flag in found.items():
                    if field.endswith("_qc") and flag is not None:
                        parameter = field.removesuffix("_qc")
                        value = None if flag == 9 else found[parameter]
                        stored[Key(tags["station"], tags["device"], area, series["name"], parameter, row[0])] = (value, flag)
        return stored


class InfluxDB27StandIn(Backend):
    name = "influxdb-2.7-stand-in"
    answers = False
    deletes = True

    def __init__(self, server: Influx27StandIn) -> None:
        self.server = server
        self.section = HistorySection.model_validate(
            {"name": "contract", "kind": "influxdb", "url": server.url, "token": server.token, "org": "city"}
        )

    def remove(self) -> None:
        self.server.buckets.clear()

    async def stored(self, history: History) -> Stored:
        stored: Stored = {}
        for (medium, pairs, time_ms), fields in self.server.points.items():
            tags = dict(pairs)
            assert list(tags) == ["area", "device", "station"], "exactly these tags on every line"
            for field, flag in fields.items():
                if field.endswith("_qc"):
                    parameter = field.removesuffix("_qc")
                    value = None if flag == 9 else fields[parameter]
                    assert isinstance(flag, int)
                    assert value is None or isinstance(value, float)
                    area = "" if tags["area"] == "-" else tags["area"]
                    stored[Key(tags["station"], tags["device"], area, medium, parameter, time_ms)] = (value, flag)
        return stored


class InfluxDB3CoreStandIn(InfluxDB27StandIn):
    name = "influxdb-3-core-stand-in"
    deletes = False

    def __init__(self, server: Influx3CoreStandIn) -> None:
        super().__init__(server)


class VictoriaMetricsWriteOnly(Backend):
    """Media and parameters are joined by `_` in its metric names, so the suite uses media without `_`.

    Of several values at one timestamp it keeps one (`-dedup.minScrapeInterval=1ms`): the newer if it was written after
    the older was flushed (once a second), else either.
    """

    answers = False

    def __init__(self, server: VictoriaMetrics, api: str, bucket: str) -> None:
        self.name = f"victoria-metrics-{api}"
        self.server, self.bucket = server, bucket
        # The database name becomes the label `db`: that is how a test finds its own.
        self.section = HistorySection.model_validate(
            {"name": "contract", "kind": "influxdb", "api": api, "url": server.url, "bucket": bucket}
        )

    async def settle(self) -> None:
        self.server.flush()

    async def stored(self, history: History) -> Stored:
        values: dict[Key, float] = {}
        for series in self.server.export(f'{{station=~"{self.bucket}.*"}}'):
            labels = series["metric"]
            medium, _, field = labels["__name__"].partition("_")
            area = "" if labels["area"] == "-" else labels["area"]
            for time_ms, value in zip(series["timestamps"], series["values"], strict=True):
                values[Key(labels["station"], labels["device"], area, medium, field, time_ms)] = value
        stored: Stored = {}
        for key, flag in values.items():
            if key.parameter.endswith("_qc"):
                plain = key._replace(parameter=key.parameter.removesuffix("_qc"))
                stored[plain] = (None if flag == 9 else values[plain], int(flag))
        return stored


def everything(history: History) -> AsyncGenerator[StoredReading, None]:
    return cast(AsyncGenerator[StoredReading, None], history.query(station=None, parameters=None, since_ms=-ALWAYS_MS, until_ms=ALWAYS_MS))
