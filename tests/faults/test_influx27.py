"""InfluxDB 2.7's answers through the whole gateway: what it says is what the lane does, and nothing is lost.

The server is a stand-in that gives the answers of a real 2.7.12 (see `tests/tools/influx27_standin.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.background import Background, background
from tests.tools.influx27_standin import Influx27StandIn, Status
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, running

HOUR_MS = 3_600_000


@contextmanager
def gateway(tmp_path: Path, broker: Mosquitto) -> Iterator[tuple[Site, Influx27StandIn, Background]]:
    """A running gateway whose only history is the stand-in."""
    with background() as loop:
        server = loop.enter(Influx27StandIn())
        history = {
            "name": "influx", "kind": "influxdb", "url": server.url, "token": "right-token", "org": "city", "bucket": "envgw",
            "timeout": "1s", "backoff_max": "1s",
        }  # fmt: skip
        site = Site(tmp_path / "site", broker.url, history=[history], rules=[])
        with running(site):
            site.until_connected()
            yield site, server, loop


def stored(server: Influx27StandIn) -> list[float]:
    """Every PM2.5 value that the server holds."""
    return sorted(float(fields["pm25"]) for key, fields in list(server.points.items()) if key[0] == "air" and "pm25" in fields)


def lane(site: Site) -> dict[str, str]:
    part: dict[str, str] = site.ready()[1]["history influx"]
    return part


def test_errors_of_the_server_are_waited_out(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with gateway(tmp_path, mosquitto) as (site, server, _):
        server.script.extend([Status(500), "reset", Status(503, "unavailable", "not ready"), "reset", "reset"])
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(50)])
        site.until_delivered(50)
        assert stored(server) == [float(n) for n in range(50)]
        assert server.requests >= 4
        assert lane(site)["colour"] == "green"


def test_retry_after_is_honoured(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with gateway(tmp_path, mosquitto) as (site, server, _):
        server.script.append(Status(429, "too many requests", "slow down", {"Retry-After": "3"}))
        publish_all(mosquitto.port, [air(1, pm25=1)])
        site.until_ready(lambda _, parts: "slow down" in parts["history influx"]["reason"])
        began = time.monotonic()
        site.until_delivered(1)
        # Without the header the first pause is at most 0.5 s.
        assert time.monotonic() - began > 2.0
        assert server.requests == 2
        assert stored(server) == [1.0]


def test_a_refused_token_turns_readiness_red_and_loses_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with gateway(tmp_path, mosquitto) as (site, server, _):
        publish_all(mosquitto.port, [air(1, pm25=0)])
        site.until_delivered(1)
        server.token = "another"
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(1, 40)])
        parts = site.until_ready(lambda ready, _: not ready)
        reason = parts["history influx"]["reason"]
        assert parts["history influx"]["colour"] == "red"
        assert "check token of history influx" in reason
        assert "right-token" not in reason
        assert site.status()["health"] == "red"
        site.until(lambda s: s["stored"] == 40 and s["pending"]["influx"] >= 39)
        server.token = "right-token"
        site.until_delivered(40)
        site.until_ready(lambda ready, parts: ready and parts["history influx"]["colour"] == "green")
        assert stored(server) == [float(n) for n in range(40)]


def test_one_line_that_the_server_cannot_parse_is_set_aside(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with gateway(tmp_path, mosquitto) as (site, server, _):
        server.unparsable = b"pm25=66.6"
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=66.6 if n == 37 else n) for n in range(100)])
        site.until_delivered(100)
        assert stored(server) == [float(n) for n in range(100) if n != 37]
        (row,) = [json.loads(line) for line in site.cli("history", "rejected", "--json").splitlines()]
        assert (row["lane"], row["station"], row["device"]) == ("influx", "st-0002", "an-0002")
        assert row["readings"] == [{"parameter": "pm25", "value": 66.6, "flag": 1}]
        assert "unable to parse" in row["reason"]
        assert 'envgw_lane_refused_lines_total{lane="influx"} 1.0' in site.get("/metrics").text


def test_a_partial_write_sets_aside_only_what_was_dropped(tmp_path: Path, mosquitto: Mosquitto) -> None:
    now = int(time.time() * 1000)
    with gateway(tmp_path, mosquitto) as (site, server, _):
        server.retention_ms = 24 * HOUR_MS
        late = {5: now - 48 * HOUR_MS, 60: now - 30 * HOUR_MS}  # believed (7 days), but older than the bucket keeps
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n, at_ms=late.get(n, now - n)) for n in range(80)])
        site.until_delivered(80)
        assert stored(server) == [float(n) for n in range(80) if n not in late]
        rows = [json.loads(line) for line in site.cli("history", "rejected", "--json").splitlines()]
        assert sorted(row["readings"][0]["value"] for row in rows) == [5.0, 60.0]
        assert all("retention" in row["reason"] for row in rows)


def test_a_server_that_never_answers_and_one_that_drips(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with gateway(tmp_path, mosquitto) as (site, server, _):
        sent = 0
        for misbehaviour in ("hang", "drip"):
            server.always = misbehaviour
            publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(sent, sent + 30)])
            sent += 30
            parts = site.until_ready(lambda _, parts: "did not answer within 1 s" in parts["history influx"]["reason"])
            assert parts["history influx"]["colour"] == "yellow"
            # Taking in goes on beside it.
            publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(sent, sent + 10)])
            sent += 10
            site.until(lambda s, sent=sent: s["stored"] == sent and s["pending"]["influx"] >= 40)  # type: ignore[misc]
            server.always = None
            site.until_delivered(sent)
        assert stored(server) == [float(n) for n in range(sent)]
