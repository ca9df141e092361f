"""All parts of the gateway, wired in one place: what there is, in which order it starts, and in which it stops.

    start:  ledger ─▶ core (snapshot + journal) ─▶ pipeline ─▶ sources ─▶ lanes ─▶ API
    stop:   sources ─▶ inbox drained, last commit, snapshot ─▶ lanes ─▶ API ─▶ ledger

Kept as one long class on purpose: splitting the wiring would hide the flow of data.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from devices import loader
from gateway import gauges
from gateway.accounting import Accountant
from gateway.api.events import EventHub
from gateway.api.start import start as start_api
from gateway.clock import Clock
from gateway.committed import Committed
from gateway.core.accounted import OWN_MEDIUM
from gateway.core.inputs import Adopt, ClockJump, Config, Input, Start
from gateway.core.outcomes import Outcomes
from gateway.coreconfig import CoreConfig
from gateway.delivery import HistoryLane, ReceiverLane
from gateway.errors import DeliveryError, EnvgwError
from gateway.history.base import Compacting, History
from gateway.history.factory import make_history
from gateway.ledger import AsyncLedger, CommitFailed, Ledger
from gateway.metrics import Metrics
from gateway.mqtt.factory import make_sources
from gateway.mqtt.inbox import SharedInbox
from gateway.mqtt.source import Source
from gateway.notify.base import Keeper, Receiver
from gateway.notify.describe import Describer, ParameterText
from gateway.notify.factory import make_receiver
from gateway.notify.filter import told
from gateway.notify.log import Listener
from gateway.pipeline import Pipeline
from gateway.recovery import recover
from gateway.reload import Reader, Reloader
from gateway.retention import Retention
from gateway.sdnotify import READY, STOPPING, Notifier
from gateway.settings import Settings
from gateway.standing import Standing
from gateway.supervise import Tasks
from gateway.version import VERSION
from gateway.view import View

log = structlog.get_logger("gateway")

STOP_S = 10.0
"""A SIGTERM is answered within this, with everything committed (house rule)."""

GATHER_S = 0.02
"""Under load there is a commit this often, not one for each socket read: a tenth of the CPU, and no alert waits longer."""

COLLECT_AFTER = (20_000, 20, 100)
"""The garbage collector's thresholds (default 700, 10, 10): a batch of 2,000 messages makes some 10,000 objects that die by themselves."""

BEGIN_S = 0.3
"""Lanes and API start when every broker's backlog is taken in, or so much later (real seconds)."""

HOUSEKEEPING_S = 5.0
"""How often pruning, gauges and health are brought up to date (real seconds)."""

COMPACT_S = 20.0
"""How often a history looks through what is new for values that were replaced since: 200,000 a time, 10,000 a second (real seconds)."""


