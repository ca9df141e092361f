"""Same input, same alerts: whatever the batches, duplicates and restarts, and whatever the order of stations (invariant 4, E8).

Examples that Hypothesis found are kept below the properties that they broke.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import Core
from gateway.core.inputs import Accounting, ClockJump, Command, Config, Input, Link, Message, Tick
from gateway.core.outcomes import Outcomes, Transition
from tests.gateway.core.test_core_rules import RULES, rule
from tests.tools.town import BROKER, NOW, air, config, first, plain

SINGLE: list[dict[str, Any]] = [
    rule("pm25 > 100", name="plain", clear="pm25 < 80", **{"for": "2m"}),
    rule("avg(pm25, 10m) > 100 and no2 < 200", name="window"),
    rule("max(pm25, 5m) > 200 or median(no2, 10m) > 100", name="either", **{"for": "1m"}),
    rule("rate(pm25, 10m) > 500", name="rising", confirm=2),
    rule("pm25 > 100", name="flapping", immediate=True, flapping={"flips": 3, "within": "10m"}),
    rule("pm25 > 5000", name="any", quality="any", immediate=True),
]

KINDS = st.sampled_from(
    [
        "air",
        "air",
        "air",
        "air",
        "air",
        "late",
        "late",
        "untimed",
        "flagged",
        "again",
        "tick",
        "down",
        "up",
        "jump",
        "edit",
        "close",
        "minute",
    ]
)
STEPS = st.lists(
    st.tuples(KINDS, st.integers(0, 2), st.sampled_from([10.0, 90.0, 120.0, 160.0, 250.0]), st.integers(0, 90_000)), max_size=60
)
Steps = list[tuple[str, int, float, int]]


def script(drawn: Steps, rules: list[dict[str, Any]] = RULES) -> list[Input]:
    """Drawn steps as a legal sequence of inputs: receipt never decreases but across a jump."""
    now, inputs, last = NOW, list(first(plain(water=0, rules=rules))), None
    edited = [*rules[1:], {**rules[0], "levels": {"warning": {"when": "avg(pm25, 10m) > 90 and max(pm25, 30m) < 900"}}}]
    for kind, n, value, gap in drawn:
        now += gap
        item: Input
        if kind == "air":
            item = last = air(n, now, pm25=value, no2=value / 2)
        elif kind == "late":
            item = last = air(n, now, device_ms=now - gap * 6, pm25=value)
        elif kind == "untimed":
            item = last = air(n, now, timed=False, pm25=value)
        elif kind == "flagged":
            item = last = air(n, now, pm25=9999, no2=value)
        elif kind == "again" and last is not None:
            item = Message(now, last.source, last.topic, last.payload, 1, False, True, last.packet_id, n == 0)
        elif kind == "tick":
            item = Tick(now)
        elif kind in ("down", "up"):
            item = Link(now, BROKER, kind == "up")
        elif kind == "jump":
            delta = (n - 1) * 3_600_000 + 10_000
            now += delta
            item = ClockJump(now, delta)
        elif kind == "edit":
            item = config(plain(water=0, rules=edited if n else rules), now)
        elif kind == "close":
            action: Any = "silence" if value > 100 else "close"
            item = Command(now, action, f"late/st-{n}/{now - gap}", "op", "", now + 600_000)
        elif kind == "minute":
            item = Accounting(now, "hue-1", (("received", value),), (("city", float(n), gap / 60),))
        else:
            continue
        inputs.append(item)
    return inputs


def merge(parts: list[Outcomes]) -> list[object]:
    return [
        [line for part in parts for line in part.lines],
        [item for part in parts for item in part.transitions],
        [item for part in parts for item in part.intents],
    ]


@given(STEPS, st.lists(st.integers(1, 8), max_size=60))
def test_A1_any_cutting_into_batches_gives_the_same_alerts_and_state(drawn: Steps, cuts: list[int]) -> None:
    inputs = script(drawn)
    whole, parted = Core(), Core()
    one = [whole.step(inputs)]
    many, at = [], 0
    for size in [*cuts, len(inputs)]:
        many.append(parted.step(inputs[at : at + size]))
        at += size
    assert merge(one) == merge(many)
    assert whole.export() == parted.export()
    assert not any(item.reason == "internal" for item in one[0].rejections)


@given(STEPS, st.integers(0, 63), st.integers(0, 63))
@example(
    [
        ("air", 0, 10.0, 1221), ("air", 0, 10.0, 16225), ("air", 0, 10.0, 40460), ("air", 0, 10.0, 77061),
        ("air", 0, 10.0, 77061), ("air", 0, 10.0, 77971), ("jump", 2, 10.0, 0), ("air", 0, 10.0, 0),
    ],
    9,
    9,
)  # fmt: skip
@example([("air", 1, 120.0, 0), ("air", 0, 10.0, 25050), ("air", 0, 10.0, 68267), ("air", 0, 10.0, 86683)], 4, 4)
def test_invariant_4_windows_timers_and_late_buffers_survive_a_restart(drawn: Steps, snapshot_at: int, crash_at: int) -> None:
    """Wherever the snapshot began, however slowly it was sliced, wherever the process died."""
    inputs = script(drawn)
    snapshot_at, crash_at = sorted((max(3, min(snapshot_at, len(inputs))), max(3, min(crash_at, len(inputs)))))
    core = Core()
    for item in inputs[:snapshot_at]:
        core.step([item])
    text = next(item.text for item in reversed(inputs[:snapshot_at]) if isinstance(item, Config))
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
    rest = inputs[crash_at:]
    assert merge([again.step(rest)]) == merge([core.step(rest)])
    assert again.export() == core.export()


@given(STEPS, st.lists(st.integers(0, 60 * 60_000), max_size=30))
def test_ticks_that_do_nothing_leave_no_trace(drawn: Steps, looks: list[int]) -> None:
    """What is not journalled must not change the state: else the state after a crash would be another one."""
    core = Core()
    now = NOW
    for item in script(drawn[:15]):
        core.step([item])
        now = getattr(item, "received_ms", getattr(item, "now_ms", now))
        for look in looks[:3]:
            before = core.export()
            out = core.step([Tick(now + look % 1000)])
            if not out.journal:
                assert core.export() == before
                assert not out.transitions


station_steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from([10.0, 90.0, 120.0, 160.0, 250.0, 9999.0]),
        st.sampled_from([0, 0, 0, 90, 400]),
    ),
    max_size=50,
)


@given(station_steps, st.randoms(use_true_random=False))
@example([(0, 0, 120.0, 0), (0, 1, 120.0, 90)], None)
def test_E8_single_station_rules_do_not_care_how_stations_interleave(drawn: list[tuple[int, int, float, int]], random: Any) -> None:
    """Messages that are received at the same time come in any order, but for the order of each station's own."""
    rounds: dict[int, list[Message]] = {}
    now = NOW
    for gap, n, value, late in drawn:
        now += gap * 30_000
        rounds.setdefault(now, []).append(air(n, now, device_ms=now - late * 1000, pm25=value, no2=value / 2))

    def transitions(shuffled: bool) -> list[Transition]:
        core, found = Core(), []
        core.step(first(plain(water=0, rules=SINGLE)))
        for at_ms in sorted(rounds):
            messages = rounds[at_ms]
            if shuffled and random is not None:
                places = [item.topic for item in messages]
                random.shuffle(places)
                queues = {topic: iter([item for item in messages if item.topic == topic]) for topic in set(places)}
                messages = [next(queues[topic]) for topic in places]
            elif shuffled:
                messages = sorted(messages, key=lambda item: item.topic, reverse=True)
            found += core.step([*messages, Tick(at_ms)]).transitions
        return sorted(found, key=lambda item: (item.station, item.rule, item.processed_ms))

    assert transitions(False) == transitions(True)


