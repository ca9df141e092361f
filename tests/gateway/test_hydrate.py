"""New windows are filled from the journal before they go live (semantics E6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core import Core, config_digest, config_text
from gateway.core.inputs import Config, Input
from gateway.core.outcomes import Outcomes
from gateway.hydrate import Hydrating, Hydration, known
from gateway.ledger import Ledger
from gateway.recovery import recover
from gateway.settings import LedgerSection
from tests.gateway.core.test_core_rules import rule
from tests.tools.town import MIN, NOW, air, first, plain


def data(*rules: dict[str, Any]) -> dict[str, Any]:
    return plain(air=2, water=0, rules=list(rules))


class Plant:
    """A core and a ledger, as the pipeline drives them."""

    def __init__(self, folder: Path, start: dict[str, Any]) -> None:
        self.ledger = Ledger(folder / "ledger.db", LedgerSection(low_water=1, reserve=0))
        self.core = Core()
        self.take(*first(start))

    def take(self, *inputs: Input) -> Outcomes:
        out = self.core.step(inputs)
        self.ledger.commit(inputs, out)
        return out

    def hydrate(self, new: dict[str, Any], at_ms: int) -> tuple[Hydrating, Hydration]:
        work = Hydrating(new, known(self.core), at_ms)
        while work.needed and work.take_in(self.ledger):
            pass
        return work, work.result()

    def change(self, new: dict[str, Any], at_ms: int) -> Hydration:
        _, found = self.hydrate(new, at_ms)
        text = config_text(new)
        self.take(Config(at_ms, config_digest(text), text, found.windows))
        return found


OLD = data(rule("pm25 > 500"))
NEW = data(rule("pm25 > 500"), rule("avg(pm25, 1h) > 100", name="window"))


def test_E6_a_new_window_holds_what_it_would_hold_had_it_always_been_there(tmp_path: Path) -> None:
    plant, always = Plant(tmp_path, OLD), Core()
    always.step(first(NEW))
    for n in range(90):
        message = air(n % 2, NOW + n * MIN, pm25=50 + n)
        plant.take(message)
        always.step([message])
    (coverage,) = plant.change(NEW, NOW + 90 * MIN).coverage
    assert (coverage.window, coverage.covered_ms, coverage.stations) == ("pm25/3600000", 60 * MIN, 2)
    at_ms = NOW + 90 * MIN
    for name in ("st-0", "st-1"):
        window, wanted = plant.core.stations[name].windows["pm25/3600000"], always.stations[name].windows["pm25/3600000"]
        assert window.value("avg", at_ms) == pytest.approx(wanted.value("avg", at_ms))
        assert window.value("count", at_ms) == wanted.value("count", at_ms)
    fires = plant.take(air(0, at_ms, pm25=200)).transitions
    assert [(item.rule, item.state) for item in fires] == [("window", "firing")]


def test_E6_what_is_covered_is_said(tmp_path: Path) -> None:
    plant = Plant(tmp_path, OLD)
    plant.take(*(air(0, NOW + n * MIN, pm25=1) for n in range(10)))
    (coverage,) = plant.change(NEW, NOW + 10 * MIN).coverage
    assert (coverage.length_ms, coverage.covered_ms) == (60 * MIN, 10 * MIN)


def test_what_comes_between_the_reading_and_the_change_is_not_lost(tmp_path: Path) -> None:
    plant = Plant(tmp_path, OLD)
    plant.take(*(air(0, NOW + n * MIN, pm25=1) for n in range(10)))
    _, found = plant.hydrate(NEW, NOW + 10 * MIN)
    plant.take(air(0, NOW + 10 * MIN, pm25=7))
    text = config_text(NEW)
    plant.take(Config(NOW + 11 * MIN, config_digest(text), text, found.windows))
    assert plant.core.stations["st-0"].windows["pm25/3600000"].count == 11


def test_a_window_that_is_there_is_left_alone(tmp_path: Path) -> None:
    plant = Plant(tmp_path, NEW)
    plant.take(*(air(0, NOW + n * MIN, pm25=1) for n in range(10)))
    work, _ = plant.hydrate(data(rule("avg(pm25, 1h) > 90", name="window")), NOW + 10 * MIN)
    assert not work.needed
    work, found = plant.hydrate(data(rule("max(pm25, 1h) > 90", name="window")), NOW + 10 * MIN)
    assert work.needed, "it must hold extremes now"
    assert [window for _, window, _ in found.windows] == ["pm25/3600000"]


def test_a_restart_finds_the_same_windows(tmp_path: Path) -> None:
    plant = Plant(tmp_path, OLD)
    plant.take(*(air(n % 2, NOW + n * MIN, pm25=n) for n in range(30)))
    plant.change(NEW, NOW + 30 * MIN)
    plant.take(air(0, NOW + 31 * MIN, pm25=5))
    again, _ = recover(plant.ledger)
    assert again.export() == plant.core.export()
    assert again.stations["st-0"].windows["pm25/3600000"].count == 16


def test_only_as_much_of_the_journal_is_read_as_the_longest_window_needs(tmp_path: Path) -> None:
    plant = Plant(tmp_path, OLD)
    for n in range(200):
        plant.take(air(0, NOW + n * MIN, pm25=1))
    work = Hydrating(NEW, known(plant.core), NOW + 200 * MIN)
    assert 59 <= work.take_in(plant.ledger) <= 62
    assert work.take_in(plant.ledger) == 0
