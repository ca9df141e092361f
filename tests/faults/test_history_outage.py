"""A dead or frozen InfluxDB, a dead webhook, a dead alert broker: each delays only itself, and nothing is missing afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tools.background import Background, background
from tests.tools.history_servers import Influxd
from tests.tools.mosquitto import Mosquitto, free_port
from tests.tools.publisher import Load, air, publish_all
from tests.tools.sinks import HttpSink
from tests.tools.site import Site, air_stations, running

OUTAGE_S = 6.0
"""How long the history stays away. The issue says 30 s; the lane tries again after at most 1 s here (30 s by default), so in
6 s it meets the dead server as often as in three minutes with the default, and the suite stays short."""


@asynccontextmanager
async def listening(sink: HttpSink) -> AsyncIterator[HttpSink]:
    await sink.start()
    try:
        yield sink
    finally:
        await sink.stop()


def alerts_in(sink: HttpSink) -> list[tuple[str, str]]:
    """(station, status) of every alert that the webhook was told, in order."""
    return [(alert["labels"]["station"], alert["status"]) for request in sink.requests for alert in request.json()["alerts"]]


def wait_for(condition: Callable[[], Any], what: Callable[[], Any], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def influx_section(influx: Influxd) -> dict[str, Any]:
    return {
        "name": "influx", "kind": "influxdb", "api": "v1", "url": influx.url, "bucket": "city", "timeout": "1s", "backoff_max": "1s",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_history_that_is_away_delays_nobody_and_misses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, make_influxd: Callable[..., Influxd], how: str
) -> None:
    influx = make_influxd().start()
    influx.create("city")
    with background() as loop:
        sink = loop.enter(listening(HttpSink()))
        site = Site(
            tmp_path / "site", mosquitto.url, history=[influx_section(influx), {"name": "local", "kind": "duckdb"}],
            receivers=[{"name": "hook", "kind": "webhook", "url": sink.url}],
        )  # fmt: skip
        with running(site):
            site.until_connected()
            with Load(mosquitto.port, lambda n: air(2 + n % 2, pm25=n / 1000), per_s=100) as load:
                load.wait_acknowledged(100)
                site.until(lambda s: s["stored"] - s["pending"]["influx"] >= 50)
                began = time.monotonic()
                (influx.kill if how == "killed" else influx.freeze)()
                parts = site.until_ready(lambda _, parts: parts["history influx"]["colour"] != "green")
                assert parts["history influx"]["colour"] == "yellow", "it mends itself: nothing for a person to do yet"
                # Meanwhile: alerts reach people, readings reach the other history.
                publish_all(mosquitto.port, [air(1, pm25=150)])
                wait_for(lambda: ("st-0001", "firing") in alerts_in(sink), lambda: alerts_in(sink), 5.0)
                site.until(lambda s: s["pending"]["influx"] > 200 and s["pending"]["local"] < 100)
                publish_all(mosquitto.port, [air(1, pm25=20)])
                wait_for(lambda: ("st-0001", "resolved") in alerts_in(sink), lambda: alerts_in(sink), 5.0)
                wait_for(lambda: time.monotonic() - began > OUTAGE_S, lambda: "the clock stands still", OUTAGE_S + 5)
                assert site.ready()[0], "a history that is away does not take readiness away: the ledger has everything"
                (influx.start if how == "killed" else influx.thaw)()
                load.finish()
            count = load.sent + 2
            status = site.until_delivered(count)
            assert status["stored"] == count
            site.until_ready(lambda _, parts: parts["history influx"]["colour"] == "green")
            embedded = sorted(row["value"] for row in site.rows())
        series = influx.query("SELECT pm25 FROM air GROUP BY station", db="city")
        found = sorted(value for one in series for _, value in one["values"])
        assert found == sorted([n / 1000 for n in range(load.sent)] + [150, 20]), "each reading once"
        assert embedded == found, "both histories hold the same"
        assert alerts_in(sink) == [("st-0001", "firing"), ("st-0001", "resolved")]


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def test_an_embedded_history_that_cannot_be_opened_delays_no_other(
    tmp_path: Path, mosquitto: Mosquitto, influx_database: tuple[Influxd, str]
) -> None:
    """The other way round: the file is in somebody else's hands, InfluxDB goes on; when it is free again it gets everything."""
    influx, database = influx_database
    section = influx_section(influx) | {"bucket": database}
    site = Site(tmp_path / "site", mosquitto.url, history=[{"name": "local", "kind": "duckdb", "backoff_max": "500ms"}, section])
    site.data.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(site.data / "history.duckdb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with running(site):
            site.until_connected()
            publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(300)])
            status = site.until(lambda s: s["stored"] == 300 and s["pending"]["influx"] == 0)
            assert status["pending"]["local"] >= 300
            assert "in use by another process" in site.ready()[1]["history local"]["reason"]
            assert len(influx.query("SELECT pm25 FROM air", db=database)[0]["values"]) == 300
            assert holder.stdin is not None
            holder.stdin.close()
            site.until_delivered(300)
            assert sorted(row["value"] for row in site.rows()) == list(range(300))


