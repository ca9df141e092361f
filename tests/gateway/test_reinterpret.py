"""`envgw replay --station`: what the journal's messages are read as today, against what was stored (semantics E10)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from devices.reading import Line
from gateway.core import Core, config_text
from gateway.core.inputs import Input, Message, Replayed
from gateway.core.outcomes import Outcomes
from gateway.ledger import Ledger
from gateway.recovery import recover
from gateway.reinterpret import CannotReinterpret, Plan, plan
from gateway.settings import LedgerSection
from tests.tools.town import BROKER, MIN, NOW, SMOKE_RULES, air, config, first, plain, raw

EVER = (0, NOW + 1000 * MIN)


class Plant:
    """A core and a ledger, as the pipeline drives them."""

    def __init__(self, folder: Path, data: dict[str, Any], **section: Any) -> None:
        self.ledger = Ledger(folder / "ledger.db", LedgerSection(low_water=1, reserve=0, **section))
        self.core = Core()
        self.lines: dict[tuple[str, str, int, str], tuple[float | None, int]] = {}
        """What a history holds: (station, device, time, parameter) → (value, flag)."""
        self.take(*first(data))

    def take(self, *inputs: Input) -> Outcomes:
        out = self.core.step(inputs)
        self.ledger.commit(inputs, out)
        for line in out.lines:
            if line.medium not in ("air", "water", "device"):
                continue
            for value in line.values:
                self.lines[line.station, line.device, line.time_ms, value.parameter] = (value.value, value.flag)
        return out

    def plan(self, data: dict[str, Any], station: str = "st-0", since_ms: int = EVER[0], until_ms: int = EVER[1]) -> Plan:
        return plan(self.ledger, config_text(data), station, since_ms, until_ms)

    def apply(self, data: dict[str, Any], station: str = "st-0", at_ms: int = NOW + 500 * MIN) -> Outcomes:
        return self.take(*self.plan(data, station).inputs(station, at_ms))


def factory(field: str, **changes: Any) -> dict[str, Any]:
    """The town with another reading of one field of its air nodes."""
    data = copy.deepcopy(plain())
    (kind,) = [kind for kind in data["types"] if kind["id"] == "air-node"]
    kind["fields"][field] = {**kind["fields"][field], **changes}
    kind["examples"] = []
    return data


IN_PPB = factory("no2", unit="ppb")
FACTOR = 46.0055 / 24.465
"""ppb of NO2 to µg/m³ at 25 °C (domain tables: 1.8804)."""


@pytest.fixture
def plant(tmp_path: Path) -> Any:
    made = Plant(tmp_path, plain())
    yield made
    made.ledger.close()


def test_nothing_differs_as_long_as_nothing_was_changed(plant: Plant) -> None:
    plant.take(*(air(n % 3, NOW + n * MIN, pm25=n, no2=5) for n in range(30)))
    found = plant.plan(plain())
    assert (found.messages, found.lines) == (10, [])
    assert {name: (change.readings, change.changed) for name, change in found.changes.items()} == {"pm25": (10, 0), "no2": (10, 0)}


def test_a_mended_unit_changes_that_parameter_of_that_station_in_that_time(plant: Plant) -> None:
    plant.take(*(air(n % 2, NOW + n * MIN, pm25=n, no2=10) for n in range(10)))
    found = plant.plan(IN_PPB, since_ms=NOW + 2 * MIN, until_ms=NOW + 6 * MIN)
    assert [(line.station, line.time_ms) for line in found.lines] == [("st-0", NOW + 4 * MIN), ("st-0", NOW + 6 * MIN)]
    assert all([value.parameter for value in line.values] == ["no2"] for line in found.lines)
    told = found.changes["no2"].document("no2", "ug/m3")
    assert (told["readings"], told["changed"], told["first"], told["last"]) == (
        2,
        2,
        "2026-03-14T02:04:00.001Z",
        "2026-03-14T02:06:00.001Z",
    )
    assert told["mean_before"] == 10
    assert told["mean_shift"] == pytest.approx(10 * FACTOR - 10, rel=1e-4)
    assert found.changes["pm25"].document("pm25", "ug/m3")["mean_shift"] is None


def test_what_is_written_is_what_would_have_been_stored_and_a_second_time_nothing(tmp_path: Path) -> None:
    messages = [air(n % 2, NOW + n * MIN, pm25=n, no2=10 + n) for n in range(20)]
    was, would = Plant(tmp_path / "a", plain()), Plant(tmp_path / "b", IN_PPB)
    was.take(*messages)
    would.take(*messages)
    assert was.lines != would.lines
    for station in ("st-0", "st-1"):
        was.apply(IN_PPB, station)
    assert was.lines == would.lines
    assert was.plan(IN_PPB).lines == []
    assert was.plan(plain()).lines != [], "back again"
    was.apply(plain())
    assert {key: value for key, value in was.lines.items() if key[0] == "st-1"} == {
        key: value for key, value in would.lines.items() if key[0] == "st-1"
    }
    assert was.lines["st-0", "an-0", NOW, "no2"] == (10.0, 1)
    was.ledger.close()
    would.ledger.close()


def test_no_rule_counter_or_held_value_sees_it_and_recovery_gives_the_same(tmp_path: Path) -> None:
    in_mg = factory("pm25", unit="mg/m3")
    plant = Plant(tmp_path, plain(rules=SMOKE_RULES))
    plant.take(*(air(0, NOW + n * MIN, pm25=0.3) for n in range(10)))
    counts = copy.deepcopy(plant.core.devices["an-0"].counts)
    totals = plant.ledger.totals()
    station = plant.core.encode_unit("s:st-0")
    out = plant.apply(in_mg, at_ms=NOW + 9 * MIN)
    assert (len(out.lines), out.transitions, out.intents, out.stored, out.received, out.revisions) == (10, [], [], 0, 0, 10)
    assert plant.lines["st-0", "an-0", NOW, "pm25"] == (300.0, 1)
    assert plant.core.encode_unit("s:st-0") == station
    assert plant.core.devices["an-0"].counts == counts
    after = plant.ledger.totals()
    assert (after.received, after.stored, after.lines) == (totals.received, totals.stored, totals.lines + 10)
    before = plant.core.export()
    recovered, _ = recover(plant.ledger)
    assert recovered.export() == before
    plant.ledger.close()


def test_a_move_that_was_registered_late_gives_each_station_its_time(plant: Plant) -> None:
    plant.take(*(air(0, NOW + n * MIN, pm25=n) for n in range(6)))
    moved = copy.deepcopy(plain())
    moved["stations"][0]["devices"][0]["to"] = "2026-03-14T02:03:00Z"
    moved["stations"][1]["devices"].append({**moved["stations"][0]["devices"][0], "from": "2026-03-14T02:03:00Z"})
    del moved["stations"][1]["devices"][1]["to"]
    found = plant.plan(moved)
    assert (found.changes["pm25"].added, found.changes["pm25"].withdrawn) == (3, 3)
    plant.apply(moved)
    for n in range(6):
        here, there = plant.lines["st-0", "an-0", NOW + n * MIN, "pm25"], plant.lines.get(("st-1", "an-0", NOW + n * MIN, "pm25"))
        assert (here, there) == (((float(n), 1), None) if n < 3 else ((float(n), 4), (float(n), 1))), n
    assert plant.plan(moved).lines == []
    assert plant.plan(moved, "st-1").lines == []


def test_a_field_that_the_type_left_out_is_added(tmp_path: Path) -> None:
    without = copy.deepcopy(plain())
    (kind,) = [kind for kind in without["types"] if kind["id"] == "air-node"]
    del kind["fields"]["no2"]
    kind["examples"] = []
    plant = Plant(tmp_path, without)
    plant.take(*(air(0, NOW + n * MIN, pm25=1, no2=7) for n in range(3)))
    found = plant.plan(plain())
    assert found.changes["no2"].added == 3
    assert found.lines[0] == Line("air", "st-0", "an-0", "hai-chau/part-0", NOW, (found.lines[0].values[0],))
    assert (found.lines[0].values[0].parameter, found.lines[0].values[0].value) == ("no2", 7.0)
    plant.ledger.close()


def test_a_configuration_that_changed_in_between_is_as_it_was_then(plant: Plant) -> None:
    plant.take(air(0, NOW, no2=10))
    plant.take(config(IN_PPB, NOW + MIN), air(0, NOW + MIN, no2=10))
    found = plant.plan(IN_PPB)
    assert [line.time_ms for line in found.lines] == [NOW], "the second was read right at once"


def test_duplicates_and_receipt_stamps_are_what_they_were(plant: Plant) -> None:
    same = air(0, NOW, no2=10)
    plant.take(same, same, *(air(0, NOW + 5, timed=False, no2=20 + n) for n in range(2)))
    found = plant.plan(IN_PPB)
    assert [line.time_ms for line in found.lines] == [NOW, NOW + 5, NOW + 6]
    assert {(key[2]) for key in plant.lines} == {NOW, NOW + 5, NOW + 6}


def test_rejected_messages_are_left_to_the_other_replay_and_replayed_ones_are_not(plant: Plant) -> None:
    newcomer = copy.deepcopy(plain())
    newcomer["stations"][0]["devices"].append({"id": "an-9", "type": "air-node", "topics": ["sensors/air/an-9"]})
    lost: list[Message] = [air(9, NOW + n * MIN, no2=10) for n in range(3)]
    plant.take(*lost)
    assert plant.plan(newcomer).left_rejected == 3
    rows = list(plant.ledger.rejections("unknown-device"))
    plant.take(config(newcomer, NOW + 9 * MIN))
    plant.take(*(Replayed(NOW + 10 * MIN, row.id, row.reason, row.device, message) for row, message in zip(rows[:2], lost, strict=False)))
    mended = copy.deepcopy(IN_PPB)
    mended["stations"] = newcomer["stations"]
    found = plant.plan(mended)
    assert (found.left_rejected, found.messages) == (1, 2)
    assert [line.time_ms for line in found.lines] == [NOW, NOW + MIN]


def test_garbage_of_others_changes_nothing(plant: Plant) -> None:
    plant.take(raw("sensors/air/an-0", b"\xff", NOW), raw("elsewhere", b"{}", NOW), air(1, NOW, pm25=3), air(0, NOW, no2=1))
    assert plant.plan(IN_PPB).messages == 1


def test_a_range_beyond_the_journal_is_refused_with_its_bounds(tmp_path: Path) -> None:
    plant = Plant(tmp_path, plain(), journal_retention="1m")
    for n in range(10):
        plant.take(air(0, NOW + n * MIN, no2=n))
        if n in (5, 7):
            writer = plant.ledger.begin_snapshot(plant.ledger.head, plant.core.state.config, "test")
            writer.put("globals", plant.core.encode_globals())
            writer.finish()
    while plant.ledger.prune(NOW + 9 * MIN).more:
        pass
    bounds = plant.ledger.journal_bounds()
    assert bounds is not None
    assert bounds.first_seq > 1
    with pytest.raises(CannotReinterpret, match=r"2026-03-14T02:0.:00.001Z to 2026-03-14T02:09:00.001Z only"):
        plant.plan(IN_PPB, since_ms=NOW)
    found = plant.plan(IN_PPB, since_ms=bounds.first_ms)
    assert found.changes["no2"].changed == 9 - (bounds.first_ms - NOW) // MIN
    plant.ledger.close()


def test_a_running_total_gives_the_same_amounts_of_rain_again(tmp_path: Path) -> None:
    data = copy.deepcopy(plain())
    gauge = {
        "id": "gauge",
        "title": {"vi": "Mưa", "en": "Rain"},
        "format": "flat-json",
        "device": {"field": "device"},
        "time": {"field": "time"},
        "interval": "60s",
        "fields": {"total": {"parameter": "rain", "unit": "mm", "accumulation": "counter"}},
    }
    data["types"].append(gauge)
    data["routes"].append([BROKER, "sensors/rain/+", "gauge"])
    data["stations"][0]["devices"].append({"id": "rg-0", "type": "gauge", "topics": ["sensors/rain/rg-0"]})
    plant = Plant(tmp_path, data)
    for n, total in enumerate((10, 12, 12, 17)):
        plant.take(raw("sensors/rain/rg-0", b'{"device": "rg-0", "time": %d, "total": %d}' % (NOW + n * MIN, total), NOW + n * MIN))
    in_inches = copy.deepcopy(data)
    in_inches["types"][-1]["fields"]["total"]["unit"] = "in"
    assert plant.plan(data).lines == []
    found = plant.plan(in_inches, since_ms=NOW + MIN)
    assert [(line.time_ms - NOW) // MIN for line in found.lines] == [3], "a total of two is compared with the one before the range"
    assert found.lines[0].values[0].value == pytest.approx(5 * 25.4)
    plant.ledger.close()


def test_C4_summaries_that_are_final_are_written_again_whole_and_a_second_time_not(tmp_path: Path) -> None:
    plant = Plant(tmp_path, plain())
    hours = 40
    plant.take(*(air(0, NOW + n * 15 * MIN, pm25=30 + n % 3, no2=10) for n in range(hours * 4)))
    ever = {"until_ms": NOW + 100 * 60 * MIN}
    mended = plant.plan(IN_PPB, **ever).lines
    summaries = [line for line in mended if line.medium == "air_1h"]
    assert len(summaries) == hours - 1
    means = [value.value for line in summaries for value in line.values if value.parameter == "no2"]
    assert means == [pytest.approx(10 * FACTOR, rel=1e-3)] * (hours - 1)
    assert [dict(line.notes)["final"] for line in summaries] == [1.0] * (hours - 7) + [0.0] * 6
    (day, *_) = [line for line in mended if line.medium == "air_1d"]
    assert {value.parameter for value in day.values} == {"pm25", "no2"}
    plant.take(*plant.plan(IN_PPB, **ever).inputs("st-0", NOW + 50 * 60 * MIN))
    assert plant.plan(IN_PPB, **ever).lines == []
    plant.ledger.close()
