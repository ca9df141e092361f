"""An import is history only: the core, its clock, rules and counts are as they were, now and after a restart."""

from __future__ import annotations

from pathlib import Path

from devices.reading import Line, Value
from gateway.core import Core
from gateway.core.inputs import Imported, Tick
from gateway.core.outcomes import Outcomes
from gateway.recovery import recover
from tests.gateway.test_reinterpret import IN_PPB, Plant
from tests.tools.town import MIN, NOW, air, plain, started

OLD = Line("air", "st-0", "an-0", "hai-chau/part-0", NOW - 86_400_000 * 900, (Value("pm25", 800.0, 1),))


def imported(*lines: Line, at_ms: int = NOW + MIN) -> Imported:
    return Imported(at_ms, "old.csv", len(lines), lines)


def test_nothing_of_the_core_moves() -> None:
    """Not even what was due by then: it comes with the next input that time belongs to."""
    core = started()
    core.step([air(0, NOW, pm25=150)])
    before = core.export()
    out = core.step([imported(OLD, at_ms=NOW + 60 * MIN)])
    assert core.export() == before
    assert out == Outcomes(archive=[OLD], journal=[0])
    assert core.step([Tick(NOW + 3 * MIN)]).transitions, "the smoke that lasted two minutes is announced when its time comes"


def test_a_fresh_reading_at_the_same_point_alarms_nobody_when_it_is_imported() -> None:
    core, twin = started(), started()
    for minute in range(6):
        core.step([imported(Line("air", "st-0", "an-0", "a", NOW + minute * MIN, (Value("pm25", 900.0, 1),)))])
        for one in (core, twin):
            assert not one.step([air(0, NOW + minute * MIN, pm25=5), Tick(NOW + minute * MIN + 30_000)]).transitions
    assert core.export() == twin.export()


def test_histories_get_it_and_the_journal_only_notes_it(tmp_path: Path) -> None:
    plant = Plant(tmp_path, plain())
    plant.take(air(0, NOW, pm25=5))
    before = plant.ledger.totals()
    seq = plant.ledger.commit([imported(OLD, OLD)], plant.core.step([imported(OLD, OLD)]))
    ((number, lines),) = plant.ledger.read_lines(seq - 1, 100)
    assert (number, lines) == (seq, [OLD, OLD])
    ((_, (noted,)),) = plant.ledger.journal(after=seq - 1)
    assert noted == Imported(NOW + MIN, "old.csv", 2)
    after = plant.ledger.totals()
    assert after.lines == before.lines + 2
    for name in ("received", "stored", "duplicate", "shed", "revisions"):
        assert getattr(after, name) == getattr(before, name), name
    plant.ledger.close()


def test_a_restart_finds_the_same(tmp_path: Path) -> None:
    plant = Plant(tmp_path, plain())
    plant.take(air(0, NOW, pm25=150), imported(OLD), air(1, NOW + MIN, pm25=5))
    plant.take(imported(OLD))
    core, _ = recover(plant.ledger)
    assert core.export() == plant.core.export()
    plant.ledger.close()


def test_the_ledger_of_a_gateway_that_never_ran(tmp_path: Path) -> None:
    plant = Plant(tmp_path / "other", plain())
    empty = Plant.__new__(Plant)
    empty.ledger, empty.core, empty.lines = type(plant.ledger)(tmp_path / "new.db"), Core(), {}
    empty.take(imported(OLD))
    core, _ = recover(empty.ledger)
    assert core.export() == Core().export()
    empty.ledger.close()
    plant.ledger.close()


def test_replay_of_a_station_does_not_take_an_import_for_its_own(tmp_path: Path) -> None:
    """Semantics E10: what the journal's messages do not say is withdrawn there. An import never came from them."""
    plant = Plant(tmp_path, plain())
    plant.take(*(air(0, NOW + n * MIN, pm25=n, no2=5) for n in range(5)))
    at = NOW + 2 * MIN
    plant.take(imported(Line("air", "st-0", "an-0", "hai-chau/part-0", at + 5, (Value("pm25", 7.0, 1),)), OLD))
    assert plant.plan(plain()).lines == []
    found = plant.plan(IN_PPB)
    assert {change for change, of in found.changes.items() if of.changed} == {"no2"}
    assert not any(change.withdrawn for change in found.changes.values())
    plant.ledger.close()
