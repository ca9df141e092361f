"""The ledger cannot be written, with the core already stepped: nothing of the batch is visible, and it is tried again (A3, B5)."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.ledger.disk import free_bytes
from tests.tools import strace
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, running

MB = 1024**2
BROKER_LOG = ("log_type all", "log_timestamp false")


@pytest.fixture
def broker(make_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """It notes every packet: an independent witness of acknowledgements and keep-alives."""
    return make_mosquitto(config=BROKER_LOG).start()


def noted(broker: Mosquitto, what: str) -> int:
    """How many packets of this kind the broker has received from the gateway."""
    return len(re.findall(rf"Received {what} from (?!auto-)\S*test", broker.log()))


def until(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.03)


class Events:
    """A client of the event stream: what it was shown."""

    def __init__(self, site: Site) -> None:
        self.values: list[float] = []
        self.alerts: list[str] = []
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(site.port,), daemon=True)
        self._thread.start()
        assert self._connected.wait(20), "the event stream did not answer"

    def _listen(self, port: int) -> None:
        kind = ""
        try:
            with httpx.stream("GET", f"http://127.0.0.1:{port}/api/v1/events", timeout=None, trust_env=False) as answer:
                self._connected.set()
                for line in answer.iter_lines():
                    if line.startswith("event:"):
                        kind = line[6:].strip()
                    elif line.startswith("data:") and kind == "reading":
                        self.values += [item["value"] for item in json.loads(line[5:])["readings"]]
                    elif line.startswith("data:") and kind == "alert":
                        self.alerts.append(json.loads(line[5:])["state"])
        except httpx.HTTPError:
            pass  # the gateway ended


@contextmanager
def file_size_limit(site: Site, _: Path) -> Iterator[None]:
    """No file may grow, as on a full disk, but the error is another one (EFBIG)."""
    smallest = min(path.stat().st_size for path in (site.data / "ledger.db-wal", site.data / "ledger.db"))
    old = resource.prlimit(site.pid, resource.RLIMIT_FSIZE, (smallest, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(site.pid, resource.RLIMIT_FSIZE, old)


def injecting(what: str) -> Callable[[Site, Path], AbstractContextManager[None]]:
    def fault(site: Site, trace: Path) -> AbstractContextManager[None]:
        return strace.attached(site.pid, trace, inject=what, paths=[site.data / "ledger.db-wal"])

    return fault


FAULTS = {
    "EIO at fdatasync": injecting("fdatasync:error=EIO"),
    "EIO at pwrite": injecting("pwrite64:error=EIO"),
    "ENOSPC at pwrite": injecting("pwrite64:error=ENOSPC"),
    "ENOSPC at fdatasync": injecting("fdatasync:error=ENOSPC"),
    "RLIMIT_FSIZE": file_size_limit,
}


def newest(site: Site, station: str) -> dict[str, float]:
    (found,) = [item for item in site.get("/api/v1/stations").json() if item["id"] == station]
    alone = site.get(f"/api/v1/stations/{station}").json()
    assert alone == found
    return {item["parameter"]: item["value"] for item in found["latest"]}


def gauge(site: Site, pattern: str) -> float:
    found = re.search(rf"^{pattern} (\S+)$", site.get("/metrics").text, re.MULTILINE)
    assert found is not None, pattern
    return float(found[1])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a3_nothing_of_a_batch_is_visible_until_its_commit_succeeds(
    tmp_path: Path, broker: Mosquitto, fault: Callable[[Site, Path], AbstractContextManager[None]]
) -> None:
    site = Site(tmp_path / "site", broker.url)
    with running(site):
        site.until_connected()
        publish_all(broker.port, [air(1, pm25=20.5), air(2, pm25=21.5)])
        before = site.until_delivered(2)
        until(lambda: noted(broker, "PUBACK") == 2, "the first two acknowledged")
        assert newest(site, "st-0001") == {"pm25": 20.5}
        events = Events(site)
        with fault(site, tmp_path / "trace"):
            publish_all(broker.port, [air(1, pm25=150.5), air(2, pm25=22.5)])
            parts = site.until_ready(lambda ready, parts: not ready and parts["ledger"]["colour"] == "red")
            assert "cannot be written" in parts["ledger"]["reason"]
            for _ in range(3):
                status = site.status()
                assert (status["received"], status["stored"], status["alerts"]["firing"], status["health"]) == (2, 2, 0, "red")
                assert newest(site, "st-0001") == {"pm25": 20.5}
                assert newest(site, "st-0002") == {"pm25": 21.5}
                assert site.get("/api/v1/alerts").json() == []
                assert gauge(site, r'envgw_alerts_firing\{severity="warning"\}') == 0
                assert sorted(row["value"] for row in site.rows()) == [20.5, 21.5]
            assert events.values == []
            assert noted(broker, "PUBACK") == 2
            assert status["pending"] == before["pending"]
        site.until_ready(lambda ready, _: ready)
        site.until(lambda s: s["stored"] == 4 and s["alerts"]["firing"] == 1 and not any(s["pending"].values()))
        until(lambda: noted(broker, "PUBACK") == 4, "all acknowledged")
        assert newest(site, "st-0001") == {"pm25": 150.5}
        assert sorted(row["value"] for row in site.rows()) == [20.5, 21.5, 22.5, 150.5]
        until(lambda: len(events.values) == 2 and events.alerts, "the event stream tells")
        assert sorted(events.values) == [22.5, 150.5]
        assert events.alerts == ["firing"]
        assert all(part["colour"] == "green" for part in site.ready()[1].values()), site.ready()
        assert site.status()["duplicate"] == 0
        site.kill()  # and a restart finds the same
        site.start()
        assert site.status()["stored"] == 4
        assert newest(site, "st-0001") == {"pm25": 150.5}


def test_a3_killed_while_a_commit_fails_everything_arrives_once(tmp_path: Path, broker: Mosquitto) -> None:
    """The failed batch may stand complete in SQLite's log (only its fsync failed): then the restart finds it committed."""
    site = Site(tmp_path / "site", broker.url)
    with running(site):
        site.until_connected()
        publish_all(broker.port, [air(1, pm25=20.5)])
        site.until_delivered(1)
        with strace.attached(site.pid, tmp_path / "trace", inject="fdatasync:error=EIO"):
            publish_all(broker.port, [air(1, pm25=150.5), air(2, pm25=22.5)])
            site.until_ready(lambda ready, parts: parts["ledger"]["colour"] == "red")
            site.kill()
        site.start()
        status = site.until(lambda s: s["stored"] == 3 and not any(s["pending"].values()))
        until(lambda: noted(broker, "PUBACK") == 3, "all acknowledged")
        site.until_connected()
        assert site.status()["stored"] == status["stored"] == 3
        assert sorted(row["value"] for row in site.rows()) == [20.5, 22.5, 150.5]
        assert [alert["state"] for alert in site.get("/api/v1/alerts", state="all").json()] == ["firing"]


