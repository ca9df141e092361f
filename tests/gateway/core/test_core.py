"""The core as a whole: accounting, duplicates, time, alerts, restarts. Tests are named after the semantics."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import Core
from gateway.core.inputs import Adopt, ClockJump, Command, Input, Link, Message, Replayed, Shed, Start, Tick
from gateway.core.outcomes import Outcomes, Transition
from tests.tools.town import BROKER, MIN, NOW, air, config, first, plain, raw, started


def run(core: Core, *inputs: Input) -> Outcomes:
    return core.step(list(inputs))


def said(transitions: list[Transition]) -> list[tuple[str, str, str, str]]:
    return [(item.rule, item.station or item.device, item.state, item.reason) for item in transitions]


def totals(core: Core) -> tuple[int, int, int, int]:
    counts = [device.counts for device in core.devices.values()] + [core.state.unknown, core.state.retired]
    return (
        sum(count.stored for count in counts),
        sum(count.rejected for count in counts),
        sum(count.duplicate for count in counts),
        sum(count.shed for count in counts),
    )


# ---------------------------------------------------------------- taking in


def test_a_message_becomes_lines_with_flags() -> None:
    out = run(started(), air(0, NOW, pm25=12.5, pm10=9999))
    (line,) = out.lines
    assert (line.medium, line.station, line.device, line.area, line.time_ms) == ("air", "st-0", "an-0", "hai-chau/part-0", NOW)
    assert [(value.parameter, value.value, value.flag) for value in line.values] == [("pm25", 12.5, 1), ("pm10", 9999.0, 4)]
    assert (out.received, out.stored) == (1, 1)


def test_a_rejection_keeps_its_bytes_and_its_reason() -> None:
    core = started()
    out = run(core, raw("sensors/air/an-0", b"\xff{", NOW), raw("elsewhere", b"1", NOW))
    assert [(item.reason, item.device, item.payload) for item in out.rejections] == [
        ("invalid-utf8", "an-0", b"\xff{"),
        ("unknown-topic", "?", b"1"),
    ]
    assert core.state.rejected == {"invalid-utf8": 1, "unknown-topic": 1}


def test_our_own_fault_is_one_rejected_message_and_nothing_else(monkeypatch: Any) -> None:
    core = started()
    good = core.interpreter.interpret

    def faulty(source: str, topic: str, payload: bytes, received_ms: int) -> Any:
        if b"boom" in payload:
            raise ZeroDivisionError("boom")
        return good(source, topic, payload, received_ms)

    monkeypatch.setattr(core.interpreter, "interpret", faulty)
    out = run(core, air(0, NOW, pm25=1, note="boom"), air(1, NOW, pm25=2))
    assert [item.reason for item in out.rejections] == ["internal"]
    assert out.stored == 1


def test_an_alert_that_rules_raised_before_we_stumbled_is_told(monkeypatch: Any) -> None:
    core = started(plain(rules=[{"id": "r", "name": {"en": "r"}, "levels": {"warning": {"when": "pm25 > 100", "immediate": True}}}]))

    def faulty(*_: Any) -> None:
        raise ZeroDivisionError("boom")

    with monkeypatch.context() as patched:
        patched.setattr(core.summing, "passed", faulty)
        out = run(core, air(0, NOW, pm25=150))
    assert [item.reason for item in out.rejections] == ["internal"]
    assert out.lines == [] or all(line.medium == "alert" for line in out.lines)
    assert [item.state for item in out.transitions] == ["firing"]
    assert [intent.transition.state for intent in out.intents] == ["firing"]
    assert run(core, air(0, NOW + MIN, pm25=151)).transitions == [], "and it is told once"


def test_a_rule_that_stumbles_costs_one_message_and_the_accounting_stays_exact(monkeypatch: Any) -> None:
    core = started()
    good = core.watching.readings

    def faulty(lines: Any, stamped: Any, message: Message, *rest: Any) -> None:
        good(lines, stamped, message, *rest)
        if b"boom" in message.payload:
            raise ZeroDivisionError("boom")

    monkeypatch.setattr(core.watching, "readings", faulty)
    out = run(core, air(0, NOW, pm25=150), air(1, NOW, pm25=1, note="boom"), air(2, NOW, pm25=2))
    assert [line.station for line in out.lines] == ["st-0", "st-2"]
    assert (out.received, out.stored, len(out.rejections)) == (3, 2, 1)
    assert totals(core) == (2, 1, 0, 0)


# ---------------------------------------------------------------- duplicates, retained, accounting


def test_B1_same_device_time_and_bytes_is_a_duplicate() -> None:
    core = started()
    message = air(0, NOW, pm25=5)
    out = run(core, message, message)
    assert (out.stored, out.duplicate, len(out.lines)) == (1, 1, 1)


def test_B1_same_key_with_another_value_is_a_revision_and_the_new_value_wins() -> None:
    core = started()
    out = run(core, air(0, NOW, pm25=5), air(0, NOW + 5, device_ms=NOW, pm25=6))
    assert (out.stored, out.duplicate, core.state.revisions) == (2, 0, 1)
    assert [line.values[0].value for line in out.lines] == [5.0, 6.0]


def test_B1_without_device_time_equal_messages_are_new() -> None:
    out = run(started(), air(0, NOW, timed=False, pm25=5), air(0, NOW, timed=False, pm25=5))
    assert (out.stored, out.duplicate) == (2, 0)
    assert out.lines[0].time_ms < out.lines[1].time_ms


def test_B1_only_the_last_16_messages_are_compared() -> None:
    core = started()
    run(core, *(air(0, NOW + n * MIN, pm25=n) for n in range(17)))
    out = run(core, air(0, NOW + 17 * MIN, device_ms=NOW, pm25=0), air(0, NOW + 17 * MIN, device_ms=NOW + 2 * MIN, pm25=2))
    assert (out.stored, out.duplicate) == (1, 1)


def test_B1_redelivered_is_a_duplicate_of_its_device() -> None:
    core = started()
    message = air(0, NOW, timed=False, pm25=5)
    again = Message(NOW, BROKER, message.topic, message.payload, 1, False, True, message.packet_id, True)
    out = run(core, message, again)
    assert (out.stored, out.duplicate) == (1, 1)
    assert core.devices["an-0"].counts.duplicate == 1


def test_B2_retained_without_device_time_is_never_a_reading() -> None:
    core = started()
    body = json.dumps({"device": "an-0", "pm25": 5}).encode()
    out = run(core, raw("sensors/air/an-0", body, NOW, retain=True))
    assert [item.reason for item in out.rejections] == ["retained"]


def test_B2_retained_is_no_sign_of_life() -> None:
    core = started()
    body = json.dumps({"device": "an-0", "pm25": 5, "time": NOW}).encode()
    out = run(core, raw("sensors/air/an-0", body, NOW, retain=True))
    assert out.stored == 1
    assert not core.devices["an-0"].spoke


def test_B3_shed_messages_are_counted() -> None:
    core = started()
    out = run(core, Shed(NOW, BROKER, 5))
    assert (out.received, out.shed) == (5, 5)
    assert totals(core) == (0, 0, 0, 5)


def test_C2_a_replayed_message_takes_no_neighbours_instant() -> None:
    """Two messages without time in one millisecond, one of them refused: after the mend both are in the history."""
    for order in (("x", 11.0), (11.0, "x")):
        core = started()
        out = run(core, *(air(0, NOW, timed=False, pm25=value) for value in order))
        (rejected,) = out.rejections
        (line,) = out.lines
        mended = air(0, rejected.received_ms, timed=False, pm25=22.0)
        (again,) = run(core, Replayed(NOW + MIN, 1, rejected.reason, rejected.device, mended)).lines
        assert again.time_ms != line.time_ms


def test_B4_replay_moves_rejected_to_stored() -> None:
    core = started(plain(air=1))
    out = run(core, air(7, NOW, pm25=5))
    (rejected,) = out.rejections
    assert rejected.reason == "unknown-device"
    core.step([config(plain(air=8), NOW + 1)])
    message = Message(rejected.received_ms, rejected.source, rejected.topic, rejected.payload, 1)
    out = run(core, Replayed(NOW + 2, 42, rejected.reason, rejected.device, message))
    assert out.replayed == [42]
    assert [line.station for line in out.lines] == ["st-7"]
    assert out.transitions == []
    assert core.state.rejected == {}
    assert (out.received, out.stored) == (0, 1)
    assert totals(core) == (1, 0, 0, 0)


def test_B7_a_device_may_only_speak_on_its_own_topic() -> None:
    body = json.dumps({"device": "an-0", "pm25": 5}).encode()
    out = run(started(), raw("sensors/air/an-1", body, NOW))
    assert [item.reason for item in out.rejections] == ["topic-not-allowed"]


# ---------------------------------------------------------------- alerts


def smoke(n: int, minutes: list[float], start: int = NOW) -> list[Message]:
    return [air(n, start + k * MIN, pm25=value) for k, value in enumerate(minutes)]


def test_an_episode_from_smoke_to_clear() -> None:
    core = started()
    out = run(core, *smoke(0, [50, 120, 120, 120, 250, 250, 160, 120, 90, 70]))
    assert said(out.transitions) == [
        ("pm25-smoke", "st-0", "firing", "condition"),
        ("pm25-smoke", "st-0", "firing", "escalated"),
        ("pm25-smoke", "st-0", "firing", "de-escalated"),
        ("pm25-smoke", "st-0", "resolved", "cleared"),
    ]
    assert len({item.episode for item in out.transitions}) == 1
    assert [intent.transition for intent in out.intents] == out.transitions
    assert [intent.peak for intent in out.intents] == ["", "", "critical", "critical"]
    assert out.transitions[0].episode == f"pm25-smoke/st-0/{NOW + MIN}"


def test_what_happens_to_alerts_goes_to_the_histories_and_no_line_overwrites_another() -> None:
    two = [{**plain()["rules"][0], "id": name, "levels": {"warning": {"when": "pm25 > 100", "immediate": True}}} for name in ("a", "b")]
    out = run(started(plain(rules=two)), air(0, NOW, pm25=150))
    alerts = [line for line in out.lines if line.medium == "alert"]
    assert [dict(line.notes)["rule"] for line in alerts] == ["a", "b"]
    assert len({line.time_ms for line in alerts}) == 2
    assert dict(alerts[0].notes)["value"] == 150.0


def test_E2_a_for_timer_fires_by_tick() -> None:
    core = started()
    run(core, air(0, NOW, pm25=150), air(0, NOW + MIN, pm25=150))
    assert run(core, Tick(NOW + 2 * MIN - 1)).transitions == []
    (item,) = run(core, Tick(NOW + 2 * MIN)).transitions
    assert (item.state, item.event_ms, item.processed_ms) == ("firing", NOW + 2 * MIN, NOW + 2 * MIN)


def test_a_tick_with_nothing_due_changes_nothing_and_is_not_journalled() -> None:
    core = started()
    run(core, air(0, NOW, pm25=150))
    before = core.export()
    out = run(core, Tick(NOW + 1))
    assert (out.journal, core.export()) == ([], before)


def test_a_command_that_does_nothing_changes_nothing_and_is_not_journalled() -> None:
    """It is not replayed after a restart, so the state must not remember it."""
    core = started()
    run(core, air(0, NOW, pm25=150))
    before = core.export()
    out = run(core, Command(NOW + 1, "acknowledge", "pm25-smoke/st-0/1", "Lan"))
    assert (out.journal, core.export()) == ([], before)


def test_invariant_7_a_broken_sensor_does_not_alarm() -> None:
    out = run(started(), *smoke(0, [99999, 99999, 99999, 99999]))
    assert out.transitions == []
    assert {line.values[0].flag for line in out.lines} == {4}


def test_invariant_5_a_firing_alert_whose_sensor_goes_quiet_stays_open_and_says_so() -> None:
    core = started()
    run(core, *smoke(0, [150, 150, 150]))
    out = run(core, Tick(NOW + 20 * MIN))
    assert ("pm25-smoke", "st-0", "unknown", "data-stopped") in said(out.transitions)
    assert ("device-silent", "st-0", "firing", "data-stopped") in said(out.transitions)
    out = run(core, air(0, NOW + 30 * MIN, pm25=150))
    assert said(out.transitions) == [
        ("device-silent", "st-0", "resolved", "spoke"),
        ("pm25-smoke", "st-0", "firing", "data-returned"),
    ]
    assert [intent.quiet for intent in out.intents] == [False, True]


def test_invariant_5_a_station_that_never_spoke_raises_an_alarm_of_its_own() -> None:
    core = started(plain(air=1, water=0))
    assert run(core, Tick(NOW + 9 * MIN)).transitions == []
    out = run(core, Tick(NOW + 10 * MIN))
    assert said(out.transitions) == [("never-spoke", "st-0", "firing", "never-spoke")]
    out = run(core, air(0, NOW + 11 * MIN, pm25=1))
    assert said(out.transitions) == [("never-spoke", "st-0", "resolved", "spoke")]


def test_E5_silence_clocks_stand_still_while_the_broker_is_down() -> None:
    core = started(plain(air=1, water=0))
    run(core, air(0, NOW, pm25=1), Link(NOW + MIN, BROKER, False))
    assert {item.rule for item in run(core, Tick(NOW + 60 * MIN)).transitions} == {"broker-lost"}
    run(core, Link(NOW + 60 * MIN, BROKER, True))
    assert run(core, Tick(NOW + 62 * MIN - 1)).transitions == []
    assert said(run(core, Tick(NOW + 62 * MIN)).transitions) == [("device-silent", "st-0", "firing", "data-stopped")]


def test_E4_an_episode_that_is_over_is_recorded_and_nobody_is_told() -> None:
    """A backlog of an hour arrives in a second: smoke that came and went is history."""
    core = started()
    values = [50.0] * 10 + [150.0] * 20 + [50.0] * 30
    backlog = [air(0, NOW + n, device_ms=NOW - (60 - n) * MIN, pm25=value) for n, value in enumerate(values)]
    out = run(core, *backlog)
    assert [(item.state, item.late) for item in out.transitions] == [("firing", False), ("resolved", True)]
    assert out.intents == []


def test_E4_an_episode_still_firing_when_the_station_has_caught_up_is_told_with_its_true_start() -> None:
    core = started()
    values = [50.0] * 30 + [150.0] * 31
    backlog = [air(0, NOW + n, device_ms=NOW - (60 - n) * MIN, pm25=value) for n, value in enumerate(values)]
    out = run(core, *backlog)
    (intent,) = out.intents
    assert intent.transition.started_ms == NOW - 30 * MIN


def test_E4_a_backlog_that_ends_early_is_told_after_a_minute() -> None:
    core = started()
    backlog = [air(0, NOW + n, device_ms=NOW - (60 - n) * MIN, pm25=150) for n in range(30)]
    assert run(core, *backlog).intents == []
    out = run(core, Tick(NOW + 29 + MIN))
    assert [(intent.transition.rule, intent.transition.started_ms) for intent in out.intents if intent.transition.rule == "pm25-smoke"] == [
        ("pm25-smoke", NOW - 60 * MIN)
    ]


def test_C1_a_wrong_clock_raises_a_health_alert_and_its_rules_go_on() -> None:
    core = started()
    hours = 7 * 3_600_000
    out = run(core, *(air(0, NOW + n * MIN, device_ms=NOW + n * MIN + hours, pm25=150) for n in range(8)))
    assert said(out.transitions)[0] == ("clock-fault", "st-0", "firing", "condition")
    assert ("pm25-smoke", "st-0", "firing", "condition") in said(out.transitions)
    assert all(line.time_ms <= NOW + 8 * MIN for line in out.lines)


def test_an_operator_acknowledges_an_open_episode_once_it_is_committed() -> None:
    core = started()
    episode = run(core, *smoke(0, [150, 150, 150])).transitions[0].episode
    out = run(core, Command(NOW + 3 * MIN, "acknowledge", episode, "Lan", "on my way"))
    (item,) = out.transitions
    assert (item.reason, item.operator, item.state) == ("acknowledged", "Lan", "firing")
    assert out.intents == []
    assert run(core, Command(NOW + 3 * MIN, "acknowledge", "pm25-smoke/st-0/1", "Lan")).transitions == []


def test_a_built_in_alert_can_be_acknowledged() -> None:
    core = started(plain(air=1, water=0))
    (item,) = run(core, air(0, NOW, pm25=1), Tick(NOW + 5 * MIN)).transitions
    (mark,) = run(core, Command(NOW + 6 * MIN, "acknowledge", item.episode, "Lan")).transitions
    assert (mark.rule, mark.reason) == ("device-silent", "acknowledged")


def test_a_rule_that_is_taken_out_resolves_its_episode() -> None:
    core = started()
    run(core, *smoke(0, [150, 150, 150]))
    out = run(core, config(plain(rules=[]), NOW + 3 * MIN))
    assert said(out.transitions) == [("pm25-smoke", "st-0", "resolved", "rule-changed")]


def test_a_configuration_that_changes_something_else_keeps_episodes_open() -> None:
    core = started()
    run(core, *smoke(0, [150, 150, 150]))
    out = run(core, config(plain(air=5), NOW + 3 * MIN))
    assert out.transitions == []
    out = run(core, air(0, NOW + 4 * MIN, pm25=10))
    assert said(out.transitions) == [("pm25-smoke", "st-0", "resolved", "cleared")]


def test_a_station_that_leaves_the_registry_resolves_as_decommissioned() -> None:
    core = started()
    run(core, *smoke(2, [150, 150, 150]))
    out = run(core, config(plain(air=2), NOW + 3 * MIN))
    assert said(out.transitions) == [("pm25-smoke", "st-2", "resolved", "decommissioned")]


def test_shadow_rules_are_recorded_and_nobody_is_told() -> None:
    rules = [{**plain()["rules"][0], "mode": "shadow"}]
    out = run(started(plain(rules=rules)), *smoke(0, [150, 150, 150]))
    assert len(out.transitions) == 1
    assert out.intents == []


def test_A5_after_an_upgrade_open_episodes_go_on_under_their_name_or_end() -> None:
    core = started()
    run(core, *smoke(0, [150, 150, 150]))
    other = started()
    (told,) = run(other, *smoke(1, [150, 150, 150])).transitions
    before = msgspec.structs.replace(
        run(started(), *smoke(0, [150, 150, 150])).transitions[0], started_ms=NOW - 5, episode=f"pm25-smoke/st-0/{NOW - 5}"
    )
    out = run(core, Adopt(NOW + 3 * MIN, (before, told)))
    assert [(item.episode, item.state, item.reason) for item in out.transitions] == [(told.episode, "resolved", "upgraded")]
    assert [intent.transition for intent in out.intents] == out.transitions
    out = run(core, air(0, NOW + 4 * MIN, pm25=10))
    assert [(item.episode, item.state) for item in out.transitions] == [(before.episode, "resolved")]


def test_A5_a_built_in_alert_goes_on_under_its_name() -> None:
    core = started(plain(air=1, water=0))
    (silent,) = run(core, air(0, NOW, pm25=1), Tick(NOW + 5 * MIN)).transitions
    older = msgspec.structs.replace(silent, started_ms=NOW + 1, episode=f"device-silent/an-0/{NOW + 1}")
    assert run(core, Adopt(NOW + 6 * MIN, (older,))).transitions == []
    assert run(core, air(0, NOW + 7 * MIN, pm25=1)).transitions[0].episode == older.episode


# ---------------------------------------------------------------- clock jumps


def test_A1_a_clock_jump_moves_deadlines_and_raises_no_alarm() -> None:
    core = started()
    run(core, air(0, NOW, pm25=150, timed=False))
    day = 3 * 86_400_000
    out = run(core, ClockJump(NOW + day + 1000, day), Tick(NOW + day + 2000))
    assert said(out.transitions) == [("clock-jump", "", "firing", "clock-jump"), ("clock-jump", "", "resolved", "clock-jump")]
    assert [(intent.transition.value, intent.quiet) for intent in out.intents] == [(day / 1000, False), (day / 1000, True)]
    run(core, air(0, NOW + day + MIN, pm25=150, timed=False))
    assert said(run(core, Tick(NOW + day + 2 * MIN)).transitions) == [("pm25-smoke", "st-0", "firing", "condition")]


def test_A1_a_clock_jump_back_is_the_same() -> None:
    core = started()
    run(core, air(0, NOW, pm25=150, timed=False))
    back = -3_600_000
    run(core, ClockJump(NOW + back, back), air(0, NOW + back + MIN, pm25=150, timed=False))
    assert said(run(core, Tick(NOW + back + 2 * MIN)).transitions) == [("pm25-smoke", "st-0", "firing", "condition")]


# ---------------------------------------------------------------- determinism


def _message(draw: Any) -> st.SearchStrategy[tuple[int, Any]]:
    return draw


kinds = st.sampled_from(
    ["air", "air", "air", "air", "late", "untimed", "wrong-clock", "garbage", "again", "tick", "down", "up", "jump", "command"]
)
steps = st.lists(
    st.tuples(kinds, st.integers(0, 2), st.sampled_from([10.0, 90.0, 120.0, 160.0, 250.0, 99999.0]), st.integers(0, 90_000)), max_size=60
)


def script(drawn: list[tuple[str, int, float, int]]) -> list[Input]:
    """Turn drawn steps into a legal input sequence: receipt never decreases but across a jump."""
    now, inputs, last = NOW, list(first(plain(water=0))), None
    for kind, n, value, gap in drawn:
        now += gap
        if kind == "air":
            last = air(n, now, pm25=value)
        elif kind == "late":
            last = air(n, now, device_ms=now - gap * 20, pm25=value)
        elif kind == "untimed":
            last = air(n, now, timed=False, pm25=value)
        elif kind == "wrong-clock":
            last = air(n, now, device_ms=now + 7 * 3_600_000, pm25=value)
        elif kind == "garbage":
            last = raw(f"sensors/air/an-{n}", b"{", now)
        elif kind == "again" and last is not None:
            last = Message(now, last.source, last.topic, last.payload, 1, False, True, last.packet_id, n == 0)
        elif kind == "tick":
            inputs.append(Tick(now))
            continue
        elif kind in ("down", "up"):
            inputs.append(Link(now, BROKER, kind == "up"))
            continue
        elif kind == "jump":
            delta = (n - 1) * 3_600_000 + 10_000
            now += delta
            inputs.append(ClockJump(now, delta))
            continue
        elif kind == "command":
            inputs.append(Command(now, "acknowledge", f"device-silent/an-{n}/{now - gap}", "op"))
            inputs.append(Command(now, "silence", f"pm25-smoke/st-{n}/{now - gap}", "op", "", now + 5 * MIN))
            continue
        else:
            continue
        inputs.append(last)
    return inputs


def merge(parts: list[Outcomes]) -> list[object]:
    return [
        [line for part in parts for line in part.lines],
        [(item.reason, item.payload) for part in parts for item in part.rejections],
        [item for part in parts for item in part.transitions],
        [item for part in parts for item in part.intents],
        [sum(getattr(part, name) for part in parts) for name in ("received", "stored", "duplicate", "shed")],
    ]


@given(steps, st.lists(st.integers(1, 8), max_size=60))
def test_A1_any_cutting_into_batches_gives_the_same_outcomes_and_state(drawn: list[tuple[str, int, float, int]], cuts: list[int]) -> None:
    inputs = script(drawn)
    whole, parted = Core(), Core()
    one = [whole.step(inputs)]
    many, at = [], 0
    for size in [*cuts, len(inputs)]:
        many.append(parted.step(inputs[at : at + size]))
        at += size
    assert merge(one) == merge(many)
    assert whole.export() == parted.export()


@given(steps, st.integers(0, 63), st.integers(0, 63))
def test_invariant_4_a_snapshot_and_the_journal_since_give_the_state_back(
    drawn: list[tuple[str, int, float, int]], snapshot_at: int, crash_at: int
) -> None:
    """Wherever the snapshot began, however slowly it was sliced, wherever the process died."""
    inputs = script(drawn)
    snapshot_at, crash_at = sorted((max(3, min(snapshot_at, len(inputs))), max(3, min(crash_at, len(inputs)))))
    core = Core()
    for item in inputs[:snapshot_at]:
        core.step([item])
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
    rest = inputs[crash_at:]
    assert merge([again.step(rest)]) == merge([core.step(rest)])
    assert again.export() == core.export()


@given(steps)
def test_invariant_2_every_message_is_accounted_for_after_every_step(drawn: list[tuple[str, int, float, int]]) -> None:
    core, received = Core(), 0
    for item in script(drawn):
        out = core.step([item])
        received += isinstance(item, Message)
        assert out.received == out.stored + len(out.rejections) + out.duplicate + out.shed
        assert sum(totals(core)) == received
        assert sum(core.state.rejected.values()) == totals(core)[1]


@given(steps)
def test_at_most_one_open_episode_a_rule_and_group(drawn: list[tuple[str, int, float, int]]) -> None:
    core = Core()
    open_: dict[tuple[str, str], str] = {}
    told: set[str] = set()
    for item in script(drawn):
        out = core.step([item])
        for change in out.transitions:
            key = (change.rule, change.episode.split("/")[1])
            if change.state == "resolved":
                assert open_.pop(key) == change.episode
            elif change.reason != "acknowledged":
                assert open_.setdefault(key, change.episode) == change.episode
        for intent in out.intents:
            assert not intent.transition.late
            told.add(intent.transition.episode)
            if intent.transition.state == "resolved":
                assert intent.transition.episode in told


def test_a_start_without_anything_else_is_a_state_too() -> None:
    core = Core()
    core.step([Start(NOW, "test")])
    assert core.state.starts == 1


def test_a_command_about_an_alert_that_is_not_open_leaves_no_trace() -> None:
    """It is not journalled, so it must not change anything either: else the state after a crash would be another one."""
    core = started()
    before = core.export()
    out = core.step([Command(NOW + 1000, "acknowledge", "pm25-smoke/st-0/1", "an", "")])
    assert out.journal == []
    assert core.export() == before


def test_people_see_the_newest_reading_and_rules_hold_the_last_usable_one() -> None:
    core = started()
    core.step([air(0, NOW + MIN, pm25=50), air(0, NOW + 2 * MIN, pm25=-7000)])
    state = core.stations["st-0"].parameters["pm25"]
    assert (state.value, state.flag, state.last_ms) == (50.0, 1, NOW + MIN)
    assert state.shown is not None
    assert (state.shown.value, state.shown.flag, state.shown.time_ms) == (-7000.0, 4, NOW + 2 * MIN)
    core.step([air(0, NOW + 3 * MIN, pm25=-8000, device_ms=NOW + 90_000)])
    assert state.shown.value == -7000.0, "an older reading does not replace what is shown"
    core.step([air(0, NOW + 4 * MIN, pm25=60)])
    assert (state.value, state.shown.value, state.shown.time_ms) == (60.0, 60.0, NOW + 4 * MIN)


def test_rules_at_rest_have_no_state() -> None:
    """What 20 rules remember at a station where nothing happens is nothing: memory and snapshots stay small."""
    core = started()
    core.step([air(0, NOW + MIN, pm25=150)])
    assert set(core.stations["st-0"].rules) == {"pm25-smoke"}
    core.step([air(0, NOW + 2 * MIN, pm25=20)])
    assert core.stations["st-0"].rules == {}
