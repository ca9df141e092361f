"""A trial: the production core in virtual time. Readings go in, already decoded; what rules made of them comes out.

    Given(time, device, values) ──▶ ticks at every instant at which something is due (semantics E8)
                                ──▶ `Core.step`: judged (D4), summed up, watched, exactly as in the gateway
                                ──▶ transitions, in the order in which the gateway would have recorded them

Only the decoding of payloads is left out: a reading comes in its canonical unit, calibrated, as an amount and not as a running
total, because that is what histories and series hold. Its flag is worked out anew.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from devices import loader
from devices.interpret import Interpreted, Interpreter, Outcome, build_interpreter
from devices.quality import Spans
from devices.reading import Value
from devices.stations import Device
from gateway.core import Core, config_digest, config_text
from gateway.core.inputs import Config, Input, Link, Message, Start, Tick
from gateway.core.judging import Series
from gateway.core.outcomes import Outcomes, Transition
from gateway.core.state import StationState
from gateway.core.summing import Summing

SOURCE = "trial"
"""The broker of stations that a trial makes up."""


class Given(NamedTuple):
    """What one device said at one instant."""

    received_ms: int
    time_ms: int
    device: str
    values: Mapping[str, float | None]
    """In canonical units; None: said to be missing."""


class Trial:
    """One run of one configuration. `feed` readings in the order of their receipt, then `finish`."""

    def __init__(self, plain: Mapping[str, Any], start_ms: int) -> None:
        """`plain` is a core configuration (`gateway.coreconfig`). Every broker is up from the start, and stays so."""
        self._decoded = _Decoded(build_interpreter(dict(plain)))
        text = config_text(dict(plain))
        digest = config_digest(text)
        self.core = Core((digest, self._decoded))
        self.core.summing = _OnlyForRules(self.core, [str(rule) for rule in plain["rules"]])
        self.transitions: list[Transition] = []
        self.told: set[str] = set()
        """Episodes of which receivers would have been told."""
        self.readings = 0
        self._sources = sorted(self._decoded.sources)
        self._step([Start(start_ms, "trial"), Config(start_ms, digest, text), *(Link(start_ms, name, True) for name in self._sources)])
        self._makers = {name: _Maker(device, self._decoded, self._sources) for name, device in self._decoded.registry.devices.items()}

    def feed(self, given: Given) -> None:
        """Let a device speak. Raises KeyError if the configuration does not know it."""
        maker = self._makers[given.device]
        self.until(given.received_ms)
        self.readings += 1
        self._decoded.next = maker.interpreted(given)
        # The payload only tells one message from another: a second reading of an instant revises the first.
        self._step([Message(given.received_ms, maker.source, given.device, b"%d" % self.readings, 1, False, False, 1)])

    def until(self, now_ms: int) -> None:
        """Let the clock go on to this instant, with a tick at each instant at which something is due."""
        core = self.core
        while (due := core.next_due_ms()) < now_ms:
            self._step([Tick(due)])
            if core.next_due_ms() <= due:
                break  # what is due cannot be done now: the next input asks again

    def finish(self, now_ms: int) -> None:
        """The end of the trial: what is due until then happens."""
        self.until(now_ms)
        self._step([Tick(now_ms)])

    def _step(self, inputs: list[Input]) -> None:
        out = self.core.step(inputs)
        if out.transitions:
            self.transitions.extend(out.transitions)
        if out.intents:
            self.told.update(intent.transition.episode for intent in out.intents if not intent.quiet)


def run(plain: Mapping[str, Any], given: Iterable[Given], start_ms: int, until_ms: int) -> Trial:
    """A whole trial."""
    trial = Trial(plain, start_ms)
    for item in given:
        trial.feed(item)
    trial.finish(until_ms)
    return trial


class _OnlyForRules(Summing):
    """Hours, as far as rules see something of them: half of a backtest's time would go into summaries that nobody reads."""

    def __init__(self, core: Core, rules: list[str]) -> None:
        super().__init__(core)
        derived = loader.derived_table()
        words = {word for rule in rules for word in re.findall(r"\w+", rule)}
        self.only = self._seen = frozenset(name for name in derived if name in words)
        """Derived parameters that rules name (or whose name stands elsewhere in them: then hours are closed for nothing)."""

    def passed(self, station: StationState, event_ms: int, received_ms: int, out: Outcomes) -> None:
        if self._seen:
            super().passed(station, event_ms, received_ms, out)

    def revised(self, station: StationState, hour: int, received_ms: int) -> None:
        if self._seen:
            super().revised(station, hour, received_ms)

    def _write(
        self, station: StationState, parts: list[tuple[Device, dict[str, Series]]], hour: int, now_ms: int, out: Outcomes,
        *, final: bool = False, newest: bool = False,
    ) -> None:  # fmt: skip
        if not final:  # the last word on an hour comes after rules have seen it
            super()._write(station, parts, hour, now_ms, out, final=final, newest=newest)

    def _mark_final(self, station: StationState, parts: list[tuple[Device, dict[str, Series]]], hour: int, out: Outcomes) -> None:
        pass  # for the histories too

    def _settle_into_days(self, parts: list[tuple[Device, dict[str, Series]]], before: int) -> None:
        """Daily summaries are nothing that rules see."""

    def _tell(self, station: StationState, area: str, at: int, values: dict[str, float], now_ms: int, out: Outcomes) -> None:
        values = {name: value for name, value in values.items() if name in self._seen}
        if values:
            super()._tell(station, area, at, values, now_ms, out)


class _Maker:
    """Makes of a device's numbers what decoding would have made of its messages."""

    def __init__(self, device: Device, interpreter: Interpreter, sources: list[str]) -> None:
        # Values are amounts and calibrated already.
        self._device = dataclasses.replace(device, accumulates=None, corrections=None)
        self.source = device.broker if device.broker in sources else sources[0] if sources else SOURCE
        kind = interpreter.types[device.type]
        self._medium, self._spans, self._catalogue = kind.medium, dict(kind.spans), interpreter.catalogue

    def interpreted(self, given: Given) -> Interpreted:
        values: list[Value] = []
        extra: list[Value] = []
        for name, number in given.values.items():
            spans = self._spans.get(name)
            if spans is None:
                spans = self._spans[name] = Spans(self._catalogue[name].plausible)
            (values if self._catalogue[name].medium == self._medium else extra).append(Value(name, number, spans.flag(number)))
        return Interpreted(self._device, given.time_ms, values, extra, [])


class _Decoded(Interpreter):
    """An interpreter that is given what the next message says."""

    next: Interpreted

    def __init__(self, base: Interpreter) -> None:
        super().__init__(catalogue=base.catalogue, types=base.types, registry=base.registry, routes=(), max_payload=1)
        self.sources = base.sources

    def interpret(self, source: str, topic: str, payload: bytes, received_ms: int) -> Outcome:
        return self.next
