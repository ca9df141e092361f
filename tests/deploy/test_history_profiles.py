"""The profiles influxdb1 and victoriametrics: their files on the real programs, and the gateway's lines of deploy/envgw.yaml on these.

Debian's InfluxDB is 1.6.7 and its VictoriaMetrics 1.79.5; the images are newer. What the images' own scripts do is not tried here.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.reading import Line, Value
from gateway.config import load
from gateway.history.factory import make_history
from gateway.settings import HistorySection
from tests.deploy.test_compose import ROOT, in_the_container, make_secrets
from tests.tools.history_servers import INFLUXD, VICTORIA_METRICS, Influxd, VictoriaMetrics

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
LINE = Line("air", "hai-chau-01", "an-01", "hai-chau/bach-dang", 1_795_636_800_000, (Value("pm25", 12.5, 1),))
LATER = Line("air", "hai-chau-01", "an-01", "hai-chau/bach-dang", 1_795_636_800_000, (Value("pm25", 99.0, 3),))

pytestmark = pytest.mark.server


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    make_secrets(tmp_path / "secrets")
    return tmp_path / "secrets"


def section_of(name: str, folder: Path, url: str, secrets: Path) -> HistorySection:
    """The gateway's history of this name, at the test's own server and with its password."""
    histories = load(in_the_container(COMPOSE, folder / "container", whole=True), environ={}).settings.history
    (found,) = [history for history in histories if history.name == name]
    password = (secrets / f"{name}_{'gateway_' if name == 'influxdb1' else ''}password").read_text()
    assert f"!file /run/secrets/{(name + '_gateway') if name == 'influxdb1' else name}_password" in (ROOT / "deploy/envgw.yaml").read_text()
    return HistorySection.model_validate({**found.model_dump(exclude_unset=True), "url": url, "password": password})


def request(url: str, user: str | None = None, password: str = "", data: bytes | None = None) -> urllib.request.Request:
    made = urllib.request.Request(url, data=data)
    if user:
        made.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    return made


def status(url: str, user: str | None = None, password: str = "", data: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(request(url, user, password, data), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


# ---------------------------------------------------------------- influxdb1


class DeployedInfluxd(Influxd):
    """With the deployed file; only its folders and its ports are the test's own."""

    def command(self) -> list[str]:
        text = (ROOT / "deploy/influxdb1/influxdb.conf").read_text()
        for deployed, here in (
            ("/var/lib/influxdb/", f"{self.folder}/"),
            ('bind-address = ":8086"', f'bind-address = "127.0.0.1:{self.port}"'),
            ('bind-address = "127.0.0.1:8088"', 'bind-address = "127.0.0.1:0"'),
        ):
            assert deployed in text
            text = text.replace(deployed, here)
        (self.folder / "influxdb.conf").write_text(text)
        return [str(INFLUXD), "-config", str(self.folder / "influxdb.conf")]

    def ask(self, statement: str, user: str | None = None, password: str = "") -> list[dict[str, Any]]:
        """`query` with a login."""
        data = urllib.parse.urlencode({"q": statement, "epoch": "ms", "db": "envgw"}).encode()
        with urllib.request.urlopen(request(f"{self.url}/query", user, password, data), timeout=10) as answer:
            (result,) = json.load(answer)["results"]
        assert "error" not in result, result
        series: list[dict[str, Any]] = result.get("series", [])
        return series


