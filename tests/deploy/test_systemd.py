"""The systemd unit: accepted by systemd, closed, and what docs/how-to/install-on-debian.md says about it."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from gateway.config import load
from gateway.coreconfig import build

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "deploy" / "systemd"
UNIT = SYSTEMD / "envgw.service"
PAGE = (ROOT / "docs" / "how-to" / "install-on-debian.md").read_text("utf-8")


def directives() -> list[tuple[str, str]]:
    pairs = [line.partition("=") for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return [(key, value) for key, _, value in pairs]


def test_every_command_exists() -> None:
    from gateway.cli import app

    names = {command.name or (command.callback.__name__ if command.callback else "") for command in app.registered_commands}
    started = [value.split()[1] for key, value in directives() if key.startswith("ExecStart")]
    assert started == ["check", "run"]
    assert set(started) <= names


def test_it_is_given_time_to_commit() -> None:
    assert ("TimeoutStopSec", "20") in directives()


def test_it_may_do_nothing_but_its_work() -> None:
    given = dict(directives())
    for key in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables", "RestrictNamespaces", "MemoryDenyWriteExecute"):
        assert given[key] == "yes"
    assert given["ProtectSystem"] == "strict"
    assert given["CapabilityBoundingSet"] == ""
    assert int(given["MemoryMax"].rstrip("M")) >= 256


@pytest.mark.server
def test_systemd_accepts_it(tmp_path: Path) -> None:
    """All but the program's place, which is another on every machine."""
    unit = tmp_path / "envgw.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/envgw", sys.executable))
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    complaints = [line for line in run.stderr.splitlines() if "envgw.service" in line]
    assert (run.returncode, complaints) == (0, []), run.stderr


@pytest.mark.server
def test_it_is_as_closed_as_the_page_says() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNIT)]
    said = re.search(r"Overall exposure level for envgw.service: ([\d.]+)", subprocess.run(command, capture_output=True, text=True).stdout)
    assert said is not None
    figure = re.search(r"`systemd-analyze security` gives it ([\d.]+) of 10", PAGE)
    assert figure is not None
    assert float(said[1]) <= float(figure[1])


@pytest.mark.server
def test_systemd_makes_its_user(tmp_path: Path) -> None:
    command = ["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "envgw.sysusers")]
    (tmp_path / "etc").mkdir()
    subprocess.run(command, check=True, capture_output=True)
    (entry,) = [line.split(":") for line in (tmp_path / "etc" / "passwd").read_text().splitlines() if line.startswith("envgw:")]
    assert entry[5:] == ["/var/lib/envgw", "/usr/sbin/nologin"]
    given = dict(directives())
    assert (given["User"], given["StateDirectory"]) == ("envgw", "envgw")


def test_the_page_has_the_units_places_and_secrets() -> None:
    for key, value in directives():
        if key == "LoadCredential":
            name, place = value.split(":")
            assert f"/run/credentials/envgw.service/{name}" in PAGE
            assert Path(place).name in PAGE
    for place in (
        "/usr/local/bin",
        "/etc/envgw/envgw.yaml",
        "/var/lib/envgw",
        "deploy/systemd/envgw.service",
        "deploy/systemd/envgw.sysusers",
    ):
        assert place in PAGE


def test_the_configuration_of_the_page_is_accepted(tmp_path: Path) -> None:
    """examples/envgw.yaml with the values that the page says."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for key, value in directives():
        if key == "LoadCredential":
            (credentials / value.split(":")[0]).write_text("s3cret")
    said = textwrap.dedent(block)
    assert len(re.findall(r"!file /run/credentials/envgw.service/", said)) == 3
    changes = yaml.safe_load(said.replace("!file ", ""))
    whole = yaml.safe_load((ROOT / "examples" / "envgw.yaml").read_text("utf-8").replace("!env ", ""))
    for section, values in changes.items():
        if isinstance(values, list):
            for entry in values:
                (here,) = [item for item in whole[section] if item["name"] == entry["name"]]
                here.update(entry)
        else:
            whole.setdefault(section, {}).update(values)
    for key in ("token", "org"):  # "take `token` and `org` out"
        del whole["history"][0][key]
    text = yaml.safe_dump(whole, allow_unicode=True)
    text = re.sub(r"/run/credentials/envgw.service/(\w+)", rf"!file {credentials}/\1", text)
    for name in ("stations.yaml", "rules.yaml"):
        (tmp_path / name).write_text((ROOT / "examples" / name).read_text("utf-8"), "utf-8")
    (tmp_path / "envgw.yaml").write_text(text, "utf-8")
    loaded = load(tmp_path / "envgw.yaml", environ={})
    build(loaded)
    assert str(loaded.settings.gateway.data_dir) == dict(directives())["WorkingDirectory"]
    passwords = [loaded.settings.brokers[0].password, loaded.settings.history[0].password]
    assert [secret and secret.get_secret_value() for secret in passwords] == ["s3cret", "s3cret"]


def test_the_constraints_are_the_locks_versions_without_hashes() -> None:
    """As `sed` on the page makes them."""
    (script,) = re.findall(r"\$ sed -E '(.+)' requirements.lock", PAGE)
    text = subprocess.run(["sed", "-E", script, str(ROOT / "requirements.lock")], capture_output=True, text=True, check=True).stdout
    made = [Requirement(line) for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    locked = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.M)
    assert [requirement.name for requirement in made] == locked
    assert all(str(requirement.specifier).startswith("==") for requirement in made)
