"""The broker dies under load and comes back, with its sessions or without: nothing is lost by us, nothing counted twice.

The messages carry no device time where that matters: then only DUP=1 with session, packet id and digest tells a
redelivered message from a new one (semantics B1a), and a redelivery that is not recognised would be a reading too many.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import Load, air, publish_all
from tests.tools.site import Site, running

PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def site_at(folder: Path, broker: Mosquitto, protocol: str) -> Site:
    """Reconnects within half a second, so that a test does not wait for a pause."""
    return Site(folder, broker.url, protocol=protocol, broker={"backoff_max": "500ms"})


def values_of(site: Site) -> list[float]:
    """Every PM2.5 reading of the history, in order of size."""
    return sorted(row["value"] for row in site.rows(parameter="pm25"))


@PROTOCOLS
def test_what_a_killed_broker_delivers_again_is_recognised(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    count = 300
    site = site_at(tmp_path / "site", mosquitto, protocol)
    with running(site):
        site.until_connected()
        assert site.process is not None
        site.process.send_signal(signal.SIGSTOP)  # nothing is acknowledged while the broker writes its database
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n / 10) for n in range(count)])
        mosquitto.save()
        site.process.send_signal(signal.SIGCONT)
        site.until(lambda s: s["stored"] == count)
        mosquitto.kill()  # what it knows at its next start: none of these is acknowledged
        site.until_ready(lambda ready, parts: not ready and parts["source city"]["colour"] == "red")
        mosquitto.start()

        status = site.until(lambda s: s["duplicate"] == count)
        assert (status["received"], status["stored"]) == (2 * count, count)
        site.until_connected()

        # New messages take packet ids that were used before, and look exactly like old ones: they are new all the same.
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n / 10) for n in range(count)])
        status = site.until_delivered(3 * count)
        assert (status["stored"], status["duplicate"], status["rejected"]) == (2 * count, count, {})
        assert values_of(site) == sorted([n / 10 for n in range(count)] * 2)


@PROTOCOLS
def test_a_redelivery_in_the_same_batch_as_its_original_is_recognised(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    site = site_at(tmp_path / "site", mosquitto, protocol)
    with running(site):
        site.until_connected()
        # A lock on the ledger holds the first message's commit up; all that comes meanwhile will be one batch.
        lock = sqlite3.connect(site.data / "ledger.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        publish_all(mosquitto.port, [air(1, pm25=0)])
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(1, 101)])
        unacknowledged = 'envgw_source_unacknowledged{source="city"} '
        wait_metric(site, unacknowledged, 101)
        mosquitto.save()
        mosquitto.kill()
        mosquitto.start()
        wait_metric(site, unacknowledged, 202)
        lock.execute("ROLLBACK")
        lock.close()

        status = site.until_delivered(202)
        assert (status["stored"], status["duplicate"]) == (101, 101)
        assert values_of(site) == [float(n) for n in range(101)]


def wait_metric(site: Site, name: str, least: float, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        found = [float(line.removeprefix(name)) for line in site.get("/metrics").text.splitlines() if line.startswith(name)]
        if found and found[0] >= least:
            return
        assert time.monotonic() < deadline, f"{name}is {found}, not {least}"
        time.sleep(0.03)


@PROTOCOLS
def test_a_broker_killed_again_and_again_under_load(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    """kill -9 takes with it what the broker acknowledged to sensors and had not written; all else is here, once."""
    began = int(time.time() * 1000)
    site = site_at(tmp_path / "site", mosquitto, protocol)
    with running(site):
        site.until_connected()
        safe: list[int] = []
        with Load(mosquitto.port, lambda n: air(1 + n % 3, at_ms=began + n, pm25=n / 100), per_s=400) as load:
            for _ in range(2):
                load.wait_acknowledged(len(load.acknowledged()) + 200)
                safe = load.acknowledged()
                mosquitto.save()
                mosquitto.kill()
                mosquitto.start()
            load.wait_acknowledged(len(load.acknowledged()) + 100)
            load.finish()
            last = load.acknowledged()
        site.until(lambda s: s["stored"] >= len(last) * 0.5 and not any(s["pending"].values()))
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm10=1)])  # the last of all, behind everything
        status = site.until(lambda s: len(site.rows(parameter="pm10")) == 1 and not any(s["pending"].values()))
        found = values_of(site)
        assert len(found) == len(set(found)) == status["stored"] - 1, "each message is one reading"
        assert set(found) <= {n / 100 for n in range(load.sent)}
        missing = [n for n in safe if n / 100 not in set(found)]
        assert not missing, f"{len(missing)} messages that the broker had on disk are not in the history"
        assert status["rejected"] == {}


@PROTOCOLS
def test_a_broker_that_forgot_us_is_reported_and_read_on(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    site = site_at(tmp_path / "site", mosquitto, protocol)
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm25=1)])
        site.until_delivered(1)
        assert site.ready()[1].keys() >= {"source city"}
        assert "session city" not in site.ready()[1]
        mosquitto.stop()
        mosquitto.forget()
        mosquitto.start()
        site.until_ready(lambda _, parts: "session city" in parts)
        site.until_connected()
        ready, parts = site.ready()
        assert ready, "a yellow part does not take readiness away"
        assert parts["session city"]["colour"] == "yellow"
        assert "forgot" in parts["session city"]["reason"]
        assert "persistence" in parts["session city"]["reason"]
        assert "the broker had forgotten our session" in site.log.read_text()
        wait_metric(site, 'envgw_source_sessions_lost_total{source="city"} ', 1)
        publish_all(mosquitto.port, [air(2, pm25=2)])
        site.until_delivered(2)
        assert values_of(site) == [1.0, 2.0]


@PROTOCOLS
def test_a_session_forgotten_while_the_gateway_was_down_is_reported_too(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    site = site_at(tmp_path / "site", mosquitto, protocol)
    with running(site):
        site.until_connected()
        assert site.terminate() == 0
        mosquitto.stop()
        mosquitto.forget()
        mosquitto.start()
        site.start()
        parts = site.until_ready(lambda _, parts: "session city" in parts)
        assert parts["session city"]["colour"] == "yellow"
