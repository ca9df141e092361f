"""What docker-compose.yml starts with the profile demo, without containers: the deployed files, commands and secrets, process by process.

mosquitto, the gateway and the simulator are the real ones; InfluxDB 2.7 is the stand-in that gives its recorded answers.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.test_mosquitto_conf import DEPLOY, Deployed
from tests.tools.background import background
from tests.tools.influx27_standin import Influx27StandIn
from tests.tools.mosquitto import Mosquitto
from tests.tools.site import ENVGW, ROOT, Site, running

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


def here(text: str, places: dict[str, str]) -> str:
    for deployed, own in places.items():
        assert deployed in text, deployed
        text = text.replace(deployed, own)
    return text


def test_simulated_sensors_reach_the_history_and_an_alert_reaches_the_boards(
    make_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    broker = Deployed(make_mosquitto(), tmp_path / "secrets").start()
    site = Site(tmp_path / "site", broker.server.url)
    with background() as loop:
        influx = loop.enter(Influx27StandIn(token=(broker.secrets / "influx_token").read_text()))
        site.config.write_text(
            here(
                (DEPLOY / "envgw.yaml").read_text("utf-8"),
                {
                    "mqtt://mosquitto:1883": broker.server.url,
                    "http://influxdb:8086": influx.url,
                    "/run/secrets/mqtt_gateway_password": str(broker.secrets / "mqtt" / "gateway"),
                    "/run/secrets/influx_token": str(broker.secrets / "influx_token"),
                    "data_dir: /data": f"data_dir: {site.data}",
                    "[city/": f"[{ROOT}/examples/",
                    "host: 0.0.0.0": "host: 127.0.0.1",
                    "port: 8080": f"port: {site.port}",
                },
            )
        )
        with running(site):
            site.until_connected()
            simulate(broker)
            publish(broker, "lg-01", "sensors/level/lg-01/level", b"3.1")
            status = site.until(lambda s: s["received"] == 61 and not any(s["pending"].values()))
            assert (status["rejected"], status["duplicate"]) == ({}, 0)
            assert status["health"] == "green", site.ready()
            stations = {dict(tags)["station"] for (measurement, tags, _), _ in influx.points.items() if measurement in ("air", "water")}
            assert stations == {"hai-chau-01", "thanh-khe-01", "song-han-01"}
            login = ["-u", "boards", "-P", broker.password("boards")]
            command = [
                "mosquitto_sub",
                "-p",
                str(broker.server.port),
                *login,
                "-t",
                "envgw/alerts/river-level/#",
                "-C",
                "1",
                "-W",
                "20",
                "-v",
            ]
            heard = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert heard.startswith("envgw/alerts/river-level/song-han-01 ")
            assert '"severity":"critical"' in heard
            assert site.terminate() == 0


def simulate(broker: Deployed) -> None:
    """The simulator's command as it is deployed, made quick and short."""
    places = {
        "mqtt://mosquitto:1883": broker.server.url,
        "/run/secrets/mqtt_simulator_password": str(broker.secrets / "mqtt" / "simulator"),
        "/etc/envgw/city/": f"{ROOT}/examples/",
        "/etc/envgw/scenario.yaml": str(DEPLOY / "simulator" / "scenario.yaml"),
    }
    command = here("\n".join(COMPOSE["services"]["simulator"]["command"]), places).split("\n")
    subprocess.run([*ENVGW, *command, "--rate", "100", "--count", "60"], cwd=ROOT, check=True, timeout=60, capture_output=True)


def publish(broker: Deployed, user: str, topic: str, payload: bytes) -> None:
    login = ["-p", str(broker.server.port), "-u", user, "-P", broker.password(user)]
    subprocess.run(["mosquitto_pub", *login, "-q", "1", "-t", topic, "-s"], input=payload, check=True, timeout=20)
