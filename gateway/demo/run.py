"""`envgw demo`: embedded broker, simulated city, gateway and live page in one process, on the demo's own clock.

First start: the simulated 24 hours before now are taken in, so that there is a past to look at. Later starts go on
from the last journalled time: the demo's clock is not the wall's, and what lies between two runs did not happen.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from rich.console import Console
from rich.live import Live

from gateway import coreconfig, logs
from gateway.app import STOP_S, Gateway
from gateway.clock import Clock
from gateway.config import LoadedConfig, load
from gateway.core.inputs import Config, Input, Link, Start
from gateway.core.outcomes import Intent
from gateway.demo.backfill import backfill
from gateway.demo.city import DemoCity, demo_file, run_city
from gateway.demo.terminal import AlertView, DeliveryView, DemoView, StationView, ValueView, lines, render, summary
from gateway.embedded import EmbeddedBroker, EmbeddedOptions, claim_port
from gateway.errors import EnvgwError
from gateway.health import GREEN, overall
from gateway.ledger import Ledger
from gateway.notify.text import Text
from gateway.recovery import recover
from gateway.reload import Reader
from gateway.settings import LogSection
from gateway.simulate.options import BrokerOptions
from gateway.version import VERSION

log = structlog.get_logger("demo")

MEMORY_FILE = "demo-start"
"""Holds the demo's first instant (ms): the scenario's times are counted from it, in every run."""
BATCH = 1000
REFRESH_S = 0.5
PLAIN_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line says. Ports 0: free ones."""

    seconds: float | None = None
    speed: float = 240.0
    data: Path = Path("demo-data")
    port: int = 8080
    mqtt_port: int = 1883
    config: Path | None = None


async def run_demo(options: DemoOptions) -> int:
    """Run until Ctrl-C, SIGTERM or `options.seconds`; returns the exit code. Raises EnvgwError (a port taken, …)."""
    console = Console()
    live = console.is_terminal and options.seconds is None
    options.data.mkdir(parents=True, exist_ok=True)
    port = claim_port("127.0.0.1", options.port, "the API (choose another with --port)")
    broker = EmbeddedBroker(EmbeddedOptions(sensors_port=options.mqtt_port, gateway_port=0))
    began = time.monotonic()
    async with broker:
        loaded = _configure(options, broker, port)
        core = coreconfig.build(loaded)
        with _LogFile(loaded, options.data / "envgw.log"):
            city, resume_ms = _prepare(options, loaded, core, console)
            # Time stands still until all is up: on a slow machine a start takes an hour of the demo's time.
            clock = Clock(start_ms=resume_ms, speed=options.speed, running=False)
            deliveries: deque[DeliveryView] = deque(maxlen=100)

            def delivered(intent: Intent, text: Text) -> None:
                deliveries.append(DeliveryView(time_ms=intent.transition.event_ms, receiver="terminal", text=text.title))

            gateway = Gateway(loaded.settings, core, clock=clock, listener=delivered, reader=Reader(loaded))
            await gateway.start()
            await _connected(gateway)
            clock.start()
            page = _Page(gateway, broker, options, deliveries, began)
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop.set)
            loop.add_signal_handler(signal.SIGHUP, gateway.request_reload)
            sensors = asyncio.create_task(
                run_city(city, broker=BrokerOptions(url=broker.sensors_url), clock=clock, since_ms=resume_ms, stop=stop), name="demo city"
            )
            watch = asyncio.create_task(_watch(gateway, stop, options.seconds), name="demo watch")
            try:
                await _show(page, stop, console, live)
            finally:
                stop.set()
                # The sensors stop here, on purpose: what is silent from now on is nobody's fault.
                gateway.inbox.link("demo", up=False)
                await asyncio.wait([sensors, watch], timeout=3.0)
                await _drained(gateway)
                final = await page.view()
                async with asyncio.timeout(STOP_S):
                    await gateway.stop()
            console.print(summary(final), highlight=False, markup=False, soft_wrap=True)
            if gateway.failure:
                raise EnvgwError(f"the gateway stopped by itself: {gateway.failure}")
            if sensors.done() and not sensors.cancelled() and sensors.exception() is not None:
                raise EnvgwError(f"the simulated sensors stopped: {sensors.exception()}")
    return 0


def _configure(options: DemoOptions, broker: EmbeddedBroker, port: int) -> LoadedConfig:
    """The demo's configuration with this run's ports and folder."""
    chosen = {"ENVGW_GATEWAY__DATA_DIR": str(options.data.absolute()), "ENVGW_API__PORT": str(port)}
    loaded = load(options.config or demo_file("envgw.yaml"), environ={**os.environ, **chosen})
    brokers = [item.model_copy(update={"url": broker.gateway_url}) if item.name == "demo" else item for item in loaded.settings.brokers]
    changed = loaded.settings.model_copy(update={"brokers": brokers})
    return replace(loaded, settings=changed)


def _prepare(options: DemoOptions, loaded: LoadedConfig, core: coreconfig.CoreConfig, console: Console) -> tuple[DemoCity, int]:
    """(the demo's city, the instant at which this run goes on)."""
    memory = options.data / MEMORY_FILE
    if memory.exists():
        start_ms = int(memory.read_text())
        with Ledger(options.data / loaded.settings.ledger.file, loaded.settings.ledger) as ledger:
            last = ledger.last_received_ms()
        console.print(f"going on with the demo in {options.data}/", highlight=False)
        return DemoCity(start_ms=start_ms), max(start_ms, last) + 1
    start_ms = int(time.time()) * 1000
    city = DemoCity(start_ms=start_ms)
    began = time.monotonic()
    count = _backfill(options.data, loaded, core, city, start_ms)
    memory.write_text(str(start_ms))
    console.print(f"took in the simulated 24 hours before now: {count} messages in {time.monotonic() - began:.1f} s", highlight=False)
    return city, start_ms


