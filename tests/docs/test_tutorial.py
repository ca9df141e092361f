"""The tutorial is true: its demo raises the alert within a minute, and its own rule is checked and fires."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tools.mosquitto import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial" / "first-alert.md").read_text("utf-8")
ENVGW = [sys.executable, "-m", "gateway"]


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as a process of its own, unattended, on free ports; ended by Ctrl-C."""
    ports = ["--port", str(free_port()), "--mqtt-port", str(free_port())]
    command = [*ENVGW, "demo", "--seconds", "200", "--data", str(folder / "data"), *ports, *options]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[str], pattern: str, timeout_s: float) -> str:
    """Everything that the process says, up to the line that holds `pattern`."""
    assert process.stdout is not None
    said = ""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.5)[0]:
            line = process.stdout.readline()
            said += line
            if re.search(pattern, line):
                return said
            if not line:
                break
    pytest.fail(f"{pattern!r} was not said within {timeout_s} s:\n{said}")


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_the_demo_raises_the_alert_within_a_minute_and_stops_in_order(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        said = wait_for(process, r"took: .*PM2\.5 smoke", 60)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0, rest
    counts = [
        tuple(map(int, found))
        for found in re.findall(r"received (\d+) = stored (\d+) \+ rejected (\d+) \+ duplicate (\d+) \+ shed +(\d+)", said)
    ]
    assert counts
    assert all(received == stored + rejected + duplicate + shed for received, stored, rejected, duplicate, shed in counts)


def own_rule(folder: Path, *, misspelt: bool) -> Path:
    """The tutorial's copy of the demo's configuration with the tutorial's rule at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (*ROOT.glob("gateway/demo/*.yaml"), *ROOT.glob("gateway/demo/*.csv")):
        shutil.copy(path, folder)
    rule = re.search(r"```yaml\n(  - id: my-first-rule\n.*?)```", TUTORIAL, re.S)
    assert rule is not None
    assert "claer" in rule[1]
    with (folder / "rules.yaml").open("a") as file:
        file.write(rule[1] if misspelt else rule[1].replace("claer", "clear"))
    return folder / "envgw.yaml"


def check(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ENVGW, "check", "--config", str(config)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_misspelt_rule_is_named_with_its_line(tmp_path: Path) -> None:
    config = own_rule(tmp_path / "my-city", misspelt=True)
    line = next(n for n, text in enumerate((config.parent / "rules.yaml").read_text("utf-8").splitlines(), 1) if "claer" in text)
    result = check(config)
    assert result.returncode == 1
    assert f"rules.yaml:{line}: " in result.stdout + result.stderr


def test_the_mended_rule_is_accepted(tmp_path: Path) -> None:
    result = check(own_rule(tmp_path / "my-city", misspelt=False))
    assert result.returncode == 0, result.stderr
    assert result.stdout.split(": ", 1)[1].strip() in TUTORIAL


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_the_readers_own_rule_fires(tmp_path: Path) -> None:
    config = own_rule(tmp_path / "my-city", misspelt=False)
    with demo(tmp_path, "--config", str(config)) as process:
        wait_for(process, r"took: .*My first rule", 60)
