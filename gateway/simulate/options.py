"""What a simulation is told, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """The broker to publish to. `inflight`: most unacknowledged messages of one connection."""

    url: str = "mqtt://127.0.0.1:1883"
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    qos: Literal[0, 1] = 1
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_id: str | None = None
    inflight: int = 250
    connections: int = 1
    """Devices are spread over so many connections; each device stays on one, so that its order is kept."""
    give_up_after_s: float = 60.0
    """How long a lost broker is tried again before the simulation fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """One simulation: synthetic stations, the devices of a registry, or a real series (`replay`).

    Ends after `count` messages or `seconds` real seconds, whichever is first; with neither it runs until stopped
    (a replay ends with its file). `rate` is messages per second over all devices; without it each device keeps its own
    interval on the clock. With `start_ms` time is counted from there instead of from the clock: the same options then
    give the same bytes.
    """

    broker: BrokerOptions = field(default_factory=BrokerOptions)
    seed: int = 1
    stations: int = 12
    device_type: str = "air-node"
    interval_ms: int = 60_000
    registry: Path | None = None
    scenario: Path | None = None
    rate: float | None = None
    count: int | None = None
    seconds: float | None = None
    start_ms: int | None = None
    replay: Path | None = None
    map: str | None = None
    speed: float | Literal["max"] = 1.0
    """Replay only: how much faster than it was measured."""
    shift_to_now: bool = False
    """Replay only: move the series so that its first row is now."""


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a simulation did. `published` counts messages; with QoS 1 each was acknowledged by the broker."""

    published: int = 0
    payload_bytes: int = 0
    seconds: float = 0.0
    devices: int = 0
    rows: int = 0
    """Replay: rows read from the file."""
    skipped: int = 0
    """Replay: lines that could not be read (each was reported)."""
    reconnects: int = 0
    republished: int = 0
    """Sent a second time because the connection broke before the acknowledgement: the broker may have both."""
    faults: Mapping[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """The first ten lines that could not be read."""
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def rate(self) -> float:
        """Messages per real second."""
        return self.published / self.seconds if self.seconds > 0 else 0.0

    def text(self) -> str:
        """One line for people."""
        parts = [f"published {self.published} messages of {self.devices} devices in {self.seconds:.1f} s ({self.rate:.0f}/s)"]
        if self.rows:
            parts.append(f"{self.rows} rows")
        if self.skipped:
            parts.append(f"{self.skipped} unreadable lines")
        parts += [f"{name} {number}" for name, number in sorted(self.faults.items())]
        if self.reconnects:
            parts.append(f"reconnected {self.reconnects}×, {self.republished} sent again")
        return ", ".join(parts)
