"""The core and what one message may hold beside one record: several records, control messages, a format's state, running totals."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs import Stopped
from devices.rejection import Reason
from gateway.core import Core
from gateway.core import taking as core_module
from gateway.core.inputs import Input, Message, Replayed, Tick
from tests.devices.formats.test_sparkplug_b import metric, payload
from tests.gateway.core.test_core import merge, run, totals
from tests.tools.town import BROKER, MIN, NOW, air, first, plain, raw, started

SECOND = 1000
TITLE = {"vi": "Thử", "en": "Test"}
PACK = {
    "id": "pack",
    "title": TITLE,
    "format": "nested-json",
    "options": {"each": "readings", "shared": ["device"]},
    "device": {"field": "device"},
    "time": {"field": "t"},
    "interval": "60s",
    "fields": {
        "pm25": {"parameter": "pm25", "unit": "µg/m³"},
        "no2": {"parameter": "no2", "unit": "µg/m³"},
        "rain": {"parameter": "rain", "unit": "mm", "accumulation": "counter", "rollover": 100},
        "rate": {"parameter": "soil_moisture", "unit": "%/h", "accumulation": "rate"},
    },
}
PLANT = {
    "id": "plant",
    "title": TITLE,
    "format": "sparkplug-b",
    "interval": "60s",
    "fields": {"Level": {"parameter": "level", "unit": "m"}, "Flow": {"parameter": "flow", "unit": "m³/s"}},
}


def place(station: str, *devices: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "id": station,
        "name": {"vi": station, "en": station},
        "lat": 16.06,
        "lon": 108.22,
        "area": "hai-chau",
        "medium": "air",
        "devices": [
            {"id": name, "type": kind, "topics": [topic], "from": "2020-01-01", "interval": "60s"} for name, kind, topic in devices
        ],
    }


def town() -> dict[str, Any]:
    found = plain(air=0, water=0, rules=[])
    return {
        **found,
        "types": [*found["types"], PACK, PLANT],
        "stations": [
            place("st-a", ("a", "pack", "packs/+"), ("gw1", "plant", "spBv1.0/city/+/gw1")),
            place("st-b", ("b", "pack", "packs/+"), ("st01", "plant", "spBv1.0/city/+/gw1/st01")),
        ],
        "routes": [[BROKER, "packs/+", "pack"], [BROKER, "spBv1.0/#", "plant"]],
    }


def pack(received_ms: int, *readings: dict[str, Any], topic: str = "packs/x", **more: Any) -> Message:
    return raw(topic, json.dumps({"device": "a", "readings": list(readings)}).encode(), received_ms, **more)


def plant(received_ms: int, kind: str, body: bytes, device: str = "", **more: Any) -> Message:
    return raw(f"spBv1.0/city/{kind}/gw1" + (f"/{device}" if device else ""), body, received_ms, **more)


def values(out: Any) -> list[tuple[str, str, float | None, int]]:
    return [(line.device, value.parameter, value.value, line.time_ms - NOW) for line in out.lines for value in line.values]


# ---------------------------------------------------------------- several records


def test_one_message_of_several_records_is_one_message_and_several_lines() -> None:
    core = started(town())
    out = run(core, pack(NOW, {"t": NOW - 2000, "pm25": 1}, {"t": NOW - 1000, "pm25": 2}, {"t": NOW, "device": "b", "pm25": 3}))
    assert values(out) == [("a", "pm25", 1.0, -2000), ("a", "pm25", 2.0, -1000), ("b", "pm25", 3.0, 0)]
    assert (out.received, out.stored, totals(core)) == (1, 1, (1, 0, 0, 0))
    assert core.devices["a"].counts.stored == 1
    assert core.devices["b"].counts.stored == 0
    assert core.state.readings == 3


def test_a_record_of_an_unknown_device_does_not_lose_its_neighbours() -> None:
    core = started(town())
    out = run(core, pack(NOW, {"t": NOW, "device": "ghost", "pm25": 1}, {"t": NOW, "pm25": 2}))
    assert (values(out), out.stored, len(out.rejections)) == ([("a", "pm25", 2.0, 0)], 1, 0)
    assert core.state.refused_values == 1


def test_a_message_of_unknown_devices_alone_is_rejected_once() -> None:
    core = started(town())
    out = run(core, pack(NOW, {"t": NOW, "device": "g1", "pm25": 1}, {"t": NOW, "device": "g2", "pm25": 2}))
    assert [(item.reason, item.device) for item in out.rejections] == [("unknown-device", "g1")]
    assert totals(core) == (0, 1, 0, 0)


def test_a_record_that_cannot_be_read_does_not_lose_its_neighbours() -> None:
    core = started(town())
    out = run(core, pack(NOW, {"t": NOW, "pm25": "x"}, {"t": NOW, "pm25": 2}))
    assert (values(out), out.stored) == ([("a", "pm25", 2.0, 0)], 1)
    assert core.devices["a"].refused_values == 1


def test_B1_records_sent_again_in_a_sliding_window_are_stored_once() -> None:
    core = started(town())
    window = [{"t": NOW + n * MIN, "pm25": n} for n in range(4)]
    out = run(core, pack(NOW + 2 * MIN, *window[:3]), pack(NOW + 3 * MIN, *window[1:]), pack(NOW + 3 * MIN + 1, *window[1:]))
    assert [value for _, _, value, _ in values(out)] == [0, 1, 2, 3]
    assert (out.stored, out.duplicate, core.state.revisions) == (2, 1, 0)


def test_B1_two_records_of_one_device_and_instant_are_no_revision() -> None:
    out = run(started(town()), pack(NOW, {"t": NOW, "pm25": 1}, {"t": NOW, "no2": 2}))
    assert values(out) == [("a", "pm25", 1.0, 0), ("a", "no2", 2.0, 0)]
    assert out.revisions == 0


def test_B1_a_record_with_another_value_is_a_revision() -> None:
    core = started(town())
    out = run(
        core, pack(NOW, {"t": NOW, "pm25": 1}, {"t": NOW - 1, "pm25": 1}), pack(NOW + 1, {"t": NOW, "pm25": 5}, {"t": NOW - 1, "pm25": 1})
    )
    assert (out.stored, core.state.revisions, values(out)[-1]) == (2, 1, ("a", "pm25", 5.0, 0))


def test_B2_of_a_retained_message_only_records_with_device_time_are_readings() -> None:
    core = started(town())
    out = run(core, pack(NOW, {"pm25": 1}, {"t": NOW, "pm25": 2}, retain=True), pack(NOW + 1, {"pm25": 1}, {"no2": 2}, retain=True))
    assert values(out) == [("a", "pm25", 2.0, 0)]
    assert [item.reason for item in out.rejections] == ["retained"]
    assert totals(core) == (1, 1, 0, 0)


def test_B4_replay_of_several_records() -> None:
    core = started(town())
    (rejected,) = run(core, pack(NOW, {"t": NOW, "device": "c", "pm25": 1, "rain": 7}, {"t": NOW + 1, "device": "c", "pm25": 2})).rejections
    wider = town()
    wider["stations"].append(place("st-c", ("c", "pack", "packs/+")))
    from tests.tools.town import config

    core.step([config(wider, NOW + 1)])
    message = Message(rejected.received_ms, rejected.source, rejected.topic, rejected.payload, 1)
    out = run(core, Replayed(NOW + 2, 7, rejected.reason, rejected.device, message))
    assert values(out) == [("c", "pm25", 1.0, 0), ("c", "rain", None, 0), ("c", "pm25", 2.0, 1)]
    assert (out.stored, out.replayed, totals(core)) == (1, [7], (1, 0, 0, 0))
    assert core.devices["c"].marks == {}


# ---------------------------------------------------------------- running totals and rates


def rain(*totals_: tuple[int, float]) -> list[float | None]:
    """Amounts of these (minutes, total)."""
    core = started(town())
    out = run(core, *(pack(NOW + n, {"t": NOW + n * MIN // 10, "rain": total}) for n, total in totals_))
    return [value.value for line in out.lines for value in line.values]


@pytest.mark.parametrize(
    ("counted", "due"),
    [
        ([(0, 10.0), (1, 10.2), (2, 10.2), (3, 12.0)], [None, 0.2, 0, 1.8]),
        ([(0, 10.0), (1, 0.0), (2, 0.4)], [None, 0, 0.4]),  # a reset to zero
        ([(0, 10.0), (1, 0.6), (2, 0.8)], [None, 0.6, 0.2]),  # … with rain since
        ([(0, 99.8), (1, 0.2), (2, 0.4)], [None, 0.4, 0.2]),  # over the end at 100
        ([(5, 10.0), (6, 12.0), (3, 11.0), (7, 12.5)], [None, 2, None, 0.5]),  # a late one says nothing, and counts nothing twice
    ],
)
def test_C7_running_totals_become_amounts(counted: list[tuple[int, float]], due: list[float | None]) -> None:
    assert rain(*counted) == due


def test_C7_a_rate_counts_for_the_time_since_the_last_message_but_not_for_ever() -> None:
    core = started(town())
    times = [0, 1, 3, 59]
    out = run(core, *(pack(NOW + n * MIN, {"t": NOW + n * MIN, "rate": 30}) for n in times))
    assert [value.value for line in out.lines for value in line.values] == [0.5, 0.5, 1.0, 1.25]


@given(st.lists(st.floats(0, 99, allow_nan=False), min_size=2, max_size=20))
def test_C7_sums_never_count_twice(steps: list[float]) -> None:
    """Whatever the total does, amounts are not negative, and without a reset they add up to its growth."""
    counted = rain(*((n, total) for n, total in enumerate(steps)))
    assert counted[0] is None
    assert all(amount is not None and amount >= 0 for amount in counted[1:])
    if steps == sorted(steps):
        assert sum(amount or 0 for amount in counted) == pytest.approx(steps[-1] - steps[0], abs=1e-6)


# ---------------------------------------------------------------- a format's state, control messages


BIRTH = payload(metric("bdSeq", 0, 8), metric("Level", 1.5, 10, alias=1), metric("Flow", 2.5, 10, alias=2), seq=0, timestamp=NOW)
DATA = payload(metric(None, 1.75, 10, alias=1), seq=1, timestamp=NOW + SECOND)
DEVICE_BIRTH = payload(metric("Level", 3.5, 10, alias=7), seq=1, timestamp=NOW + SECOND)
DEVICE_DATA = payload(metric(None, 3.75, 10, alias=7), seq=2, timestamp=NOW + 2 * SECOND)
DEATH = payload(metric("bdSeq", 0, 8), timestamp=NOW + 3 * SECOND)


def test_a_birth_names_aliases_that_later_messages_use() -> None:
    core = started(town())
    out = run(core, plant(NOW, "NBIRTH", BIRTH), plant(NOW + SECOND, "NDATA", DATA))
    assert values(out)[-1] == ("gw1", "level", 1.75, SECOND)
    assert (out.received, out.stored) == (2, 2)


def test_B4_a_control_message_counts_as_stored_and_gives_no_line() -> None:
    core = started(town())
    out = run(core, plant(NOW, "NDEATH", DEATH), plant(NOW, "NCMD", payload(metric("Node Control/Rebirth", 1, 11))))
    assert (out.lines, out.stored, out.rejections) == ([], 2, [])
    assert totals(core) == (2, 0, 0, 0)


def test_the_formats_state_survives_a_restart() -> None:
    core = started(town())
    run(core, plant(NOW, "NBIRTH", BIRTH))
    text = json.dumps(town())
    head = core.snapshots.begin()
    again = Core()
    units, complete = core.snapshots.slice(1000)
    assert complete
    again.restore(head, iter(units), text)
    assert again.export() == core.export()
    assert values(run(again, plant(NOW + SECOND, "NDATA", DATA))) == [("gw1", "level", 1.75, SECOND)]


def test_a_snapshot_holds_the_formats_state_as_it_was_when_it_began() -> None:
    core = started(town())
    run(core, plant(NOW, "NBIRTH", BIRTH))
    before = core.export()
    head = core.snapshots.begin()
    run(core, plant(NOW + SECOND, "NDEATH", DEATH), plant(NOW + SECOND, "NBIRTH", BIRTH, device=""))
    units, _ = core.snapshots.slice(1000)
    again = Core()
    again.restore(head, iter(units), json.dumps(town()))
    assert again.export() == before


def test_a_redelivered_message_changes_no_state() -> None:
    core = started(town())
    run(core, plant(NOW, "NBIRTH", BIRTH), plant(NOW + SECOND, "NDATA", DATA))
    state = core.encode_unit("f:" + next(iter(core.formats)))
    message = plant(NOW + 2 * SECOND, "NBIRTH", BIRTH)
    again = Message(message.received_ms, BROKER, message.topic, message.payload, 1, False, True, message.packet_id, True)
    out = run(core, again)
    assert out.duplicate == 1
    assert core.encode_unit("f:" + next(iter(core.formats))) == state


def test_what_formats_keep_is_bounded_and_the_least_recently_used_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_module, "FORMAT_STATES", 8)
    core = started(town())
    for n in range(40):
        run(core, raw(f"spBv1.0/city/NBIRTH/n{n}", BIRTH, NOW + n), raw("spBv1.0/city/NBIRTH/gw1", BIRTH, NOW + n))
        assert len(core.formats) <= 8
    assert f"{BROKER}/" in next(iter(core.formats))
    assert any(name.endswith("gw1") for name in core.formats)


# ---------------------------------------------------------------- determinism

KINDS = st.sampled_from(["pack", "pack", "again", "birth", "data", "device-birth", "device-data", "death", "garbage", "tick"])
STEPS = st.lists(st.tuples(KINDS, st.integers(0, 2), st.sampled_from([0.0, 0.5, 40.0, 99.0]), st.integers(0, 90_000)), max_size=40)


def script(drawn: list[tuple[str, int, float, int]]) -> list[Input]:
    now, inputs, last = NOW, list(first(town())), None
    for kind, n, value, gap in drawn:
        now += gap
        if kind == "pack":
            readings = [{"t": now - k * SECOND, "rain": value + k, "pm25": value, "device": "ab"[k % 2]} for k in range(n + 1)]
            last = pack(now, *readings)
        elif kind == "again":
            if last is None:
                continue
            last = Message(now, BROKER, last.topic, last.payload, 1, False, True, last.packet_id, n == 0)
        elif kind in ("birth", "data", "death"):
            body = {"birth": BIRTH, "data": payload(metric(None, value, 10, alias=n), seq=n, timestamp=now), "death": DEATH}[kind]
            last = plant(now, {"birth": "NBIRTH", "data": "NDATA", "death": "NDEATH"}[kind], body)
        elif kind in ("device-birth", "device-data"):
            last = plant(
                now, "DBIRTH" if kind == "device-birth" else "DDATA", DEVICE_BIRTH if kind == "device-birth" else DEVICE_DATA, "st01"
            )
        elif kind == "garbage":
            last = plant(now, "NDATA", b"\xff" * n)
        else:
            inputs.append(Tick(now))
            continue
        inputs.append(last)
    return inputs


@given(STEPS, st.lists(st.integers(1, 8), max_size=40))
def test_A1_any_cutting_into_batches_gives_the_same_outcomes_and_state(drawn: list[tuple[str, int, float, int]], cuts: list[int]) -> None:
    inputs = script(drawn)
    whole, parted = Core(), Core()
    one, many, at = [whole.step(inputs)], [], 0
    for size in [*cuts, len(inputs)]:
        many.append(parted.step(inputs[at : at + size]))
        at += size
    assert merge(one) == merge(many)
    assert whole.export() == parted.export()


@given(STEPS, st.integers(0, 43), st.integers(0, 43))
def test_invariant_4_a_snapshot_and_the_journal_since_give_the_state_back(
    drawn: list[tuple[str, int, float, int]], snapshot_at: int, crash_at: int
) -> None:
    inputs = script(drawn)
    snapshot_at, crash_at = sorted((max(3, min(snapshot_at, len(inputs))), max(3, min(crash_at, len(inputs)))))
    core = Core()
    core.step(inputs[:snapshot_at])
    text = next(item.text for item in inputs if hasattr(item, "text"))
    head, units = core.snapshots.begin(), []
    journal: list[Input] = []
    for item in inputs[snapshot_at:crash_at]:
        out = core.step([item])
        journal += [item] if out.journal else []
        units += core.snapshots.slice(1)[0]
    complete = False
    while not complete:
        done, complete = core.snapshots.slice(2)
        units += done
    again = Core()
    again.restore(head, iter(units), text)
    again.step(journal)
    assert again.export() == core.export()
    assert merge([again.step(inputs[crash_at:])]) == merge([core.step(inputs[crash_at:])])


@given(STEPS)
def test_invariant_2_every_message_is_accounted_for_after_every_step(drawn: list[tuple[str, int, float, int]]) -> None:
    core, received = Core(), 0
    for item in script(drawn):
        out = core.step([item])
        received += isinstance(item, Message)
        assert out.received == out.stored + len(out.rejections) + out.duplicate + out.shed
        assert sum(totals(core)) == received
        assert sum(core.state.rejected.values()) == totals(core)[1]


def test_A2_a_codec_that_was_stopped_is_not_asked_again_on_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a limit stopped once may pass another time: recovery takes the outcome that was journalled."""
    core = started()
    message = air(0, NOW, pm25=5)
    monkeypatch.setattr(core.interpreter, "interpret", lambda *_: Stopped(Reason.CODEC_FAILED, "more than 30 ms", "an-0"))
    out = core.step([message])
    assert out.stopped == [(0, "more than 30 ms", "an-0")]
    again = started()
    replayed = again.step([msgspec.structs.replace(message, stopped=("more than 30 ms", "an-0"))])
    assert [(item.reason, item.device) for item in replayed.rejections] == [("codec-failed", "an-0")]
    assert again.export() == core.export()
