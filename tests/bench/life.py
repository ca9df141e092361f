"""How large the gateway is, how fast it starts, and how fast it catches up."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from gateway.ledger import LedgerReader
from tests.bench import stream
from tests.bench.measure import Table, middle, rss_kb, wait
from tests.bench.plant import Plant, until_stored
from tests.tools.mosquitto import Mosquitto
from tests.tools.site import Site

_DUCKDB = [{"name": "local", "kind": "duckdb"}]


def memory(plant: Plant, table: Table, *, further: int) -> None:
    """RSS with 1,000 stations that all speak, and with `further` devices more."""
    few, many = _rss(plant, stream.DEVICES), _rss(plant, stream.DEVICES + further)
    said = 20 * (stream.DEVICES + further)
    same = _rss(plant, stream.DEVICES, count=said)
    duck = _rss(plant, stream.DEVICES, history=_DUCKDB)
    table.add("memory with 1,000 stations, into InfluxDB", f"{few / 1024:.0f} MB", "≤ 150 MB", few <= 150 * 1024)
    table.add("memory with 1,000 stations, into DuckDB", f"{duck / 1024:.0f} MB", "≤ 150 MB", duck <= 150 * 1024)
    each, equal = (many - few) / further, (many - same) / further
    table.add(f"memory for each further device (of {further:,}), with its 20 messages", f"{each:.1f} KB", "≤ 4 KB", each <= 4)
    table.add(f"the same, {said:,} messages with and without the further devices", f"{equal:.1f} KB")


def _rss(plant: Plant, devices: int, *, count: int | None = None, **options: object) -> int:
    """After `count` messages (default: 20 of each device), when all is delivered. The stream's speed is the same for all: memory of
    batches counts too, and caches that fill with the traffic, whoever speaks."""
    with plant.broker() as broker, plant.gateway(broker.url, stations=devices, **options) as site:
        count = 20 * devices if count is None else count
        with stream.publisher(broker.port, count, rate=10_000, devices=devices) as publishing:
            publishing.go()
            until_stored(site, count)
        return rss_kb(site.pid)


def starts(plant: Plant, table: Table, *, journal: int, rounds: int) -> None:
    """From the start of the process to a waiting message being committed: new, after a stop, after a crash."""
    fresh, again, crashed = [], [], []
    for _ in range(rounds):
        with plant.broker() as broker:
            site = plant.site(broker.url, history=_DUCKDB)
            try:
                fresh.append(_start(site, broker, retain=True))
                site.terminate()
                again.append(_start(site, broker))
                with stream.publisher(broker.port, journal) as publishing:
                    publishing.go()
                    until_stored(site, journal + _stored(site))
                site.kill()
                crashed.append(_start(site, broker))
                site.terminate()
            finally:
                site.close()
    table.add("cold start to first reading stored, new ledger", f"{middle(fresh):.2f} s", "≤ 1.5 s", middle(fresh) <= 1.5)
    table.add("start after an orderly stop", f"{middle(again):.2f} s", "≤ 1.5 s", middle(again) <= 1.5)
    table.add(
        f"start after kill -9, {journal:,} messages since the last snapshot", f"{middle(crashed):.2f} s", "≤ 3 s", middle(crashed) <= 3
    )


def _start(site: Site, broker: Mosquitto, *, retain: bool = False) -> float:
    """With a message that waits at the broker; `retain` for a gateway that the broker does not know yet."""
    before = _stored(site)
    _publish(broker, retain=retain)
    began = time.perf_counter()
    site.launch()
    wait(lambda: _stored(site) > before, timeout_s=60, every_s=0.005, what="a reading after the start")
    took = time.perf_counter() - began
    site.wait_alive()
    return took


def _publish(broker: Mosquitto, *, retain: bool) -> None:
    (message,) = stream.messages(1)
    topic, payload = message
    command = ["mosquitto_pub", "-p", str(broker.port), "-t", topic, "-q", "1", "-s", *(["-r"] if retain else [])]
    subprocess.run(command, input=payload, check=True)


def _stored(site: Site) -> int:
    path = site.data / "ledger.db"
    if not Path(path).exists():
        return 0
    try:
        with LedgerReader(path) as ledger:
            return ledger.totals().stored
    except Exception:  # it is being made at this moment
        return 0


def backlog(plant: Plant, table: Table, *, count: int, judge: bool) -> None:
    """The gateway was away: `count` messages of five readings wait at the broker. Then the history was away: as many wait in the ledger.

    `judge`: it is the million of the budget.
    """
    readings = 5 * count
    with plant.broker() as broker:
        site = plant.site(broker.url)
        try:
            site.start()
            site.until_connected()
            site.terminate()
            with stream.publisher(broker.port, count) as publishing:
                publishing.go()
                publishing.seconds()
            began = time.perf_counter()
            site.launch()
            wait(lambda: _stored(site) >= count, timeout_s=600, every_s=0.02, what="the backlog at the broker")
            taken = time.perf_counter() - began
            until_stored(site, count)
            took = time.perf_counter() - began
            budget = ("≤ 20 s", took <= 20) if judge else ("", None)
            table.add(
                f"backlog of {readings:,} readings at the broker: start, commit, into InfluxDB",
                f"{took:.1f} s ({taken:.1f} s until all was committed)",
                *budget,
            )
            site.terminate()
        finally:
            site.close()
    with plant.broker() as broker, plant.gateway(broker.url) as site:
        plant.influx.freeze()
        try:
            with stream.publisher(broker.port, count) as publishing:
                publishing.go()
                wait(lambda: _stored(site) >= count, timeout_s=600, what="the stream while the history hangs")
        finally:
            plant.influx.thaw()
        began = time.perf_counter()
        until_stored(site, count)
        took = time.perf_counter() - began
        table.add(
            f"backlog of {readings:,} readings in the ledger, after InfluxDB hung",
            f"{took:.1f} s",
            *(("≤ 20 s", took <= 20) if judge else ("", None)),
        )
