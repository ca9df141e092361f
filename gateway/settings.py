"""Every setting of `envgw.yaml`, with its default, its unit and a sentence: the configuration reference is made from here.

Loading (line numbers, `!env`, `!file`, `ENVGW_SECTION__KEY`) is in `gateway.config`; this module only says what is legal.
Durations are written `90s`, `10m`, `2h`, `7d` (a bare number is seconds) and held in milliseconds; sizes are written
`64KB`, `200MB`, `10GB` (powers of 1024) and held in bytes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?\s*$")
_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)?\s*$", re.IGNORECASE)
_SIZE_BYTES = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def parse_duration(value: Any) -> int:
    """`"10m"` → 600000 ms; a bare number is seconds. Raises ValueError saying what to write."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("write a duration such as 90s, 10m, 2h or 7d")
    match = _DURATION.match(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write for example 90s, 10m, 2h or 7d")
    return round(float(match[1]) * _DURATION_MS[match[2] or "s"])


def parse_size(value: Any) -> int:
    """`"64KB"` → 65536 bytes; a bare number is bytes. Raises ValueError saying what to write."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("write a size such as 64KB, 200MB or 10GB")
    match = _SIZE.match(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a size: write for example 64KB, 200MB or 10GB")
    return round(float(match[1]) * _SIZE_BYTES[(match[2] or "B").upper()])


Duration = Annotated[int, BeforeValidator(parse_duration)]
"""Milliseconds."""
Size = Annotated[int, BeforeValidator(parse_size)]
"""Bytes."""


def _text(default: str) -> Any:
    """A default written as people write it; `validate_default` turns it into the number."""
    return default


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are immutable, defaults are validated too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class GatewaySection(Section):
    """Who this gateway is, and where it keeps its files."""

    id: str = Field("envgw", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name of this gateway in client ids, logs and alerts.")
    city: str = Field("", description="City name shown to people.")
    data_dir: Path = Field(
        Path("data"), description="Folder of the ledger, the embedded history and backups; relative to the configuration file."
    )
    timezone: str = Field("Asia/Ho_Chi_Minh", description="IANA zone of the city: used for display and, later, for hours and days.")
    languages: list[Literal["vi", "en"]] = Field(["vi", "en"], description="Languages of texts for people, most important first.")
    licence: str = Field("", max_length=500, description="Licence of the readings, e.g. CC-BY-4.0: stated beside every export.")
    source: str = Field("", max_length=500, description="Who measured, as others are to cite it: stated beside every export.")


class Subscription(Section):
    """A topic filter and the device type that speaks there."""

    topic: str = Field(description="MQTT topic filter, `+` and `#` allowed; `$share/group/filter` only where semantics B3 allows it.")
    type: str = Field(
        description="Device type (a file of devices/types) that decodes what arrives there. The first filter that fits a topic wins."
    )
    qos: Literal[0, 1] = Field(1, description="QoS asked for. 1 gives back-pressure; 0 may be shed under overload.")


class BrokerSection(Section):
    """One MQTT broker to read from."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name of this broker in the registry, logs and health.")
    url: str = Field(description="mqtt://host:port, or mqtts://host:port for TLS.")
    protocol: Literal["5", "3.1.1"] = Field("5", description="MQTT version. 3.1.1 for The Things Stack and older brokers.")
    username: str | None = Field(None, description="User name.")
    password: SecretStr | None = Field(None, description="Password; use !env or !file.")
    ca_file: Path | None = Field(None, description="PEM file of the CA that signed the broker's certificate; default: the system's.")
    cert_file: Path | None = Field(None, description="Client certificate (PEM).")
    key_file: Path | None = Field(None, description="Key of the client certificate (PEM).")
    client_id: str | None = Field(
        None, description="MQTT client id; default envgw-<gateway id>-<broker name>. Must stay the same: the session hangs on it."
    )
    keep_alive: Duration = Field(_text("30s"), description="MQTT keep-alive.")
    session_expiry: Duration = Field(_text("7d"), description="How long the broker keeps our session and its queue while we are away.")
    receive_maximum: int = Field(2000, ge=1, le=65535, description="Most unacknowledged QoS 1 messages under way: the back-pressure.")
    max_packet_size: Size = Field(_text("1MB"), description="Larger packets are refused by the broker (MQTT 5) or closed on (3.1.1).")
    connect_timeout: Duration = Field(_text("10s"), description="Give up a connection attempt after this.")
    backoff_max: Duration = Field(_text("30s"), description="Longest pause between two connection attempts.")
    subscriptions: list[Subscription] = Field(min_length=1, description="What to subscribe to.")


