"""SIGTERM, whatever is going on: an orderly end within 10 s, with everything committed that was taken in."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.ledger import Ledger
from gateway.recovery import recover
from tests.tools import strace
from tests.tools.background import background
from tests.tools.influx27_standin import Influx27StandIn
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, air_stations, running
from tests.tools.torrent import Torrent

DEVICES = 50


def numbered(number: int) -> tuple[str, bytes]:
    """No device time: only what the broker says tells a redelivery from a new message."""
    return air(1 + number % DEVICES, pm25=number // DEVICES / 1000)


@pytest.mark.parametrize("signals", [1, 2], ids=["one SIGTERM", "two SIGTERMs"])
def test_sigterm_under_load_leaves_everything_committed(tmp_path: Path, mosquitto: Mosquitto, signals: int) -> None:
    site = Site(tmp_path / "site", mosquitto.url, stations=air_stations(DEVICES, interval="1h"))
    with running(site):
        site.until_connected()
        with Torrent(mosquitto.port, numbered, per_s=2000) as torrent:
            site.until(lambda s: s["stored"] > 3000)
            for _ in range(signals - 1):
                assert site.process is not None
                site.process.send_signal(signal.SIGTERM)
            assert site.terminate() == 0
            with Ledger(site.data / "ledger.db") as ledger:
                _, how = recover(ledger)
                assert how.batches == 0, "an orderly stop leaves a snapshot: nothing has to be stepped again"
                assert ledger.totals().stored > 3000
            count = torrent.finish()
        site.start()
        status = site.until(lambda s: s["stored"] >= count and not any(s["pending"].values()), 60)
        assert (status["stored"], status["rejected"]) == (count, {})
        seen = Counter((row["device"], row["value"]) for row in site.rows())
        assert seen == Counter((f"an-{1 + number % DEVICES:04}", number // DEVICES / 1000) for number in range(count))


def test_sigterm_while_it_starts(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """As soon as there is a ledger: it may end by the signal itself, but never with a damaged file, and not later than 10 s."""
    site = Site(tmp_path / "site", mosquitto.url)
    try:
        site.launch()
        deadline = time.monotonic() + 30
        while not (site.data / "ledger.db-wal").exists():
            assert time.monotonic() < deadline
            time.sleep(0.002)
        assert site.terminate() in (0, -signal.SIGTERM)
        site.start()
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm25=10.5)])
        site.until_delivered(1)
        assert site.terminate() == 0
    finally:
        site.close()


def test_sigterm_while_the_history_hangs(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with background() as loop:
        influx = loop.enter(Influx27StandIn())
        where = {"url": influx.url, "token": influx.token, "bucket": influx.bucket, "org": influx.org}
        section = {"name": "influx", "kind": "influxdb", "timeout": "60s", **where}
        site = Site(tmp_path / "site", mosquitto.url, history=[section])
        with running(site):
            site.until_connected()
            influx.always = "hang"
            publish_all(mosquitto.port, [air(1, pm25=10.5), air(2, pm25=11.5)])
            loop.run(influx.wait_requests(1, 20))
            assert site.terminate() == 0
            influx.always = None
            site.start()
            site.until_delivered(2)
            assert sorted(fields["pm25"] for fields in influx.points.values()) == [10.5, 11.5]


def test_sigterm_while_a_commit_fails(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        with strace.attached(site.pid, tmp_path / "trace", inject="fdatasync:error=EIO"):
            publish_all(mosquitto.port, [air(1, pm25=10.5), air(2, pm25=11.5)])
            site.until_ready(lambda _, parts: parts["ledger"]["colour"] == "red")
            assert site.terminate() == 0
        assert "not acknowledged" in site.log.read_text()
        site.start()
        site.until(lambda s: s["stored"] == 2 and not any(s["pending"].values()))
        assert sorted(row["value"] for row in site.rows()) == [10.5, 11.5]


def test_sigterm_while_the_broker_is_down(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm25=10.5)])
        site.until_delivered(1)
        mosquitto.stop()
        site.until_ready(lambda ready, parts: not ready and parts["source city"]["colour"] == "red")
        assert site.terminate() == 0
        site.start()  # nor does a start need the broker
        assert site.status()["stored"] == 1
        assert site.terminate() == 0


def test_sigterm_while_the_broker_hangs(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        mosquitto.freeze()
        try:
            assert site.terminate() == 0
        finally:
            mosquitto.thaw()


def test_a_second_gateway_on_the_same_folder_is_refused(tmp_path: Path, mosquitto: Mosquitto) -> None:
    first = Site(tmp_path / "site", mosquitto.url)
    with running(first):
        second = Site(tmp_path / "other", mosquitto.url, gateway={"id": "other", "data_dir": str(first.data)})
        second.launch()
        assert second.process is not None
        assert second.process.wait(30) == 1
        told = second.tail()
        assert f"is in use by process {first.pid}" in told
        assert "Traceback" not in told
        publish_all(mosquitto.port, [air(1, pm25=10.5)])
        first.until_delivered(1)
        assert first.terminate() == 0


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path, mosquitto: Mosquitto) -> None:
    import sqlite3

    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        assert site.terminate() == 0
    path = site.data / "ledger.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    before = path.read_bytes()
    site.launch()
    assert site.process is not None
    assert site.process.wait(30) == 1
    assert "was written by a newer envgw (ledger version 99" in site.tail()
    assert "Traceback" not in site.tail()
    assert path.read_bytes() == before