class Gateway:
    """The data-plane process. `start`, then wait for `stopped`, then `stop`."""

    def __init__(
        self, settings: Settings, config: CoreConfig, *, clock: Clock | None = None, listener: Listener | None = None,
        reader: Reader | None = None,
    ) -> None:  # fmt: skip
        """`reader` reads the configuration's files again, for a reload."""
        self.settings = settings
        self.config = config
        self.clock = clock or Clock()
        self.stopped = asyncio.Event()
        """Set when the gateway must stop (a vital task crashed, or `request_stop`)."""
        self.failure = ""
        """Why it stopped by itself; empty for an orderly stop."""
        data_dir = settings.gateway.data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = Path(data_dir)
        self.ledger = AsyncLedger(Ledger(self.data_dir / settings.ledger.file, settings.ledger))
        try:
            self.core, self.recovered = recover(self.ledger.ledger, (config.digest, config.interpreter))
        except BaseException:
            self.ledger.ledger.close()
            raise
        tick_s = min(1.0, max(0.05, 15.0 / self.clock.speed))
        self.inbox = SharedInbox(
            self.clock,
            qos0_limit=settings.limits.qos0_queue,
            max_batch=settings.limits.batch_messages,
            tick_every_s=tick_s,
            gather_s=GATHER_S,
        )
        self.sources: list[Source] = list(make_sources(settings, data_dir=self.data_dir).values())
        self.histories: list[History] = [make_history(section, self.data_dir) for section in settings.history]
        self.describer = describer(config, settings.gateway.timezone)
        self._station_names = dict(self.describer.stations)
        self.describer = replace(self.describer, stations=self._station_names)
        brokers = {broker.name: broker for broker in settings.brokers}
        self.receivers = [
            make_receiver(section, describer=self.describer, brokers=brokers, gateway=settings.gateway.id, listener=listener)
            for section in settings.receivers
        ]
        self.metrics = Metrics()
        self.accountant = Accountant(self)
        self.events = EventHub(
            buffer=settings.api.event_buffer,
            units={name: item.unit for name, item in loader.catalogue().items()}
            | {name: item.unit for name, item in loader.derived_table().items()},
            start_ms=self.clock.now_ms(),
        )
        self.reloader = Reloader(self, reader)
        self.standing = Standing(self)
        self.view = View(self)
        self.tasks = Tasks(self._vital_crash)
        self.pipeline = Pipeline(
            core=self.core,
            ledger=self.ledger,
            inbox=self.inbox,
            sources=self.sources,
            observer=self,
            snapshot_every=settings.ledger.snapshot_every,
        )
        self.shown = Committed(self.core, ahead=lambda: self.pipeline.ahead, stuck=lambda: bool(self.pipeline.trouble))
        self.history_lanes: list[HistoryLane] = []
        self.receiver_lanes: list[ReceiverLane] = []
        self.api_port: int | None = None
        self._api: Any = None
        self._reloads: set[asyncio.Task[Any]] = set()

    # ------------------------------------------------------------------ start

    async def start(self) -> None:
        """Bring everything up. Raises EnvgwError (port in use, …); then nothing is left running."""
        try:
            await self._first_inputs()
            await self._register_lanes()
            self.tasks.start("pipeline", self.pipeline.run, vital=True)
            for source in self.sources:
                self.tasks.start(f"source {source.name}", partial(source.run, self.inbox))
            await self._let_sources_begin()
            await self._start_lanes()
            self.tasks.start("housekeeping", self._housekeeping)
            self.tasks.start("compaction", self._compact)
            self.tasks.start("accounting", self.accountant.run)
            self.tasks.start("retention", Retention(self.settings.history, self.clock.now_ms).run)
            self.tasks.start("warm receivers", self._warm_receivers)
            self.tasks.start("watch files", self.reloader.watch)
            if self.settings.api.enabled:
                await self._start_api()
        except BaseException:
            await self.stop()
            raise
        log.info("gateway started", version=VERSION, recovered=self.recovered._asdict(), data=str(self.data_dir), port=self.api_port)

    async def _first_inputs(self) -> None:
        """Semantics A6: every start, configuration change and clock step is in the journal."""
        last = self.core.state.last_received_ms
        now = self.inbox.now_ms()
        inputs: list[Input] = []
        if now < last:
            log.warning("the clock is behind the journal: stepped back while the gateway was down", seconds=(last - now) / 1000)
            inputs.append(ClockJump(now, now - last))
        if self.core.state.version not in ("", VERSION):
            open_ = await self.ledger.read(lambda ledger: [episode.latest for episode in ledger.episodes("open", None, 1_000_000)])
            log.info("upgraded: what was announced before is adopted", before=self.core.state.version, now=VERSION, episodes=len(open_))
            inputs.append(Adopt(now, tuple(sorted(open_, key=lambda item: item.episode))))
        inputs.append(Start(now, VERSION))
        if self.core.state.config != self.config.digest:
            hydration = await self.reloader.hydrate(self.config)
            inputs.append(Config(now, self.config.digest, self.config.text, hydration.windows))
        outcomes = self.core.step(inputs)
        await self.ledger.commit(inputs, outcomes)
        self.pipeline.seq = self.ledger.ledger.head
        self.shown.now(changed=True)

    async def _register_lanes(self) -> None:
        histories, receivers = self.settings.history, self.settings.receivers

        def register(ledger: Ledger) -> list[str]:
            gone = [state.name for state in ledger.lane_states() if state.name not in {section.name for section in histories}]
            for name in gone:
                ledger.retire_lane(name)
            for section in histories:
                ledger.register_lane(section.name, section.kind, required=section.required, quota=section.quota)
            for name in set(ledger.receivers()) - {section.name for section in receivers}:
                ledger.retire_receiver(name)
            for wanted in receivers:
                ledger.register_receiver(wanted.name)
            return gone

        for name in await self.ledger.write(register):
            log.warning("history lane is not configured any more: it pins the journal no longer", lane=name)

    async def _let_sources_begin(self) -> None:
        """A moment for the first readings to be committed: lanes and API import large libraries, which would hold them up."""
        loop = asyncio.get_running_loop()
        until = loop.time() + BEGIN_S
        while loop.time() < until and not all(source.health.drained for source in self.sources):
            await asyncio.sleep(0.01)

    async def _start_lanes(self) -> None:
        histories, receivers = self.settings.history, self.settings.receivers
        for section, history in zip(histories, self.histories, strict=True):
            lane = HistoryLane(history=history, ledger=self.ledger, settings=section, now_ms=self.clock.now_ms)
            self.history_lanes.append(lane)
            self.tasks.start(f"history {lane.name}", lane.run)
        open_alerts = await self.ledger.read(lambda ledger: ledger.episodes("open", None, 100_000))
        for section_, receiver in zip(receivers, self.receivers, strict=True):
            out = ReceiverLane(receiver=receiver, ledger=self.ledger, settings=section_, now_ms=self.clock.now_ms)
            self.receiver_lanes.append(out)
            self.tasks.start(f"receiver {out.name}", out.run)
            if isinstance(receiver, Keeper):
                receiver.recall([item.latest for item in open_alerts if told(section_, item.history)])
                self.tasks.start(f"kept {out.name}", receiver.keep)

    async def _start_api(self) -> None:
        self._api = await start_api(self.view, self.settings.api)
        self.api_port = self._api.port

    async def _warm_receivers(self) -> None:
        """Import what the first alert would otherwise wait for."""
        for receiver in self.receivers:
            warm = getattr(receiver, "warm", None)
            if warm is not None:
                await warm()

    # ------------------------------------------------------------------ stop

    def request_stop(self) -> None:
        """Begin an orderly stop (SIGTERM, SIGINT, Ctrl-C). Idempotent."""
        self.stopped.set()

    def request_reload(self) -> None:
        """Read the configuration again (SIGHUP). What comes of it is in the log and in health."""
        task = asyncio.get_running_loop().create_task(self.reloader.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    def _vital_crash(self, reason: str) -> None:
        self.failure = reason
        self.stopped.set()

    async def stop(self) -> None:
        """Stop in the order of the flow, within `STOP_S`. Idempotent."""
        await self.tasks.stop(*(f"source {source.name}" for source in self.sources), within_s=2.0)
        self.inbox.close(drain=not self.pipeline.trouble)
        pipeline = self.tasks.task("pipeline")
        if pipeline is not None:
            _, late = await asyncio.wait([pipeline], timeout=4.0)
            if late:
                log.error("the last batch could not be committed; it is not acknowledged, the brokers send it again")
                await self.tasks.stop("pipeline", within_s=1.0)
        await self._let_lanes_finish(1.0)
        await self.tasks.stop(
            "housekeeping",
            "compaction",
            "accounting",
            "retention",
            "warm receivers",
            "watch files",
            *(f"history {section.name}" for section in self.settings.history),
            *(f"{what} {section.name}" for section in self.settings.receivers for what in ("receiver", "kept")),
            within_s=2.0,
        )
        self.events.close()
        if self._api is not None:
            await self._api.stop()
            self._api = None
        parts: list[History | Receiver] = [*self.histories, *self.receivers]
        for part in parts:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await part.close()
        await self.ledger.close()
        log.info("gateway stopped")

    async def _let_lanes_finish(self, within_s: float) -> None:
        """Give lanes that keep up the moment they need; one that is behind goes on from its cursor at the next start."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while loop.time() < deadline and any(lane.health.backlog_lines and not lane.health.reason for lane in self.history_lanes):
            await asyncio.sleep(0.02)

    # ------------------------------------------------------------------ what was committed

    def committed(self, outcomes: Outcomes, received: dict[str, int], *, step_s: float, commit_s: float) -> None:
        """Called by the pipeline after each commit."""
        self.metrics.batch(outcomes, received, step_s, commit_s)
        self.accountant.committed(commit_s)
        self.shown.now(changed=bool(outcomes.transitions or outcomes.rejections or outcomes.replayed))
        if self.events.clients:
            self.events.publish([*(line for line in outcomes.lines if line.values and line.medium != OWN_MEDIUM), *outcomes.transitions])

    def configured(self, config: CoreConfig) -> None:
        """Another configuration is in force: names in texts are its own."""
        self.config = config
        names = describer(config, self.settings.gateway.timezone).stations
        self._station_names.clear()
        self._station_names.update(names)

    async def _housekeeping(self) -> None:
        while True:
            await self.shown.newest()
            with contextlib.suppress(CommitFailed):  # pruning goes on when the disk does; the pipeline's trouble tells of it
                await self.ledger.prune(self.clock.now_ms(), most_s=0.5)
            self.standing.parts()  # notes when something was first seen, though nobody may ask
            await asyncio.sleep(HOUSEKEEPING_S)

    async def _compact(self) -> None:
        """In the history's own thread: commits do not wait for it."""
        while True:
            await asyncio.sleep(COMPACT_S)
            for history in self.histories:
                if isinstance(history, Compacting):
                    with contextlib.suppress(DeliveryError):  # its lane meets the same trouble, and tells of it
                        await history.compact()
                        await history.expire(self.clock.now_ms())

    # ------------------------------------------------------------------ for those who ask

    def metrics_text(self) -> bytes:
        """Gauges are brought up to date when somebody asks."""
        gauges.update(self)
        return self.metrics.text()

    def query_history(self) -> History | None:
        """The history that answers queries: the embedded one if there is one, else the first."""
        for section, history in zip(self.settings.history, self.histories, strict=True):
            if section.kind == "duckdb":
                return history
        return self.histories[0] if self.histories else None


def describer(config: CoreConfig, timezone: str) -> Describer:
    """Names for texts, from the registry and the catalogue."""
    registry = config.interpreter.registry
    return Describer(
        stations={name: station.name for name, station in registry.stations.items()},
        parameters={
            name: ParameterText({str(key): text for key, text in item.name.items()}, item.display)
            for name, item in loader.catalogue().items()
        }
        | {
            name: ParameterText({str(key): text for key, text in item.name.items()}, "" if item.unit == "1" else item.display)
            for name, item in loader.derived_table().items()
        },
        timezone=timezone,
    )


def _spare_the_collector() -> None:
    """What is there now (code, registry, compiled types, state) stays for ever: the garbage collector need not walk it again.

    Messages and readings are freed by reference counts; the collector is only there for rare cycles, so it looks seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def run(settings: Settings, config: CoreConfig, reader: Reader | None = None) -> int:
    """`envgw run`: until SIGTERM or SIGINT; a second one changes nothing: the end is orderly, and bounded. Returns the exit code.

    SIGHUP reads the configuration again.
    """
    import signal

    gateway = Gateway(settings, config, reader=reader)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.request_stop)
    loop.add_signal_handler(signal.SIGHUP, gateway.request_reload)
    await gateway.start()
    _spare_the_collector()
    systemd = Notifier()
    systemd.say(READY)
    alive = asyncio.create_task(systemd.keep_alive(), name="systemd's watchdog")
    await gateway.stopped.wait()
    systemd.say(STOPPING)
    alive.cancel()
    try:
        async with asyncio.timeout(STOP_S - 0.5):
            await gateway.stop()
    except TimeoutError:
        log.error("not everything stopped in time; what is not acknowledged comes again")
        return 1
    finally:
        gc.unfreeze()  # else native modules complain at the end of what was never taken back
    if gateway.failure:
        raise EnvgwError(f"the gateway stopped by itself: {gateway.failure}")
    return 0
