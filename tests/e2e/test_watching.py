"""Who watches the gateway: the live event stream and Prometheus."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, running


class Events:
    """What one client of `/api/v1/events` got, read in a thread: (event, data)."""

    def __init__(self, site: Site, query: str = "") -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.listening = threading.Event()
        self._url = f"http://127.0.0.1:{site.port}/api/v1/events{query}"
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        assert self.listening.wait(10)

    def _read(self) -> None:
        kind = ""
        with httpx.stream("GET", self._url, trust_env=False, timeout=httpx.Timeout(30)) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            self.listening.set()
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.got.append((kind, json.loads(line.removeprefix("data: "))))

    def until(self, count: int, timeout_s: float = 15.0) -> list[tuple[str, dict[str, Any]]]:
        deadline = time.monotonic() + timeout_s
        while len(self.got) < count:
            assert time.monotonic() < deadline, self.got
            time.sleep(0.02)
        return list(self.got)


@contextmanager
def listeners(site: Site, *queries: str) -> Iterator[list[Events]]:
    yield [Events(site, query) for query in queries]


def test_readings_and_alerts_as_they_happen(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        with listeners(site, "", "?kind=alert", "?station=st-0002") as (everything, alerts, second):
            publish_all(mosquitto.port, [air(1, pm25=150.5, pm10=None), air(2, pm25=9)])
            got = everything.until(3)
            publish_all(mosquitto.port, [air(1, pm25=20)])
            got = everything.until(5)
            readings = [data for kind, data in got if kind == "reading"]
            assert [(data["station"], [(r["parameter"], r["value"], r["flag"]) for r in data["readings"]]) for data in readings] == [
                ("st-0001", [("pm25", 150.5, 1), ("pm10", None, 9)]),
                ("st-0002", [("pm25", 9.0, 1)]),
                ("st-0001", [("pm25", 20.0, 1)]),
            ]
            told = [data for kind, data in alerts.until(2)]
            assert [(data["rule"], data["station"], data["state"]) for data in told] == [
                ("pm25-smoke", "st-0001", "firing"),
                ("pm25-smoke", "st-0001", "resolved"),
            ]
            assert [data for kind, data in got if kind == "alert"] == told
            assert [data["station"] for _, data in second.until(1)] == ["st-0002"]
        # An orderly stop ends the streams, and does not wait for their clients.
        assert site.terminate() == 0
        for client in (everything, alerts, second):
            client.thread.join(5)
            assert not client.thread.is_alive()


def test_metrics_are_what_the_status_says(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        now = int(time.time() * 1000)
        once = air(1, at_ms=now, pm25=150)
        publish_all(
            mosquitto.port,
            [once, once, air(1, at_ms=now, pm25=151), air(2, pm25=1, pm10=None), ("sensors/air/an-0001", b"junk"), air(77, pm25=1)],
        )
        status = site.until_delivered(6)
        assert (status["stored"], status["duplicate"], status["revisions"]) == (3, 1, 1)
        site.until_ready(lambda _, parts: all(part["colour"] == "green" for part in parts.values()))
        text = site.get("/metrics").text
        found = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert found["envgw_messages_received_total", "city"] == status["received"] == 6
        assert found["envgw_messages_stored_total",] == status["stored"]
        assert found["envgw_messages_duplicate_total",] == status["duplicate"]
        assert found["envgw_messages_shed_total",] == 0
        rejected = {key[1]: value for key, value in found.items() if key[0] == "envgw_messages_rejected_total"}
        assert rejected == status["rejected"] == {"not-json": 1, "unknown-device": 1}
        assert found["envgw_readings_stored_total",] == 4
        assert found["envgw_revisions_total",] == 1
        assert found["envgw_alerts_firing", "warning"] == status["alerts"]["firing"] == 1
        assert found["envgw_transitions_total", "firing"] == 1
        assert found["envgw_receiver_delivered_total", "log"] == 1
        assert found["envgw_source_connected", "city"] == 1
        assert found["envgw_source_unacknowledged", "city"] == 0
        assert found["envgw_lane_backlog_lines", "local"] == 0
        assert found["envgw_batch_messages_sum",] == 6
        assert found["envgw_health",] == 0
        assert found["envgw_ledger_bytes",] > 0