@contextmanager
def one_hook_down(loop: Background, tmp_path: Path, mosquitto: Mosquitto) -> Iterator[tuple[Site, HttpSink, int]]:
    """A site whose webhook `dead` has nobody listening (on the port that is given), and whose `alive` works."""
    alive = loop.enter(listening(HttpSink()))
    port = free_port()
    site = Site(
        tmp_path / "site", mosquitto.url, stations=air_stations(5),
        receivers=[
            {"name": "dead", "kind": "webhook", "url": f"http://127.0.0.1:{port}", "backoff_max": "500ms"},
            {"name": "alive", "kind": "webhook", "url": alive.url},
        ],
    )  # fmt: skip
    with running(site):
        site.until_connected()
        yield site, alive, port


def test_a_dead_receiver_delays_nobody_else(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with background() as loop, one_hook_down(loop, tmp_path, mosquitto) as (site, alive, port):
        publish_all(mosquitto.port, [air(n, pm25=150) for n in range(1, 6)])
        wait_for(lambda: len(alerts_in(alive)) == 5, lambda: alerts_in(alive))
        status = site.until(lambda s: s["stored"] == 5 and s["pending"]["local"] == 0 and s["pending"]["dead"] == 5)
        assert status["pending"]["alive"] == 0
        ready, parts = site.ready()
        assert ready
        assert parts["receiver dead"]["colour"] == "yellow"
        assert "5 alerts wait" in parts["receiver dead"]["reason"]
        assert str(port) in parts["receiver dead"]["reason"] or "refused" in parts["receiver dead"]["reason"]

        late = HttpSink()
        late.port = port
        loop.enter(listening(late))
        wait_for(lambda: len(alerts_in(late)) == 5, lambda: alerts_in(late))
        assert alerts_in(late) == [(f"st-{n:04}", "firing") for n in range(1, 6)], "in order, each once"
        site.until_ready(lambda _, parts: parts["receiver dead"]["colour"] == "green")


def test_what_was_due_before_a_crash_is_sent_after_it(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with background() as loop, one_hook_down(loop, tmp_path, mosquitto) as (site, alive, port):
        publish_all(mosquitto.port, [air(n, pm25=150) for n in range(1, 4)])
        site.until(lambda s: s["pending"]["dead"] == 3 and s["pending"]["alive"] == 0)
        site.kill()
        late = HttpSink()
        late.port = port
        loop.enter(listening(late))
        site.start()
        wait_for(lambda: len(alerts_in(late)) >= 3, lambda: alerts_in(late))
        site.until(lambda s: not any(s["pending"].values()))
        assert alerts_in(late) == [(f"st-{n:04}", "firing") for n in range(1, 4)]
        assert alerts_in(alive) == alerts_in(late), "who was told before the crash is not told again"


def retained(broker: Mosquitto) -> dict[str, str]:
    """Topic → state of every alert that a new subscriber finds."""
    done = subprocess.run(
        ["mosquitto_sub", "-p", str(broker.port), "-t", "alerts/#", "-v", "--retained-only", "-W", "1"], capture_output=True, check=False
    )
    lines = done.stdout.decode().splitlines()
    return {topic: json.loads(text)["state"] for topic, _, text in (line.partition(" ") for line in lines) if text}


def test_retained_alerts_are_right_after_an_outage_of_their_broker(
    tmp_path: Path, mosquitto: Mosquitto, make_mosquitto: Callable[..., Mosquitto]
) -> None:
    alerts = make_mosquitto().start()
    site = Site(
        tmp_path / "site", mosquitto.url, stations=air_stations(4),
        receivers=[{"name": "topic", "kind": "mqtt", "broker": "alerts", "topic": "alerts/{rule}/{station}", "backoff_max": "500ms"}],
    )  # fmt: skip
    site.settings["brokers"].append(
        {"name": "alerts", "url": alerts.url, "subscriptions": [{"topic": "unused", "type": "air-node"}], "backoff_max": "500ms"}
    )
    site.write()
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm25=150), air(2, pm25=150)])
        site.until(lambda s: s["alerts"]["firing"] == 2 and s["pending"]["topic"] == 0)
        topic = "alerts/pm25-smoke/st-000"
        assert retained(alerts) == {f"{topic}1": "firing", f"{topic}2": "firing"}
        alerts.stop()
        # During the outage: 1 ends, 3 begins, 4 begins and ends; 2 stays.
        publish_all(mosquitto.port, [air(1, pm25=20), air(3, pm25=150), air(4, pm25=150), air(4, pm25=20)])
        site.until(lambda s: s["stored"] == 6 and s["pending"]["topic"] == 4 and s["pending"]["local"] == 0)
        alerts.start()
        site.until(lambda s: s["pending"]["topic"] == 0)
        assert retained(alerts) == {f"{topic}2": "firing", f"{topic}3": "firing"}


