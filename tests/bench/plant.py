"""The servers of one run of the bench, and a gateway between them: mosquitto, InfluxDB 1.6, the real command `envgw run`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateway.ledger import LedgerReader
from tests.bench import stream
from tests.bench.measure import wait
from tests.tools.history_servers import Influxd
from tests.tools.mosquitto import Mosquitto
from tests.tools.site import Site, air_stations

_PATIENCE_S = 600.0


class Plant:
    """Where everything of a run lives. Brokers and databases are new for each measurement: no queue, no cache is handed on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._numbers = itertools.count(1)
        self.influx = Influxd(folder / "influxd").start()

    def close(self) -> None:
        """Everything is gone."""
        self._stack.close()
        self.influx.kill()

    def new_folder(self, name: str, *, make: bool = False) -> Path:
        """A folder of its own for each use."""
        folder = self.folder / f"{name}-{next(self._numbers)}"
        if make:
            folder.mkdir()
        return folder

    @contextmanager
    def broker(self) -> Iterator[Mosquitto]:
        """mosquitto as the documentation asks for: unlimited queues, persistence."""
        with Mosquitto(self.new_folder("mosquitto")) as broker:
            yield broker

    def site(self, broker_url: str, *, stations: int = stream.DEVICES, rules: Sequence[dict[str, Any]] | None = None, **more: Any) -> Site:
        """A gateway with InfluxDB (v1 write) as its history, 20 rules and the default settings. Not started."""
        database = f"bench{next(self._numbers)}"
        self.influx.create(database)
        return Site(
            self.new_folder("site"),
            broker_url,
            history=more.pop("history", [{"name": "influx", "kind": "influxdb", "api": "v1", "url": self.influx.url, "bucket": database}]),
            stations=air_stations(stations),
            rules=stream.rules(20) if rules is None else rules,
            ledger={"low_water": "64MB", "reserve": "16MB"},
            **more,
        )

    @contextmanager
    def gateway(self, broker_url: str, **options: Any) -> Iterator[Site]:
        """A gateway that runs and is connected."""
        site = self.site(broker_url, **options)
        try:
            site.start()
            site.until_connected()
            yield site
        finally:
            site.close()


def until_stored(site: Site, count: int, *, every_s: float = 0.05) -> None:
    """Until the ledger has stored `count` messages and no lane has anything waiting.

    The ledger's file is read from outside: asking the gateway would cost it CPU that is to be measured.
    """
    with LedgerReader(site.data / "ledger.db") as ledger:

        def all_there() -> bool:
            if site.process is not None and site.process.poll() is not None:
                raise RuntimeError(f"the gateway ended:\n{site.tail()}")
            return ledger.totals().stored >= count and not any(lane.backlog_lines for lane in ledger.lane_states())

        wait(all_there, timeout_s=_PATIENCE_S, every_s=every_s, what=f"{count} messages through the gateway")
        totals = ledger.totals()
        if totals.received != totals.stored + totals.duplicate:
            raise RuntimeError(f"the stream was not taken in whole: {totals}")


def until_committed(site: Site, count: int) -> None:
    """Until the ledger has stored `count` messages, whatever waits in the lanes."""
    with LedgerReader(site.data / "ledger.db") as ledger:
        wait(lambda: ledger.totals().stored >= count, timeout_s=_PATIENCE_S, every_s=0.05, what=f"{count} messages in the ledger")
