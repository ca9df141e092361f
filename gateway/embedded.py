"""The embedded broker of the demo and of tests: rumqttd (package `iotcore`) in a child process.

Sensors speak MQTT 3.1.1 to one listener, the gateway MQTT 5 to another on loopback; topics are shared. It is for demo
and test, and says so: it acknowledges sensors from memory, forgets sessions when it restarts, and loses messages
silently once a slow subscriber lets its segments fill up (so they are large). Production uses mosquitto with persistence.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from iotcore import Broker

from gateway.errors import EnvgwError

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0

# A segment holds messages for subscribers that have not read them yet. 64 × 16 MB are a bound, not an allocation: rumqttd
# takes memory as messages come, so the demo needs a few MB, and 1 GB of backlog is 2 million readings.
_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 64

[v4.1]
name = "sensors"
listen = "{sensors_host}:{sensors_port}"
next_connection_delay_ms = 1
    [v4.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = {max_payload}
    max_inflight_count = 500
    dynamic_filters = true

[v5.1]
name = "gateway"
listen = "127.0.0.1:{gateway_port}"
next_connection_delay_ms = 1
    [v5.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = {max_payload}
    max_inflight_count = 500
    dynamic_filters = true
"""


class EmbeddedBrokerError(EnvgwError):
    """The embedded broker cannot be started: the text says why, and what to do."""


class PortTakenError(EmbeddedBrokerError):
    """A port is in use. `port` is which."""

    def __init__(self, port: int, host: str, what: str) -> None:
        super().__init__(
            f"port {port} on {host} is already in use, but {what} should listen there. "
            f"Stop the program that uses it (`ss -ltnp 'sport = :{port}'` shows which), or choose another port"
        )
        self.port = port


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedOptions:
    """Ports (0: a free one). Sensors may connect from `sensors_host`; the gateway always connects on loopback."""

    sensors_host: str = "127.0.0.1"
    sensors_port: int = 1883
    gateway_port: int = 1884
    max_payload: int = 1_048_576


class EmbeddedBroker:
    """The broker, from `start` to `stop`; also an async context manager. Both methods may be called again."""

    def __init__(self, options: EmbeddedOptions | None = None) -> None:
        self._options = options or EmbeddedOptions()
        self._broker: Broker | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.sensors_port = self._options.sensors_port
        """The port in use once started."""
        self.gateway_port = self._options.gateway_port

    @property
    def sensors_url(self) -> str:
        """Where sensors and the simulator connect (MQTT 3.1.1)."""
        return f"mqtt://{_reachable(self._options.sensors_host)}:{self.sensors_port}"

    @property
    def gateway_url(self) -> str:
        """Where the gateway connects (MQTT 5)."""
        return f"mqtt://127.0.0.1:{self.gateway_port}"

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        process = self._broker._process if self._broker is not None else None
        return None if process is None else int(process.pid)

    @property
    def running(self) -> bool:
        """Whether the child process is alive."""
        return self._broker is not None and bool(self._broker.is_running)

    async def start(self) -> None:
        """Start, and return once both listeners accept connections. Raises `PortTakenError`, `EmbeddedBrokerError`."""
        if self.running:
            return
        options = self._options
        self.sensors_port = claim_port(options.sensors_host, options.sensors_port, "the embedded broker (sensors, MQTT 3.1.1)")
        self.gateway_port = claim_port("127.0.0.1", options.gateway_port, "the embedded broker (gateway, MQTT 5)")
        if self.sensors_port == self.gateway_port:
            raise EmbeddedBrokerError(f"sensors and gateway both have port {self.sensors_port}: choose two different ones")
        self._folder = tempfile.TemporaryDirectory(prefix="envgw-broker-")
        config = Path(self._folder.name) / "mqtt.toml"
        config.write_text(
            _CONFIG.format(
                sensors_host=options.sensors_host,
                sensors_port=self.sensors_port,
                gateway_port=self.gateway_port,
                max_payload=options.max_payload,
            ),
            encoding="utf-8",
        )
        self._broker = Broker(config_path=str(config))
        try:
            await asyncio.to_thread(_start_deaf_to_interrupts, self._broker)
        except (OSError, RuntimeError) as error:
            await self.stop()
            raise EmbeddedBrokerError(f"the embedded broker did not start: {error}") from error

    async def stop(self) -> None:
        """Stop the child process and give its ports back."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await asyncio.to_thread(broker.stop, _STOP_TIMEOUT_S)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def __aenter__(self) -> EmbeddedBroker:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()


def _start_deaf_to_interrupts(broker: Broker) -> None:
    """Ctrl-C in a terminal goes to every process of its group: the broker must outlive it, so that the gateway can finish
    and acknowledge first. A child inherits the signal mask of the thread that starts it. (It ends when its stdin closes.)
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        broker.start(_START_TIMEOUT_S)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def claim_port(host: str, port: int, what: str) -> int:
    """`port` if it can be listened on, a free one for 0. Raises `PortTakenError` that says what it is for.

    The port is let go again before the broker takes it, so a race is possible; the broker's own start then fails.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise EmbeddedBrokerError(f"port {port} on {host} is reserved for the superuser: choose one above 1023") from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(port, host, what) from error
            raise EmbeddedBrokerError(f"{what} cannot listen on {host}:{port}: {error.strerror}") from error
        # SO_REUSEADDR lets a bind pass beside some listeners; a listener that accepts is the proof that matters.
        if port and _accepts(_reachable(host), port):
            raise PortTakenError(port, host, what)
        return int(probe.getsockname()[1])


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.2):
            return True
    except OSError:
        return False


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "", "::") else host