def variables(secrets: Path, folder: Path) -> dict[str, str]:
    """The variables with which the image's own script is started."""
    stub = folder / "entrypoint.sh"
    stub.write_text('#!/bin/sh\necho "started $*"\nenv\n')
    stub.chmod(0o755)
    environment = {**COMPOSE["services"]["influxdb1"]["environment"], "SECRETS_DIR": str(secrets), "ENTRYPOINT": str(stub)}
    program = ["/bin/bash", str(ROOT / "deploy/influxdb1/start.sh")]
    lines = subprocess.run(program, env={**environment, "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    started, *rest = lines.splitlines()
    assert started == "started influxd"
    return dict(line.split("=", 1) for line in rest)


@pytest.fixture
def influxdb1(secrets: Path, tmp_path: Path) -> Iterator[DeployedInfluxd]:
    """Its users are made as the image of 1.8 makes them of these variables."""
    if INFLUXD is None:
        pytest.fail("InfluxDB is not installed: apt-get install influxdb")
    given = variables(secrets, tmp_path)
    server = DeployedInfluxd(tmp_path / "influxdb1")
    server.start()
    try:
        server.query(
            f"CREATE USER \"{given['INFLUXDB_ADMIN_USER']}\" WITH PASSWORD '{given['INFLUXDB_ADMIN_PASSWORD']}' WITH ALL PRIVILEGES"
        )
        for statement in (
            f"CREATE DATABASE {given['INFLUXDB_DB']}",
            f"CREATE USER \"{given['INFLUXDB_USER']}\" WITH PASSWORD '{given['INFLUXDB_USER_PASSWORD']}'",
            f'GRANT ALL ON "{given["INFLUXDB_DB"]}" TO "{given["INFLUXDB_USER"]}"',
            f"CREATE USER \"{given['INFLUXDB_READ_USER']}\" WITH PASSWORD '{given['INFLUXDB_READ_USER_PASSWORD']}'",
            f'GRANT READ ON "{given["INFLUXDB_DB"]}" TO "{given["INFLUXDB_READ_USER"]}"',
        ):
            server.ask(statement, given["INFLUXDB_ADMIN_USER"], given["INFLUXDB_ADMIN_PASSWORD"])
        yield server
    finally:
        server.kill()


async def test_influxdb1_takes_the_gateways_lines_and_shows_them_to_grafana_alone(
    influxdb1: DeployedInfluxd, secrets: Path, tmp_path: Path
) -> None:
    section = section_of("influxdb1", tmp_path, influxdb1.url, secrets)
    history = make_history(section, tmp_path)
    try:
        assert await history.write([LINE, LATER], 1) == []
    finally:
        await history.close()
    grafana = (secrets / "grafana_influx_password").read_text()
    (series,) = influxdb1.ask("SELECT pm25, pm25_qc FROM air", "grafana", grafana)
    assert series["values"] == [[LINE.time_ms, 99.0, 3]]
    write, read = f"{influxdb1.url}/write?db=envgw", f"{influxdb1.url}/query?db=envgw&q=SELECT+1"
    assert status(write, "grafana", grafana, b"air pm25=1") == 403
    assert status(write, data=b"air pm25=1") == status(read) == 401
    assert status(write, "gateway", "", b"air pm25=1") == status(write, "admin", "admin", b"air pm25=1") == 401


# ---------------------------------------------------------------- victoriametrics


class DeployedVictoriaMetrics(VictoriaMetrics):
    """Started by the deployed script with the deployed flags; only its folder and its port are the test's own."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        super().__init__(folder)
        self._secrets = secrets

    def command(self) -> list[str]:
        service = COMPOSE["services"]["victoriametrics"]
        shell, script, program = service["entrypoint"]
        assert f"./deploy/victoriametrics/start.sh:{script}:ro" in service["volumes"]
        flags = [flag.replace("=/victoria-metrics-data", f"={self.folder}/data") for flag in service["command"]]
        assert program == "/victoria-metrics-prod"
        own = [f"-httpListenAddr=127.0.0.1:{self.port}", "-loggerLevel=WARN"]
        environment = ["env", f"SECRETS_DIR={self._secrets}"]
        return [*environment, shell, str(ROOT / "deploy/victoriametrics/start.sh"), str(VICTORIA_METRICS), *flags, *own]

    def get(self, path: str, **params: str) -> bytes:
        if path == "/ping":
            path = "/health"
        password = (self._secrets / "victoriametrics_password").read_text()
        url = f"{self.url}{path}?{urllib.parse.urlencode(params)}"
        with urllib.request.urlopen(request(url, "gateway", password), timeout=30) as answer:
            body: bytes = answer.read()
            return body


@pytest.fixture
def victoriametrics(secrets: Path, tmp_path: Path) -> Iterator[DeployedVictoriaMetrics]:
    if VICTORIA_METRICS is None:
        pytest.fail("VictoriaMetrics is not installed: apt-get install victoria-metrics")
    server = DeployedVictoriaMetrics(tmp_path / "victoriametrics", secrets)
    server.start()
    yield server
    server.kill()


async def test_victoriametrics_keeps_one_of_what_was_written_twice(
    victoriametrics: DeployedVictoriaMetrics, secrets: Path, tmp_path: Path
) -> None:
    history = make_history(section_of("victoriametrics", tmp_path, victoriametrics.url, secrets), tmp_path)
    try:
        for line in (LINE, LATER, LATER):
            assert await history.write([line], 1) == []
            victoriametrics.flush()
    finally:
        await history.close()
    found = {series["metric"]["__name__"]: series["values"] for series in victoriametrics.export('{station="hai-chau-01"}')}
    assert {name: len(values) for name, values in found.items()} == {"air_pm25": 1, "air_pm25_qc": 1}


def test_victoriametrics_asks_for_its_password_and_tells_it_nobody(victoriametrics: DeployedVictoriaMetrics, secrets: Path) -> None:
    password = (secrets / "victoriametrics_password").read_text()
    write = f"{victoriametrics.url}/write?db=envgw"
    assert status(f"{victoriametrics.url}/health") == 200  # the healthcheck has no password
    for user, given in ((None, ""), ("gateway", ""), ("gateway", "wrong"), ("admin", password)):
        assert status(write, user, given, b"air pm25=1") == 401
        assert status(f"{victoriametrics.url}/api/v1/export?match[]=air_pm25", user, given) == 401
    assert status(write, "gateway", password, b"air pm25=1") == 204
    assert victoriametrics._process is not None
    arguments = Path(f"/proc/{victoriametrics._process.pid}/cmdline").read_text()
    assert re.search(r"victoria-metrics\0", arguments)
    assert password not in arguments