@given(STEPS)
@example([("air", 0, 10.0, 0), ("air", 0, 160.0, 4403), ("air", 2, 10.0, 57039), ("late", 0, 250.0, 20001), ("late", 0, 10.0, 16286)])
def test_E_a_duplicate_changes_nothing(drawn: Steps) -> None:
    def run(repeat: bool) -> list[Transition]:
        core, found = Core(), []
        for item in script([step for step in drawn if step[0] not in ("untimed", "again")]):
            found += core.step([item]).transitions
            if isinstance(item, Message):  # a duplicate says what time it is, as a tick does
                again = msgspec.structs.replace(item, dup=True)
                found += core.step([again if repeat else Tick(item.received_ms)]).transitions
        return found

    assert run(False) == run(True)


@given(STEPS)
@example([("air", 2, 120.0, 0), ("late", 2, 120.0, 1)])
@example([("late", 0, 120.0, 1), ("air", 2, 120.0, 0), ("air", 0, 10.0, 0), ("late", 0, 10.0, 1)])
def test_episodes_open_and_close_in_turn_and_late_ones_wake_nobody(drawn: Steps) -> None:
    core = Core()
    open_: dict[str, str] = {}
    for item in script(drawn):
        out = core.step([item])
        late = {change.episode for change in out.transitions if change.late}
        for change in out.transitions:
            group = change.episode.rpartition("/")[0]
            if change.reason in ("acknowledged", "silenced", "flapping", "calmed") or (change.late and open_.get(group) != change.episode):
                continue
            if change.state == "resolved":
                assert open_.pop(group, change.episode) == change.episode
            else:
                assert open_.setdefault(group, change.episode) == change.episode
        for intent in out.intents:
            assert intent.transition.episode not in late or not intent.transition.late
    shown = sum(core.rulebook.firing().values())
    assert shown == sum(1 for group in open_ if group.partition("/")[0] in {item["id"] for item in RULES})


@given(STEPS)
def test_invariant_6_what_rules_keep_is_bounded(drawn: Steps) -> None:
    core = Core()
    core.step(script(drawn))
    for station in core.stations.values():
        assert all(len(window.times) < 128 for window in station.windows.values())
        assert all(len(state.recent) <= 256 for state in station.parameters.values())
        assert all(len(state.marks) <= 16 for state in station.rules.values())
        assert len(station.ended) <= 32
        assert all(len(flap.times) <= 100 for flap in station.flaps.values())
