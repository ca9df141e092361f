"""docker-compose.yml: accepted by docker-compose 1.29, pinned, closed, and without a password of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands import acl
from gateway.config import load
from gateway.coreconfig import build
from gateway.simulate.scenario import load_scenario

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The file as it is written (anchors resolved)."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


SERVICES = {"mosquitto", "influxdb", "gateway", "grafana", "simulator", "influxdb1", "victoriametrics"}
PROFILES = {"simulator": ["demo"], "influxdb1": ["influxdb1"], "victoriametrics": ["victoriametrics"]}


def understood(*arguments: str, **environment: str) -> dict[str, Any]:
    """The file as docker-compose understands it. `config` needs no daemon."""
    if shutil.which("docker-compose") is None:
        pytest.fail("docker-compose is not installed: apt-get install docker-compose")
    command = ["docker-compose", *arguments, "--file", str(ROOT / "docker-compose.yml"), "config"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **environment})
    assert run.returncode == 0, run.stderr
    assert "variable is not set" not in run.stderr
    loaded: dict[str, Any] = yaml.safe_load(run.stdout)
    return loaded


@pytest.fixture(scope="module")
def config(real_server: None) -> dict[str, Any]:
    return understood()


def test_docker_compose_accepts_it(config: dict[str, Any]) -> None:
    """Version 1.29 prints all services, whatever profile is on."""
    assert set(config["services"]) == SERVICES


@pytest.mark.server
@pytest.mark.parametrize("profile", ["demo", "influxdb1", "victoriametrics"])
def test_docker_compose_accepts_each_profile(profile: str) -> None:
    assert set(understood("--profile", profile)["services"]) == SERVICES


def test_todays_docker_compose_accepts_it(written: dict[str, Any]) -> None:
    """By the schema that its reader checks with; it has no word for 1.29's, and so no top-level `version` or `name` is needed."""
    schema = json.loads((ROOT / "tests" / "data" / "compose" / "compose-spec.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(written)
    assert not {"version", "name"} & set(written)


def test_only_what_was_asked_for_is_started(written: dict[str, Any]) -> None:
    assert set(written["services"]) == SERVICES
    assert {name: service["profiles"] for name, service in written["services"].items() if "profiles" in service} == PROFILES
    for name, service in written["services"].items():
        for other in service.get("depends_on", []):
            assert other not in PROFILES, f"{name} would not start without the profile of {other}"


def test_images_are_pinned_to_a_patch_version(config: dict[str, Any]) -> None:
    for name, service in config["services"].items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


@pytest.mark.server
def test_ports_are_published_on_loopback_unless_somebody_says_otherwise(config: dict[str, Any]) -> None:
    ports = [str(port) for service in config["services"].values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports)) == 7
    assert all(port.startswith("127.0.0.1:") for port in ports)
    opened = understood(MQTTS_LISTEN="0.0.0.0:8883")["services"]
    assert [port for service in opened.values() for port in service.get("ports", []) if not port.startswith("127.")] == [
        "0.0.0.0:8883:8883/tcp"
    ]


def test_every_service_is_bounded_watched_and_can_end_in_peace(config: dict[str, Any]) -> None:
    for name, service in config["services"].items():
        assert service["mem_limit"], name
        assert service["pids_limit"] == 512, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service or name == "gateway", name  # the gateway's is in the image
    for name in ("gateway", "simulator", "mosquitto", "victoriametrics"):
        assert config["services"][name]["read_only"] is True
        assert config["services"][name]["cap_drop"] == ["ALL"]
    assert config["services"]["gateway"]["stop_grace_period"] == "20s"
    assert config["services"]["simulator"]["healthcheck"] == {"test": ["NONE"]}  # the image's asks an API that is not there


def test_who_publishes_cannot_reach_a_history(written: dict[str, Any]) -> None:
    networks = {name: set(service["networks"]) for name, service in written["services"].items()}
    assert networks["gateway"] == {"sensors", "history"}
    assert {name for name, joined in networks.items() if "sensors" in joined} == {"gateway", "mosquitto", "simulator"}
    assert all(len(joined) == 1 for name, joined in networks.items() if name != "gateway")


def test_what_the_example_environment_offers_is_what_is_asked_for() -> None:
    lines = (ROOT / "deploy" / "example.env").read_text().splitlines()
    offered = dict(line.removeprefix("#").split("=") for line in lines if "=" in line)
    asked = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", (ROOT / "docker-compose.yml").read_text()))
    assert offered == {"COMPOSE_PROFILES": "demo", **asked}


def test_no_service_is_given_a_secret_in_its_environment(written: dict[str, Any]) -> None:
    for service in written["services"].values():
        for variable in service.get("environment", {}):
            assert not re.search(r"(PASSWORD|TOKEN|SECRET|KEY)$", variable), f"{variable}: use the variable that names a file"


def make_secrets(folder: Path, *arguments: str) -> str:
    environment = {"SECRETS_DIR": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [ROOT / "deploy" / "make-secrets.sh", *arguments], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_make_secrets_makes_every_secret_and_keeps_what_is_there(written: dict[str, Any], tmp_path: Path) -> None:
    secrets = tmp_path / "s"

    def make() -> dict[str, str]:
        make_secrets(secrets)
        return {str(path.relative_to(secrets)): path.read_text() for path in secrets.rglob("*") if path.is_file()}

    first = make()
    files = {secret["file"].removeprefix("./deploy/secrets/") for secret in written["secrets"].values()}
    assert files <= set(first)
    assert secrets.stat().st_mode & 0o777 == 0o700
    random = {name: text for name, text in first.items() if name != "mosquitto_passwords"}
    assert len(set(random.values())) == len(random)
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in random.values())
    assert make() == first
    for name in first:
        assert (secrets / name).stat().st_mode & 0o777 == 0o444, name


def test_make_secrets_shows_what_people_must_be_told(tmp_path: Path) -> None:
    make_secrets(tmp_path / "s")
    shown = {tuple(line.split()[:2]): line.split()[2] for line in make_secrets(tmp_path / "s", "--show").splitlines()}
    assert shown["mqtt", "an-01"] == (tmp_path / "s" / "mqtt" / "an-01").read_text()
    assert shown["grafana", "admin"] == (tmp_path / "s" / "grafana_admin_password").read_text()
    assert make_secrets(tmp_path / "s", "--show", "an-01") == shown["mqtt", "an-01"] + "\n"


def test_the_repository_holds_no_secret(written: dict[str, Any]) -> None:
    for secret in written["secrets"].values():
        assert secret["file"].startswith("./deploy/secrets/")
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """(source, target) of its volumes, with the variables' defaults."""
    texts = [re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", volume) for volume in service.get("volumes", [])]
    return [(text.split(":")[0], text.split(":")[1]) for text in texts]


def test_scripts_can_be_executed() -> None:
    """InfluxDB's image passes over one that cannot."""
    for path in ROOT.glob("deploy/**/*.sh"):
        assert os.access(path, os.X_OK), path


def test_every_file_that_is_mounted_exists(written: dict[str, Any]) -> None:
    files = [source for service in written["services"].values() for source, _ in mounts(service) if source.startswith("./")]
    assert len(files) >= 10
    for name in files:
        assert (ROOT / name).exists(), name


COMMENTED = re.compile(r"^  # (- name: (influxdb1|victoriametrics)\n(?:  #   .*\n)+)", re.M)


def in_the_container(written: dict[str, Any], folder: Path, *, whole: bool = False) -> Path:
    """The gateway's files in the places that it has in its container, below a folder instead of `/`.

    `whole`: with the histories of all profiles, as the file says how.
    """
    secrets = folder / "run" / "secrets"
    secrets.mkdir(parents=True)
    for name in written["services"]["gateway"]["secrets"]:
        (secrets / name).write_text("s3cret")
    for source, target in mounts(written["services"]["gateway"]):
        path = folder / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, path)
        elif source.startswith("./"):
            text = (ROOT / source).read_text("utf-8").replace("/run/secrets/", f"{secrets}/")
            if whole:
                text, changed = COMMENTED.subn(lambda match: "  " + match[1].replace("  #   ", "    "), text)
                assert changed == 2
            path.write_text(text, "utf-8")
    return folder / "etc" / "envgw" / "envgw.yaml"


def test_the_gateways_configuration_is_accepted_where_the_container_has_it(tmp_path: Path, written: dict[str, Any]) -> None:
    loaded = load(in_the_container(written, tmp_path), environ={})
    build(loaded)
    assert loaded.settings.gateway.data_dir == Path("/data")
    hosts = {loaded.settings.brokers[0].url.split("/")[2].split(":")[0], (loaded.settings.history[0].url or "").split("/")[2].split(":")[0]}
    assert hosts <= set(written["services"])


def test_the_histories_of_the_profiles_can_be_taken_in(tmp_path: Path, written: dict[str, Any]) -> None:
    first, *others = load(in_the_container(written, tmp_path, whole=True), environ={}).settings.history
    assert first.required
    assert [urlsplit(history.url or "").hostname for history in others] == ["influxdb1", "victoriametrics"]
    assert not any(history.required for history in others)
    assert all(history.password and history.password.get_secret_value() == "s3cret" for history in others)


def test_the_shipped_access_list_is_that_of_the_shipped_registry(tmp_path: Path, written: dict[str, Any]) -> None:
    """And of who else is in the installation: `envgw stations acl --allow … --output deploy/mosquitto/acl` makes it anew."""
    loaded = load(in_the_container(written, tmp_path), environ={})
    allow = ["simulator write sensors/#", "boards read envgw/alerts/#"]
    found = acl.logins(loaded.settings, build(loaded).interpreter.registry, None, allow, now_ms=1_795_636_800_000)
    assert (ROOT / "deploy" / "mosquitto" / "acl").read_text("utf-8") == acl.text(found)


def test_the_simulator_speaks_for_the_registry(written: dict[str, Any]) -> None:
    service = written["services"]["simulator"]
    options = dict(word.removeprefix("--").split("=", 1) for word in service["command"][1:])
    places = dict(map(reversed, mounts(service)))
    assert ROOT / places[str(Path(options["registry"]).parent)] / "stations.yaml" == ROOT / "examples" / "stations.yaml"
    scenario = load_scenario(ROOT / places[options["scenario"]])
    registry = build(load(ROOT / "examples" / "envgw.yaml", environ={"MQTT_PASSWORD": "x", "INFLUX_TOKEN": "x"})).interpreter.registry
    assert {episode.station for episode in scenario.episodes} <= set(registry.stations)
    assert {fault.device for fault in scenario.faults} <= set(registry.devices)
    assert Path(options["password-file"]).name in service["secrets"]
    assert f"user {options['username']}\n" in (ROOT / "deploy" / "mosquitto" / "acl").read_text()
    assert options["broker"] == "mqtt://mosquitto:1883"


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


PAGE = (ROOT / "docs" / "how-to" / "run-with-docker-compose.md").read_text("utf-8")


def test_the_page_speaks_of_what_there_is(written: dict[str, Any]) -> None:
    offered = (ROOT / "deploy" / "example.env").read_text()
    for variable in set(re.findall(r"\b([A-Z0-9]+_(?:LISTEN|DIR|PROFILES))\b", PAGE)):
        assert f"#{variable}=" in offered, variable
    for profile in re.findall(r"--profile (\S+)", PAGE):
        assert [profile] in PROFILES.values()
    services = re.findall(r"docker compose (?:exec|restart|kill -s HUP|run --rm --no-deps(?: -T)?|logs(?: --follow)?) ([a-z0-9]+)", PAGE)
    assert len(services) >= 8
    assert set(services) <= SERVICES
    for port in re.findall(r"127\.0\.0\.1:(\d+)", PAGE):
        assert port == "1884" or f"127.0.0.1:{port}" in offered, port
    for secret in re.findall(r"deploy/secrets/(\w+)", PAGE):
        assert f"./deploy/secrets/{secret}" in [entry["file"] for entry in written["secrets"].values()]


def test_the_commands_of_the_page_are_understood(tmp_path: Path) -> None:
    """Each `gateway …` and `envgw …` of the page, with its options."""
    texts = re.findall(r"(?:-T gateway|no-deps gateway|exec gateway envgw) ([^|\n`]+)", PAGE.replace("\\\n", ""))
    assert [text.split()[0] for text in texts] == ["status", "check", "stations"]
    for text in texts:
        words = shlex.split(text.partition(" > ")[0])
        run = CliRunner().invoke(app, [*words[: words.index("--config")], "--help"])
        assert run.exit_code == 0, text
        for option in (word for word in words if word.startswith("--")):
            assert option in run.output, text