_SHORTEST_RETENTION_MS = 3_600_000
"""What is shorter was meant otherwise."""


class HistorySection(Section):
    """One place where readings are kept for query: each is a lane of its own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name of the lane in status, logs and metrics.")
    kind: Literal["duckdb", "influxdb"] = Field(
        description="duckdb: a file beside the ledger. influxdb: 1.x, 2.x, 3 Core or VictoriaMetrics by the line protocol."
    )
    required: bool = Field(
        True, description="A required lane pins the journal until it has everything; another is parked beyond its quota."
    )
    path: Path | None = Field(None, description="duckdb: the file, relative to data_dir; default history.duckdb.")
    memory_limit: Size = Field(_text("64MB"), description="duckdb: memory it may use.")
    threads: int = Field(1, ge=1, le=32, description="duckdb: threads of a query.")
    url: str | None = Field(None, description="influxdb: base address, e.g. http://localhost:8086.")
    api: Literal["v2", "v1"] = Field("v2", description="influxdb: v2 = /api/v2/write (2.x, 3.x, 1.8+, VictoriaMetrics), v1 = /write (1.x).")
    token: SecretStr | None = Field(None, description="influxdb v2: token; use !env or !file.")
    org: str = Field("", description="influxdb v2: organisation.")
    bucket: str = Field("envgw", description="influxdb: bucket (v2) or database (v1).")
    retention_policy: str = Field("", description="influxdb v1: retention policy; empty for the default one.")
    username: str | None = Field(None, description="influxdb v1: user.")
    password: SecretStr | None = Field(None, description="influxdb v1: password; use !env or !file.")
    ca_file: Path | None = Field(None, description="influxdb: PEM file of the CA, for https with a private one.")
    batch_lines: int = Field(5000, ge=1, le=50_000, description="Most lines written at once.")
    timeout: Duration = Field(_text("10s"), description="Whole time one write may take, answer included.")
    backoff_max: Duration = Field(
        _text("30s"), description="Longest pause between two tries; a longer Retry-After is honoured up to 5 min."
    )
    retention: Duration | None = Field(
        None, description="How long raw readings are kept; hourly and daily summaries, indices and alerts stay."
    )
    quota: Size = Field(_text("2GB"), description="Not required lanes: how much journal may wait for it before it is parked.")

    @model_validator(mode="after")
    def _complete(self) -> HistorySection:
        if self.kind == "influxdb" and not self.url:
            raise ValueError("an influxdb history needs `url`, for example http://localhost:8086")
        if self.retention is not None and self.retention < _SHORTEST_RETENTION_MS:
            raise ValueError("`retention` is shorter than 1h: write for example 90d (a bare number is seconds)")
        return self


class ReceiverSection(Section):
    """Somebody, or something, that is told about alerts."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name of the receiver in status and logs.")
    kind: Literal["webhook", "mqtt", "log", "apprise"] = Field(
        description="webhook: Alertmanager v4 JSON. mqtt: one retained topic per alert. log: terminal and log. apprise: e-mail, Telegram, Zalo …"
    )
    min_severity: Literal["info", "warning", "critical"] = Field("info", description="Alerts below this severity are not sent here.")
    send_resolved: bool = Field(True, description="Also tell when an alert is over.")
    language: Literal["vi", "en", "both"] = Field("both", description="Language of the text.")
    url: SecretStr | None = Field(None, description="webhook: http(s) address. apprise: an Apprise URL; use !env or !file.")
    broker: str | None = Field(None, description="mqtt: name of the broker (its address and credentials are used).")
    topic: str = Field(
        "envgw/alerts/{rule}/{station}",
        description="mqtt: topic of an alert; {rule}, {station}, {device}, {area}, {severity} are replaced.",
    )
    timeout: Duration = Field(_text("10s"), description="Whole time one delivery may take.")
    backoff_max: Duration = Field(_text("60s"), description="Longest pause between two tries.")
    give_up_after: Duration = Field(_text("24h"), description="A message older than this is set aside as undelivered, with the reason.")

    @model_validator(mode="after")
    def _complete(self) -> ReceiverSection:
        if self.kind in ("webhook", "apprise") and self.url is None:
            raise ValueError(f"a {self.kind} receiver needs `url`")
        if self.kind == "mqtt" and not self.broker:
            raise ValueError("an mqtt receiver needs `broker`: the name of one of the brokers")
        return self


