"""The systemd unit starts commands that exist, ends in time, and is closed."""

from __future__ import annotations

from pathlib import Path

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "envgw.service"


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
    for key in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables", "RestrictNamespaces", "DynamicUser"):
        assert given[key] == "yes"
    assert given["ProtectSystem"] == "strict"
    assert given["CapabilityBoundingSet"] == ""
    assert int(given["MemoryMax"].rstrip("M")) >= 256
