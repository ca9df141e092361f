"""One reading's whole way, as a user sees it: real mosquitto, the real command, real InfluxDB, DuckDB, a webhook."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.tools.history_servers import Influxd
from tests.tools.mosquitto import Mosquitto
from tests.tools.site import ENVGW, ROOT, Site, air_stations, running


def publish(broker: Mosquitto, topic: str, payload: str | bytes) -> None:
    """With a client that is not ours."""
    port = broker.url.rsplit(":", 1)[1]
    data = payload.encode() if isinstance(payload, str) else payload
    subprocess.run(["mosquitto_pub", "-p", port, "-t", topic, "-q", "1", "-s"], input=data, check=True, timeout=20)


def air(device: str, **values: Any) -> str:
    return json.dumps({"device": device, "time": int(time.time() * 1000), **values})


def test_a_reading_reaches_both_histories_and_the_alert_its_receiver(
    tmp_path: Path, mosquitto: Mosquitto, influx_database: tuple[Influxd, str]
) -> None:
    influx, database = influx_database
    site = Site(
        tmp_path / "site",
        mosquitto.url,
        history=[
            {"name": "local", "kind": "duckdb"},
            {"name": "influx", "kind": "influxdb", "api": "v1", "url": influx.url, "bucket": database},
        ],
        receivers=[{"name": "log", "kind": "log"}, {"name": "topic", "kind": "mqtt", "broker": "city", "topic": "alerts/{rule}/{station}"}],
    )
    with running(site):
        site.until_connected()
        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=150.5, pm10=170))
        publish(mosquitto, "sensors/air/an-0002", air("an-0002", pm25=9.5))
        status = site.until(lambda s: s["stored"] == 2 and not any(s["pending"].values()) and s["alerts"]["firing"] == 1)
        assert status["received"] == 2

        rows = site.rows(station="st-0001")
        assert {(row["parameter"], row["value"], row["flag"], row["unit"]) for row in rows} == {
            ("pm25", 150.5, 1, "ug/m3"),
            ("pm10", 170.0, 1, "ug/m3"),
        }
        (series,) = influx.query("SELECT pm25, pm25_qc FROM air WHERE station = 'st-0001'", db=database)
        assert series["values"][0][1:] == [150.5, 1]

        (series,) = influx.query("SELECT rule, state, value FROM alert", db=database)
        assert series["values"][0][1:] == ["pm25-smoke", "firing", 150.5]

        (alert,) = site.get("/api/v1/alerts").json()
        assert (alert["rule"], alert["station"], alert["state"], alert["value"]) == ("pm25-smoke", "st-0001", "firing", 150.5)
        port = mosquitto.url.rsplit(":", 1)[1]
        told = subprocess.run(
            ["mosquitto_sub", "-p", port, "-t", "alerts/pm25-smoke/st-0001", "-C", "1", "-W", "15"],
            capture_output=True,
            check=True,
            timeout=20,
        )
        assert json.loads(told.stdout)["state"] == "firing"

        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=20))
        site.until(lambda s: s["alerts"]["firing"] == 0)
        assert json.loads(site.cli("alerts", "list", "--state", "all", "--json"))[0]["state"] == "resolved"


def test_what_is_rejected_can_be_taken_in_after_the_registry_is_mended(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        publish(mosquitto, "sensors/air/an-0042", air("an-0042", pm25=12.5))
        publish(mosquitto, "sensors/air/an-0001", b"\xff\xfe garbage")
        site.until(lambda s: s["rejected"] == {"unknown-device": 1, "invalid-utf8": 1})
        listed = [json.loads(line) for line in site.cli("rejections", "--json").splitlines()]
        assert {row["reason"] for row in listed} == {"unknown-device", "invalid-utf8"}
        assert site.terminate() == 0

        import yaml

        (site.folder / "stations.yaml").write_text(yaml.safe_dump({"stations": air_stations(42)}))
        site.start()
        answer = json.loads(site.cli("replay", "--reason", "unknown-device", "--json"))
        assert answer == {"replayed": 1, "rejected": 0, "left": 0}
        status = site.until(lambda s: not any(s["pending"].values()))
        assert (status["stored"], status["rejected"]) == (1, {"invalid-utf8": 1})
        assert [(row["station"], row["value"]) for row in site.rows()] == [("st-0042", 12.5)]


def test_a_restart_keeps_the_open_alert_and_tells_nobody_twice(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=150))
        site.until(lambda s: s["alerts"]["firing"] == 1 and not any(s["pending"].values()))  # told, and that is on disk
        (before,) = site.get("/api/v1/alerts").json()
        site.kill()
        site.start()
        (after,) = site.get("/api/v1/alerts").json()
        assert after == before
        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=151))
        site.until(lambda s: s["stored"] == 2)
        assert site.get("/api/v1/alerts").json()[0]["episode"] == before["episode"]
        assert site.log.read_text().count("PM2.5 smoke") == 1


def test_an_open_alert_is_acknowledged_and_silenced_from_the_command_line(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=150))
        site.until(lambda s: s["alerts"]["firing"] == 1)
        episode = site.get("/api/v1/alerts").json()[0]["episode"]
        assert site.cli("alerts", "ack", episode, "--operator", "Lan").strip() == f"{episode}: acknowledged by Lan"
        said = site.cli("alerts", "silence", episode, "--for", "2h", "--operator", "Lan", "--comment", "we know")
        assert said.startswith(f"{episode}: silenced by Lan until 20")
        until = said.rsplit(" ", 1)[1].strip()
        line = site.cli("alerts", "list").strip()
        assert line.endswith(f"{episode}  [Lan takes care]  [silenced until {until}]")
        assert "no longer silenced" in site.cli("alerts", "silence", episode, "--for", "0s", "--operator", "Lan")
        assert site.cli("alerts", "list").strip().endswith(f"{episode}  [Lan takes care]")
        site.cli("alerts", "silence", episode, "--for", "soon", "--operator", "Lan", expect=2)


def test_status_and_query_work_when_the_gateway_is_down(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=12))
        site.until_delivered(1)
        online = json.loads(site.cli("query", "--station", "st-0001", "--json"))
        assert site.terminate() == 0
    assert "gateway stopped" in site.tail(1), "nothing is said after that: no library complains of what was left behind"
    status = json.loads(site.cli("status", "--json"))
    assert (status["stored"], status["running"], status["health"]) == (1, False, "red")
    assert json.loads(site.cli("query", "--station", "st-0001", "--json")) == online
    assert online["value"] == 12.0


def test_thousands_of_qos_0_messages_do_not_stall_the_source(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """More than twice the Receive Maximum: what needs no acknowledgement must still be given back to its source."""
    site = Site(
        tmp_path / "site",
        mosquitto.url,
        broker={"receive_maximum": 50},
        subscriptions=[{"topic": "sensors/air/+", "type": "air-node", "qos": 0}],
    )
    with running(site):
        site.until_connected()
        port = mosquitto.url.rsplit(":", 1)[1]
        lines = "\n".join(json.dumps({"device": "an-0001", "pm25": n % 50}) for n in range(2000))
        subprocess.run(
            ["mosquitto_pub", "-p", port, "-t", "sensors/air/an-0001", "-q", "1", "-l"], input=lines.encode(), check=True, timeout=30
        )
        assert site.until(lambda s: s["received"] == 2000)["stored"] == 2000


def test_check_names_file_and_line(tmp_path: Path) -> None:
    site = Site(
        tmp_path / "site", "mqtt://127.0.0.1:1", rules=[{"id": "a", "name": {"en": "x"}, "levels": {"warning": {"when": "pm52 > 3"}}}]
    )
    done = subprocess.run(
        [*ENVGW, "check", "--config", str(site.config)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "rules.yaml:" in done.stderr
    assert "did you mean 'pm25'" in done.stderr


def test_wrong_usage_is_exit_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ENVGW, "check", "--config", str(tmp_path / "none.yaml")], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 2
