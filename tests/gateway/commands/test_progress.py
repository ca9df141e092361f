"""A bar where a person looks, and nothing where a program reads."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.commands.progress import bar
from tests.gateway.commands.test_export import filled
from tests.tools.site import ENVGW, ROOT


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, stdout: io.StringIO, **options: bool) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setenv("TERM", "xterm")
    with bar("exporting", **options) as told:
        told(1_234_567, None)
        told(2_000_000, 0.5)
    return stderr.getvalue()


def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, Terminal(), io.StringIO())
    assert "exporting" in text
    assert "2,000,000 rows" in text


def test_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), io.StringIO()) == ""
    assert shown(monkeypatch, Terminal(), Terminal(), also_stdout=True) == "", "it would run through the table"
    assert shown(monkeypatch, Terminal(), io.StringIO(), also_stdout=True) != ""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["query", "export"])
def test_the_commands_as_on_a_terminal(tmp_path: Path, command: str) -> None:
    """Standard error is a terminal, standard output a file: the file has the answer and nothing else."""
    where = filled(tmp_path)
    arguments = {
        "query": ["query", "--since", "2024-01-01T00:00Z", "--until", "2025-01-01T00:00Z", "--format", "csv"],
        "export": ["export", "--format", "csv", "--output", str(tmp_path / "out.csv")],
    }[command]
    ours, theirs = pty.openpty()
    seen = bytearray()

    def look() -> None:
        try:
            while part := os.read(ours, 65_536):
                seen.extend(part)
        except OSError:  # the other end is closed
            pass

    environment = {**{key: value for key, value in os.environ.items() if not key.startswith("ENVGW_")}, "PYTHONPATH": str(ROOT)}
    eye = threading.Thread(target=look)
    eye.start()
    done = subprocess.run(
        [*ENVGW, *arguments, "--config", str(where.folder / "envgw.yaml")],
        stdout=subprocess.PIPE, stderr=theirs, env={**environment, "TERM": "xterm"}, timeout=60, check=False,
    )  # fmt: skip
    os.close(theirs)
    eye.join(10)
    os.close(ours)
    assert done.returncode == 0, bytes(seen)
    assert {"query": b"readings", "export": b"exporting"}[command] in seen
    assert b"\x1b" not in done.stdout
    assert done.stdout.decode().splitlines()[0] == "time,station,device,area,medium,parameter,value,unit,flag" or command == "export"
