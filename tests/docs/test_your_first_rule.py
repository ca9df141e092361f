"""The tutorial "Your first rule" is true: its files are written, its commands run, and what they say is what it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.mosquitto import free_port

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial" / "your-first-rule.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```", TUTORIAL, re.M | re.S)
LONG = ("envgw demo", "envgw rules explain")
"""What needs the demo to run is tried at the end."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "gateway" / "demo", tmp_path / "gateway" / "demo")
    (tmp_path / "envgw").write_text(f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
    (tmp_path / "envgw").chmod(0o755)
    return tmp_path


def run(folder: Path, command: str, **more: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}:{os.environ['PATH']}", "COLUMNS": "200", **more}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


def matches(shown: str, said: str) -> bool:
    """Whether what was said is what is shown, `…` standing for anything."""
    return re.fullmatch(".*".join(re.escape(part) for part in shown.strip().split("…")), said.strip(), re.S) is not None


def steps(block: str) -> list[tuple[str, str]]:
    """(command, what it shows) of a console block."""
    found: list[tuple[str, str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def follow(folder: Path) -> list[tuple[str, str]]:
    """Do what the tutorial says, in its order; returns the steps that need the demo."""
    later = []
    for language, name, text in BLOCKS:
        if language == "yaml":
            assert name
            (folder / name).write_text(text, "utf-8")
            continue
        for command, shown in steps(text):
            if any(word in command for word in LONG):
                later.append((command, shown))
                continue
            said = run(folder, command)
            assert matches(shown, said), f"$ {command}\n{said}\ninstead of\n{shown}"
    return later


@pytest.mark.slow
def test_from_an_idea_to_a_tested_and_backtested_rule(folder: Path) -> None:
    later = follow(folder)
    assert len(later) == 2
    assert (folder / "evening-smoke.png").stat().st_size > 10_000
    said = run(folder, "envgw rules list --config my-city/envgw.yaml")
    assert "evening-smoke" in said


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_in_force_it_is_explained(folder: Path) -> None:
    (demo, _), (explain, shown) = follow(folder)
    ports = {"ENVGW_API__PORT": str(free_port())}
    run(folder, f"{demo} --seconds 10 --port {ports['ENVGW_API__PORT']} --mqtt-port {free_port()}")
    said = run(folder, explain, **ports)
    assert matches(shown, said), said