# ------------------------------------------------------------------ the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB for the gateway's folder, its log included."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def use_up(disk: Path, leave: int = 0) -> Path:
    """Somebody else's file takes all but `leave` bytes of the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(ballast) - leave)
    return ballast


def disk_site(disk: Path, broker: Mosquitto, low_water: str) -> Site:
    """Keep-alive of 2 s: the broker hangs up after 3 s without a word."""
    return Site(disk / "site", broker.url, broker={"keep_alive": "2s"}, ledger={"low_water": low_water, "reserve": "2MB"})


def big(number: int) -> tuple[str, bytes]:
    """40 KB a message: the ledger fills what room it has."""
    return air(1 + number % 3, pm25=10 + number / 100, note=os.urandom(20_000).hex())


def keeps_alive(broker: Mosquitto) -> None:
    """Longer than the broker's patience: it goes on hearing PINGREQs on the same connection."""
    pings, connects = noted(broker, "PINGREQ"), broker.log().count("New client connected")
    until(lambda: noted(broker, "PINGREQ") >= pings + 4, "four more PINGREQs")
    assert broker.log().count("New client connected") == connects


def test_b5_a_full_disk_stops_acknowledging_and_goes_on_by_itself(small_disk: Path, broker: Mosquitto) -> None:
    site = disk_site(small_disk, broker, "0B")
    count = 400
    with running(site):
        site.until_connected()
        publish_all(broker.port, [big(number) for number in range(20)])
        site.until_delivered(20)
        ballast = use_up(small_disk)
        publish_all(broker.port, [big(number) for number in range(20, count)])
        parts = site.until_ready(lambda ready, parts: not ready and parts["ledger"]["colour"] == "red")
        assert "space" in parts["ledger"]["reason"]
        stored = site.status()["stored"]
        assert stored < count
        keeps_alive(broker)
        status = site.status()
        assert (status["stored"], status["health"]) == (stored, "red")
        until(lambda: noted(broker, "PUBACK") == stored, "what is stored is acknowledged, and nothing else")
        assert len(site.rows(parameter="pm25")) <= stored
        ballast.unlink()
        site.until(lambda s: s["stored"] == count and not any(s["pending"].values()), 120)
        site.until_ready(lambda ready, _: ready)
        until(lambda: noted(broker, "PUBACK") == count, "all acknowledged")
        rows = site.rows(parameter="pm25")
        assert sorted(row["value"] for row in rows) == [10 + number / 100 for number in range(count)]
        assert site.status()["duplicate"] == 0
        assert site.terminate() == 0


