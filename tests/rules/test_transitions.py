"""Levels and episodes: timers in event time, held values, silence, graded severities (semantics C5, D3, E1-E3)."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from rules import transitions
from rules.evaluate import quiet_bands, stirs
from rules.transitions import EPISODE, LEVEL, Change, Truths
from tests.tools.ruled import MIN, RuledStation, rule

SMOKE = rule(
    warning={"when": "pm25 > 100", "for": "10m", "clear": "pm25 < 80"},
    critical={"when": "pm25 > 200", "for": "5m", "clear": "pm25 < 150"},
)


def short(changes: list[Change]) -> list[tuple[str, str, float, int]]:
    return [(change.state, change.reason, change.event_ms / MIN, change.severity) for change in changes]


def test_E2_for_fires_by_time_while_the_value_is_held() -> None:
    station = RuledStation(rule(warning={"when": "pm25 > 100", "for": "10m"}), interval_ms=15 * MIN)
    assert station.reading(0, 150) == []
    assert station.time(9.9) == []
    assert short(station.time(10)) == [("firing", "condition", 10, 1)]
    assert short(station.reading(15, 50)) == [("resolved", "cleared", 15, 1)]


def test_E2_the_same_readings_without_ticks_between_give_the_same_changes() -> None:
    station = RuledStation(rule(warning={"when": "pm25 > 100", "for": "10m"}), interval_ms=15 * MIN)
    station.reading(0, 150)
    assert short(station.reading(15, 50)) == [("firing", "condition", 10, 1), ("resolved", "cleared", 15, 1)]


def test_the_episode_starts_when_the_condition_became_true() -> None:
    station = RuledStation(SMOKE)
    station.reading(0, 50)
    station.reading(5, 120)
    station.reading(10, 130)
    (change,) = station.reading(15, 140)
    assert change.started_ms == 5 * MIN
    assert change.event_ms == 15 * MIN


def test_hysteresis_the_alert_ends_at_its_clear_line_only() -> None:
    station = RuledStation(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    assert station.state.severity == 1
    assert station.reading(15, 90) == []
    assert short(station.reading(20, 79)) == [("resolved", "cleared", 20, 1)]


def test_E3_levels_are_independent_and_the_worst_that_is_on_counts() -> None:
    station = RuledStation(SMOKE)
    seen = []
    for minute, value in enumerate([250, 250, 250, 160, 140, 90, 70]):
        seen += short(station.reading(minute * 5, value))
    assert seen == [
        ("firing", "condition", 5, 2),
        ("firing", "de-escalated", 20, 1),
        ("resolved", "cleared", 30, 1),
    ]


def test_E3_levels_that_are_due_together_are_one_change() -> None:
    levels = {name: {"when": f"pm25 > {limit}", "for": "10m"} for name, limit in (("info", 50), ("warning", 100), ("critical", 300))}
    station = RuledStation(rule(**levels), interval_ms=15 * MIN)
    station.reading(0, 150)
    assert short(station.time(20)) == [("firing", "condition", 10, 1)]


def test_E3_escalation() -> None:
    station = RuledStation(SMOKE)
    seen = []
    for minute, value in enumerate([120, 120, 120, 250, 250]):
        seen += short(station.reading(minute * 5, value))
    assert seen == [("firing", "condition", 10, 1), ("firing", "escalated", 20, 2)]


def test_D3_without_for_two_samples_in_a_row_are_needed() -> None:
    station = RuledStation(rule(warning={"when": "pm25 > 100"}))
    assert station.reading(0, 150) == []
    assert station.reading(5, 50) == []
    assert station.reading(10, 150) == []
    assert short(station.reading(15, 150)) == [("firing", "condition", 15, 1)]


def test_D3_what_is_no_sample_does_not_confirm() -> None:
    station = RuledStation(rule(warning={"when": "pm25 > 100"}))
    station.reading(0, 150)
    looked = transitions.observe(station.rule, station.state, [Truths(True, False)], MIN, sample=False, silence_ms=MIN)
    assert looked == []
    assert len(station.reading(5, 150)) == 1


def test_D3_immediate_needs_one() -> None:
    station = RuledStation(rule(warning={"when": "level > 2", "immediate": True}))
    assert short(station.reading(0, 2.5, "level")) == [("firing", "condition", 0, 1)]


def test_E1_unknown_pauses_the_timer() -> None:
    """Held to 12.5 min; the next reading comes at 14: 1.5 min do not count towards `for: 20m`."""
    station = RuledStation(rule(warning={"when": "pm25 > 100", "for": "20m"}))
    station.reading(0, 150)
    station.reading(14, 150)
    assert station.reading(19, 150) == []
    assert short(station.time(21.5)) == [("firing", "condition", 21.5, 1)]


def test_E1_silence_resets_the_timer() -> None:
    station = RuledStation(rule(warning={"when": "pm25 > 100", "for": "20m"}))
    station.reading(0, 150)
    station.reading(15, 150)  # 3 intervals of silence
    assert station.state.levels[0].due == 35 * MIN


def test_E1_unknown_never_fires_a_timer_that_was_not_held() -> None:
    station = RuledStation(rule(warning={"when": "pm25 > 100", "for": "20m"}))
    station.reading(0, 150)
    assert station.time(60) == []


def test_E1_unknown_never_clears() -> None:
    station = RuledStation(rule(warning={"when": "pm25 > 100", "immediate": True}), silence_ms=60 * MIN)
    station.reading(0, 150)
    assert transitions.observe(station.rule, station.state, [Truths(None, None)], MIN, sample=False, silence_ms=60 * MIN) == []
    assert station.state.started == 0


def test_E1_E3_silence_never_resolves_and_the_return_is_told_as_such() -> None:
    station = RuledStation(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    (change,) = transitions.silent(SMOKE, station.state, 25 * MIN)
    assert short([change]) == [("unknown", "data-stopped", 25, 1)]
    assert transitions.doubted(change) == change._replace(reason="data-doubted")
    assert transitions.doubted(change._replace(reason="condition")).reason == "condition"
    assert transitions.silent(SMOKE, station.state, 30 * MIN) == []
    assert short(station.reading(60, 120)) == [("firing", "data-returned", 60, 1)]
    assert short(station.reading(65, 10)) == [("resolved", "cleared", 65, 1)]


def test_a_gap_between_two_readings_tells_the_silence_that_nobody_saw() -> None:
    station = RuledStation(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    assert short(station.reading(60, 10)) == [("unknown", "data-stopped", 25, 1), ("resolved", "cleared", 60, 1)]


def test_close_ends_the_episode_with_the_reason_given() -> None:
    station = RuledStation(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    assert short(transitions.close(SMOKE, station.state, 12 * MIN, "rule-changed")) == [("resolved", "rule-changed", 12, 1)]
    assert station.state.idle


def test_a_stepped_clock_moves_what_is_pending_and_not_the_name_of_what_is_open() -> None:
    station = RuledStation(SMOKE)
    station.reading(0, 120)
    transitions.shift(station.state, 7)
    assert (station.state.levels[0].t0, station.state.levels[0].due) == (7, 10 * MIN + 7)


def test_the_tables_are_complete_and_drawn() -> None:
    states = {state for state, _ in LEVEL}
    assert states == set(LEVEL.values()) == {"off", "pending", "paused", "on"}
    assert {then for then, _ in EPISODE.values()} == {"firing", "unknown", "resolved"}
    drawn = transitions.diagram()
    for (state, event), then in LEVEL.items():
        assert f"{state} --> {then}: {event}" in drawn
    for (_, event), (_, reason) in EPISODE.items():
        assert f": {event} ({reason})" in drawn


readings = st.lists(st.tuples(st.integers(1, 30), st.sampled_from([10.0, 79.0, 90.0, 120.0, 160.0, 250.0])), max_size=40)
truth = st.sampled_from([True, False, None])


@given(st.lists(st.tuples(st.integers(0, 20), truth, truth, truth, truth), max_size=40))
def test_levels_move_only_as_the_table_says(steps: list[tuple[int, bool | None, bool | None, bool | None, bool | None]]) -> None:
    state, now = transitions.new_state(SMOKE), 0
    edges = {(state, then) for (state, _), then in LEVEL.items()}
    for gap, *found in steps:
        now += gap * MIN
        before = [level.name for level in state.levels]
        transitions.elapse(SMOKE, state, now, 5 * MIN, [])
        between = [level.name for level in state.levels]
        transitions.observe(SMOKE, state, [Truths(*found[:2]), Truths(*found[2:])], now, sample=True, silence_ms=5 * MIN)
        after = [level.name for level in state.levels]
        for one, other in [*zip(before, between, strict=True), *zip(between, after, strict=True)]:
            assert one == other or (one, other) in edges, (one, other)


@given(readings, st.lists(st.integers(0, 30 * 40), max_size=20))
@example([(1, 250.0), (30, 250.0)], [14])
def test_looking_at_the_clock_in_between_changes_nothing(steps: list[tuple[int, float]], looks: list[int]) -> None:
    """Timers fire at their own time, whoever notices first."""

    def run(ticks: list[int]) -> list[Change]:
        station, now, seen = RuledStation(SMOKE), 0, []
        for gap, value in steps:
            for tick in sorted(ticks):
                if now < tick <= now + gap and station.held:
                    seen += station.time(tick)
            now += gap
            seen += station.reading(now, value)
        return seen

    assert run([]) == run(looks)


@given(readings)
def test_a_value_inside_the_quiet_band_does_nothing(steps: list[tuple[int, float]]) -> None:
    station, now = RuledStation(SMOKE), 0
    bands = quiet_bands([SMOKE], "pm25")
    assert bands is not None
    assert bands.windows == ()
    for gap, value in steps:
        rest = station.state.idle
        now += gap
        changes = station.reading(now, value)
        if rest and bands.low <= value <= bands.high:
            assert changes == []
            assert station.state.idle
            assert not stirs(SMOKE, station)


@given(readings)
def test_episodes_open_and_close_in_turn(steps: list[tuple[int, float]]) -> None:
    station, now, open_ = RuledStation(SMOKE), 0, False
    for gap, value in steps:
        now += gap
        for change in station.reading(now, value):
            if change.reason == "condition":
                assert not open_
                open_ = True
            elif change.state == "resolved":
                assert open_
                open_ = False
            assert change.event_ms <= now * MIN
            assert change.started_ms <= change.event_ms
    assert open_ is (station.state.started is not None)
