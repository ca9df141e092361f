"""docker-compose.yml: accepted by docker-compose 1.29, pinned, closed, and without a password of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import load
from gateway.coreconfig import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The file as it is written (anchors resolved)."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


@pytest.fixture(scope="module")
def config(real_server: None) -> dict[str, Any]:
    """The file as docker-compose understands it. `config` needs no daemon."""
    if shutil.which("docker-compose") is None:
        pytest.fail("docker-compose is not installed: apt-get install docker-compose")
    run = subprocess.run(
        ["docker-compose", "--file", str(ROOT / "docker-compose.yml"), "config"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    loaded: dict[str, Any] = yaml.safe_load(run.stdout)
    return loaded


def test_docker_compose_accepts_it(config: dict[str, Any]) -> None:
    assert set(config["services"]) == {"mosquitto", "influxdb", "gateway", "grafana"}


def test_images_are_pinned_to_a_patch_version(config: dict[str, Any]) -> None:
    for name, service in config["services"].items():
        assert re.search(r":\d+\.\d+\.\d+$", service["image"]), name


def test_ports_are_published_on_loopback_only(written: dict[str, Any]) -> None:
    ports = [port for service in written["services"].values() for port in service["ports"]]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_service_is_bounded_and_can_end_in_peace(config: dict[str, Any]) -> None:
    for name, service in config["services"].items():
        assert service["mem_limit"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
    assert config["services"]["gateway"]["read_only"] is True
    assert config["services"]["gateway"]["stop_grace_period"] == "20s"


def test_no_service_is_given_a_secret_in_its_environment(written: dict[str, Any]) -> None:
    for service in written["services"].values():
        for variable in service.get("environment", {}):
            assert not re.search(r"(PASSWORD|TOKEN|SECRET|KEY)$", variable), f"{variable}: use the variable that names a file"


def test_make_secrets_makes_every_secret_and_keeps_what_is_there(written: dict[str, Any], tmp_path: Path) -> None:
    def make() -> dict[str, str]:
        subprocess.run([ROOT / "deploy" / "make-secrets.sh"], env={"SECRETS_DIR": str(tmp_path / "s"), "PATH": "/usr/bin:/bin"}, check=True)
        return {path.name: path.read_text() for path in (tmp_path / "s").iterdir()}

    first = make()
    files = {Path(secret["file"]).name for secret in written["secrets"].values()}
    assert files <= set(first)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    random = {name: text for name, text in first.items() if name != "mosquitto_passwords"}
    assert len(set(random.values())) == len(random)
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in random.values())
    assert {name: text for name, text in make().items() if name != "mosquitto_passwords"} == random


def test_the_repository_holds_no_secret(written: dict[str, Any]) -> None:
    for secret in written["secrets"].values():
        assert secret["file"].startswith("./deploy/secrets/")
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_every_file_that_is_mounted_exists(written: dict[str, Any]) -> None:
    mounts = [volume.split(":")[0] for service in written["services"].values() for volume in service["volumes"]]
    files = [mount for mount in mounts if mount.startswith("./")]
    assert len(files) >= 8
    for name in files:
        assert (ROOT / name).exists(), name


def test_the_gateways_configuration_is_accepted_where_the_container_has_it(tmp_path: Path, written: dict[str, Any]) -> None:
    """The same files in the same places, below a folder instead of `/`."""
    secrets = tmp_path / "run" / "secrets"
    secrets.mkdir(parents=True)
    for name in written["services"]["gateway"]["secrets"]:
        (secrets / name).write_text("s3cret")
    for volume in written["services"]["gateway"]["volumes"]:
        source, target = volume.split(":")[:2]
        if source.startswith("./"):
            text = (ROOT / source).read_text("utf-8").replace("/run/secrets/", f"{secrets}/")
            path = tmp_path / target.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    loaded = load(tmp_path / "etc" / "envgw" / "envgw.yaml", environ={})
    build(loaded)
    assert loaded.settings.gateway.data_dir == Path("/data")
    hosts = {loaded.settings.brokers[0].url.split("/")[2].split(":")[0], (loaded.settings.history[0].url or "").split("/")[2].split(":")[0]}
    assert hosts <= set(written["services"])


def test_grafana_reads_with_a_login_of_its_own(written: dict[str, Any]) -> None:
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/envgw.yaml").read_text())["datasources"]
    assert source["type"] == "influxdb"
    assert source["jsonData"]["dbName"] == written["services"]["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert source["secureJsonData"]["password"] == "$__file{/run/secrets/grafana_influx_password}"
    assert "grafana_influx_password" in written["services"]["grafana"]["secrets"]
    script = (ROOT / "deploy/influxdb/grafana-reader.sh").read_text()
    assert f"--username {source['user']} " in script
    assert "--write-bucket" not in script


def test_grafana_finds_the_dashboards(written: dict[str, Any]) -> None:
    (provider,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/envgw.yaml").read_text())["providers"]
    folder = provider["options"]["path"]
    assert f"./dashboards/json:{folder}:ro" in written["services"]["grafana"]["volumes"]
    home = written["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "dashboards" / "json" / Path(home).relative_to(folder)).is_file()