def test_b5_below_low_water_nothing_is_taken_in_before_the_core_steps(small_disk: Path, broker: Mosquitto) -> None:
    site = disk_site(small_disk, broker, "8MB")
    with running(site):
        site.until_connected()
        publish_all(broker.port, [air(1, pm25=20.5)])
        site.until_delivered(1)
        assert newest(site, "st-0001") == {"pm25": 20.5}
        ballast = use_up(small_disk, leave=7 * MB)
        site.until_ready(lambda ready, parts: not ready and "low_water" in parts["ledger"]["reason"])
        publish_all(broker.port, [air(1, pm25=150.5), air(2, pm25=22.5)])
        keeps_alive(broker)
        assert newest(site, "st-0001") == {"pm25": 20.5}
        assert site.status()["received"] == 1
        assert noted(broker, "PUBACK") == 1
        ballast.unlink()
        site.until(lambda s: s["stored"] == 3 and s["alerts"]["firing"] == 1 and not any(s["pending"].values()))
        site.until_ready(lambda ready, _: ready)
        assert newest(site, "st-0001") == {"pm25": 150.5}
        assert site.terminate() == 0


def test_b5_a_full_disk_and_sigterm(small_disk: Path, broker: Mosquitto) -> None:
    site = disk_site(small_disk, broker, "0B")
    with running(site):
        site.until_connected()
        publish_all(broker.port, [big(number) for number in range(20)])
        site.until_delivered(20)
        ballast = use_up(small_disk)
        publish_all(broker.port, [big(number) for number in range(20, 200)])
        site.until_ready(lambda ready, parts: parts["ledger"]["colour"] == "red")
        assert site.terminate() == 0
        ballast.unlink()
        site.start()
        site.until(lambda s: s["stored"] == 200 and not any(s["pending"].values()), 60)
        assert len({row["value"] for row in site.rows(parameter="pm25")}) == 200


def test_b5_nowhere_to_write_the_log_stops_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    """The log's disk is full (/dev/full answers every write with ENOSPC): readings and alerts go on, and so does the end."""
    site = Site(tmp_path / "site", broker.url)
    try:
        site.start(wrap=["sh", "-c", 'exec "$@" >/dev/full 2>&1', "sh"])
        site.until_connected()
        publish_all(broker.port, [air(1, pm25=150.5)])
        site.until(lambda s: s["stored"] == 1 and s["alerts"]["firing"] == 1 and not s["pending"]["local"])
        with strace.attached(site.pid, tmp_path / "trace", inject="fdatasync:error=EIO"):
            publish_all(broker.port, [air(1, pm25=20.5)])
            site.until_ready(lambda ready, parts: not ready and parts["ledger"]["colour"] == "red")
        site.until(lambda s: s["stored"] == 2 and s["alerts"]["firing"] == 0)
        assert site.terminate() == 0
    finally:
        site.close()