def test_a_broker_that_forgot_what_was_retained_is_told_again(
    tmp_path: Path, mosquitto: Mosquitto, make_mosquitto: Callable[..., Mosquitto]
) -> None:
    """kill -9 of a broker loses what it had not written yet: the alerts that are open must be there again, and no other."""
    alerts = make_mosquitto(persistence=False).start()
    site = Site(
        tmp_path / "site", mosquitto.url,
        receivers=[{"name": "topic", "kind": "mqtt", "broker": "alerts", "topic": "alerts/{rule}/{station}", "backoff_max": "500ms"}],
    )  # fmt: skip
    site.settings["brokers"].append(
        {"name": "alerts", "url": alerts.url, "subscriptions": [{"topic": "unused", "type": "air-node"}], "backoff_max": "500ms"}
    )
    site.write()
    open_now = {"alerts/pm25-smoke/st-0001": "firing", "alerts/pm25-smoke/st-0003": "firing"}
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(n, pm25=150) for n in (1, 2, 3)])
        publish_all(mosquitto.port, [air(2, pm25=20)])
        site.until(lambda s: s["alerts"]["firing"] == 2 and s["pending"]["topic"] == 0)
        assert retained(alerts) == open_now
        alerts.kill()
        alerts.start()
        wait_for(lambda: retained(alerts) == open_now, lambda: (retained(alerts), site.tail()))
        # The same when the gateway goes with it (a power cut), and does not remember by itself.
        alerts.kill()
        site.kill()
        alerts.start()
        assert retained(alerts) == {}
        site.start()
        wait_for(lambda: retained(alerts) == open_now, lambda: (retained(alerts), site.tail()))
        publish_all(mosquitto.port, [air(1, pm25=20), air(3, pm25=20)])
        wait_for(lambda: retained(alerts) == {}, lambda: (retained(alerts), site.tail()))