def _backfill(data: Path, loaded: LoadedConfig, config: coreconfig.CoreConfig, city: DemoCity, start_ms: int) -> int:
    """Take the past in through core and ledger, as if it had been received then. Receivers come later: nobody is told."""
    count = 0
    with Ledger(data / loaded.settings.ledger.file, loaded.settings.ledger) as ledger:
        core, _ = recover(ledger)
        messages = list(backfill(city, start_ms))
        first = messages[0].received_ms - 1
        inputs: list[Input] = [Start(first, VERSION), Config(first, config.digest, config.text), Link(first, "demo", True)]
        ledger.commit(inputs, core.step(inputs))
        for at in range(0, len(messages), BATCH):
            batch = messages[at : at + BATCH]
            ledger.commit(batch, core.step(batch))
            count += len(batch)
    return count


async def _connected(gateway: Gateway) -> None:
    """Until the gateway has subscribed, or a while: then health says why it has not."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline and not all(source.health.drained for source in gateway.sources):
        await asyncio.sleep(0.02)


async def _watch(gateway: Gateway, stop: asyncio.Event, seconds: float | None) -> None:
    """Stop when the time is over or the gateway gave up."""
    try:
        async with asyncio.timeout(seconds):
            await gateway.stopped.wait()
    except TimeoutError:
        pass
    stop.set()


async def _drained(gateway: Gateway) -> None:
    """The last messages are on their way through broker and gateway: give them the moment they need."""
    seen, quiet = -1, 0
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline and quiet < 3:
        now = gateway.pipeline.seq
        quiet = quiet + 1 if now == seen else 0
        seen = now
        await asyncio.sleep(0.1)


async def _show(page: _Page, stop: asyncio.Event, console: Console, live: bool) -> None:
    if live:
        with Live(render(await page.view()), console=console, screen=True, auto_refresh=False) as shown:
            while not stop.is_set():
                shown.update(render(await page.view()), refresh=True)
                await _pause(stop, REFRESH_S)
        return
    before: DemoView | None = None
    while not stop.is_set():
        view = await page.view()
        for text in lines(view, before):
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        before = view
        await _pause(stop, PLAIN_EVERY_S)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


class _LogFile:
    """Sends the log to a file while the page has the terminal."""

    def __init__(self, loaded: LoadedConfig, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        logs.setup(loaded.settings.log, logs.secrets_of(loaded.settings), self._file)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        logs.setup(LogSection())
        self._file.close()


@dataclass(slots=True)
class _Page:
    """Fills the terminal page from the running gateway."""

    gateway: Gateway
    broker: EmbeddedBroker
    options: DemoOptions
    deliveries: deque[DeliveryView]
    began: float
    _known: dict[str, str] | None = None
    """Episodes of earlier runs and the state in which this run found them."""

    async def view(self) -> DemoView:
        gateway = self.gateway
        status = await gateway.standing.status()
        episodes = await gateway.ledger.read(lambda ledger: ledger.episodes(None, None, 1000))
        if self._known is None:
            self._known = {episode.latest.episode: episode.latest.state for episode in episodes}
        new = [episode for episode in episodes if self._known.get(episode.latest.episode) != "resolved"]
        open_ = [episode.latest for episode in episodes if episode.latest.state != "resolved"]
        parts = gateway.standing.parts()
        data = self.options.data
        return DemoView(
            now_ms=gateway.clock.now_ms(),
            speed=self.options.speed,
            real_seconds=time.monotonic() - self.began,
            stations=self._stations({item.station: item.severity for item in reversed(open_)}),
            alerts=[
                AlertView(
                    episode=item.episode,
                    name_vi=item.names.get("vi", item.rule),
                    name_en=item.names.get("en", item.rule),
                    station_vi=gateway.describer.station(item.station, "vi") or item.device,
                    severity=item.severity,
                    state=item.state,
                    since_ms=item.started_ms,
                    value=item.value,
                    unit=gateway.describer.unit(item.parameter, item.unit),
                )
                for item in open_
            ],
            deliveries=list(self.deliveries),
            received=status["received"],
            stored=status["stored"],
            rejected=sum(status["rejected"].values()),
            duplicate=status["duplicate"],
            shed=status["shed"],
            rejected_by_reason=status["rejected"],
            pending=status["pending"],
            health=str(overall(parts)),
            reasons=[f"{part.name}: {part.reason}" for part in parts if part.colour is not GREEN],
            places={
                "API": f"http://127.0.0.1:{gateway.api_port}/api/v1/status",
                "MQTT": self.broker.sensors_url,
                "data": f"{data}/",
                "log": f"{data}/envgw.log",
            },
            raised=sum(1 for episode in new if episode.latest.episode not in self._known),
            resolved=sum(1 for episode in new if episode.latest.state == "resolved"),
            delivered=sum(lane.health.sent for lane in gateway.receiver_lanes),
        )

    def _stations(self, severities: dict[str, str]) -> Sequence[StationView]:
        core = self.gateway.core
        found = []
        for name, entry in core.interpreter.registry.stations.items():
            state = core.stations.get(name)
            shown = {key: newest for key, value in state.parameters.items() if (newest := value.shown)} if state else {}
            found.append(
                StationView(
                    id=name,
                    name_vi=entry.name.get("vi", name),
                    name_en=entry.name.get("en", name),
                    medium=entry.medium,
                    values={key: ValueView(value.value, value.flag) for key, value in shown.items()},
                    time_ms=max((value.time_ms for value in shown.values()), default=None),
                    severity=severities.get(name),
                )
            )
        return found