class ApiSection(Section):
    """The HTTP API of the data-plane process."""

    enabled: bool = Field(True, description="Serve the API.")
    host: str = Field("127.0.0.1", description="Address to listen on. Loopback unless you say otherwise.")
    port: int = Field(8080, ge=0, le=65535, description="Port; 0 takes a free one.")
    event_buffer: int = Field(1000, ge=10, description="Events a slow event-stream client may be behind before it is disconnected.")


class TimeSection(Section):
    """Which device times are believed (semantics C1)."""

    accept_ahead: Duration = Field(_text("2m"), description="How far a device's clock may be ahead of receipt.")
    accept_past: Duration | Literal["unlimited"] = Field(_text("7d"), description="How old a device time may be; `unlimited` for archives.")


class LimitsSection(Section):
    """Bounds of what is held in memory (invariant 6)."""

    max_payload: Size = Field(_text("256KB"), description="Larger payloads are rejected as too-large.")
    qos0_queue: int = Field(10_000, ge=1, description="QoS 0 messages waiting; above it they are shed, counted, and health turns red.")
    batch_messages: int = Field(2000, ge=1, description="Most messages in one step and one commit.")
    device_counters: int = Field(
        100_000, ge=1, description="Unregistered device ids counted by name; further ones are counted together under `?`."
    )


class LedgerSection(Section):
    """The ledger: journal, snapshots, outbox."""

    file: Path = Field(Path("ledger.db"), description="SQLite file, relative to data_dir.")
    journal_retention: Duration = Field(_text("30d"), description="How long the journal is kept for replay and backtests.")
    journal_max_size: Size = Field(
        _text("20GB"), description="The journal is pruned to this size, but never before a required lane has it."
    )
    rejected_max: int = Field(1_000_000, ge=1, description="Open rejections kept with their raw bytes; beyond it the oldest go, counted.")
    snapshot_every: int = Field(50_000, ge=100, description="Messages between two snapshots of the core's state.")
    low_water: Size = Field(_text("256MB"), description="Below this free space on the disk taking in stops.")
    reserve: Size = Field(
        _text("32MB"), description="Preallocated file that is given up so that acknowledgements, cursors and pruning work on a full disk."
    )


class LogSection(Section):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")
    format: Literal["console", "json"] = Field("console", description="For people or for machines.")


class Settings(Section):
    """The whole configuration file."""

    gateway: GatewaySection = GatewaySection()
    brokers: list[BrokerSection] = Field([], description="Brokers to read from.")
    history: list[HistorySection] = Field([HistorySection(name="local", kind="duckdb")], description="Where readings are kept.")
    receivers: list[ReceiverSection] = Field([ReceiverSection(name="log", kind="log")], description="Who is told about alerts.")
    types: list[Path] = Field(
        [], description="Files or folders with device types of your own, beside the shipped ones. An entry may also be written out here."
    )
    stations: list[Path] = Field([], description="Registry files (stations and devices). An entry may also be written out here.")
    rules: list[Path] = Field([], description="Files or folders with alert rules. An entry may also be written out here.")
    api: ApiSection = ApiSection()
    time: TimeSection = TimeSection()
    limits: LimitsSection = LimitsSection()
    ledger: LedgerSection = LedgerSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _names(self) -> Settings:
        for what, items in (("broker", self.brokers), ("history", self.history), ("receiver", self.receivers)):
            names = [item.name for item in items]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} name {twice[0]!r} is used twice")
        brokers = {broker.name for broker in self.brokers}
        for receiver in self.receivers:
            if receiver.kind == "mqtt" and receiver.broker not in brokers:
                raise ValueError(f"receiver {receiver.name!r} names broker {receiver.broker!r}, which is not configured")
        return self
