"""The threshold machine: timers in event time, held values, silence, graded severities (semantics C5, D3, E1-E3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules import threshold
from rules.model import Rule, RuleModel, compile_rule
from rules.threshold import Change, RuleState

MIN = 60_000


def rule(**levels: dict[str, object]) -> Rule:
    return compile_rule(RuleModel.model_validate({"id": "r", "name": {"en": "r"}, "levels": levels}))


SMOKE = rule(
    warning={"when": "pm25 > 100", "for": "10m", "clear": "pm25 < 80"},
    critical={"when": "pm25 > 200", "for": "5m", "clear": "pm25 < 150"},
)


class Station:
    """Feeds a rule as the core does."""

    def __init__(self, what: Rule, interval_ms: int = 5 * MIN) -> None:
        self.rule = what
        self.state: RuleState = threshold.new_state(what)
        self.interval_ms = interval_ms
        self.previous: int | None = None

    def reading(self, minute: float, value: float) -> list[Change]:
        at = round(minute * MIN)
        changes = threshold.on_value(
            self.rule, self.state, value, at, previous_ms=self.previous, interval_ms=self.interval_ms, silence_ms=3 * self.interval_ms
        )
        self.previous = at
        return changes

    def time(self, minute: float) -> list[Change]:
        assert self.previous is not None
        return threshold.on_time(self.rule, self.state, round(minute * MIN), previous_ms=self.previous, interval_ms=self.interval_ms)


def short(changes: list[Change]) -> list[tuple[str, str, float, int]]:
    return [(change.state, change.reason, change.event_ms / MIN, change.severity) for change in changes]


def test_E2_for_fires_by_time_while_the_value_is_held() -> None:
    station = Station(rule(warning={"when": "pm25 > 100", "for": "10m"}), interval_ms=15 * MIN)
    assert station.reading(0, 150) == []
    assert station.time(9.9) == []
    assert short(station.time(10)) == [("firing", "condition", 10, 1)]
    assert short(station.reading(15, 50)) == [("resolved", "cleared", 15, 1)]


def test_E2_the_same_readings_without_ticks_between_give_the_same_changes() -> None:
    station = Station(rule(warning={"when": "pm25 > 100", "for": "10m"}), interval_ms=15 * MIN)
    station.reading(0, 150)
    assert short(station.reading(15, 50)) == [("firing", "condition", 10, 1), ("resolved", "cleared", 15, 1)]


def test_the_episode_starts_when_the_condition_became_true() -> None:
    station = Station(SMOKE)
    station.reading(0, 50)
    station.reading(5, 120)
    station.reading(10, 130)
    (change,) = station.reading(15, 140)
    assert change.started_ms == 5 * MIN
    assert change.event_ms == 15 * MIN


def test_hysteresis_the_alert_ends_at_its_clear_line_only() -> None:
    station = Station(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    assert station.state.severity == 1
    assert station.reading(15, 90) == []
    assert short(station.reading(20, 79)) == [("resolved", "cleared", 20, 1)]


def test_E3_levels_are_independent_and_the_worst_that_is_on_counts() -> None:
    station = Station(SMOKE)
    seen = []
    for minute, value in enumerate([250, 250, 250, 160, 140, 90, 70]):
        seen += short(station.reading(minute * 5, value))
    assert seen == [
        ("firing", "condition", 5, 2),
        ("firing", "de-escalated", 20, 1),
        ("resolved", "cleared", 30, 1),
    ]


def test_E3_escalation() -> None:
    station = Station(SMOKE)
    seen = []
    for minute, value in enumerate([120, 120, 120, 250, 250]):
        seen += short(station.reading(minute * 5, value))
    assert seen == [("firing", "condition", 10, 1), ("firing", "escalated", 20, 2)]


def test_D3_without_for_two_samples_in_a_row_are_needed() -> None:
    station = Station(rule(warning={"when": "pm25 > 100"}))
    assert station.reading(0, 150) == []
    assert station.reading(5, 50) == []
    assert station.reading(10, 150) == []
    assert short(station.reading(15, 150)) == [("firing", "condition", 15, 1)]


def test_D3_immediate_needs_one() -> None:
    station = Station(rule(warning={"when": "level > 2", "immediate": True}))
    assert short(station.reading(0, 2.5)) == [("firing", "condition", 0, 1)]


def test_E1_unknown_pauses_the_timer() -> None:
    """Held to 12.5 min; the next reading comes at 14: 1.5 min do not count towards `for: 20m`."""
    station = Station(rule(warning={"when": "pm25 > 100", "for": "20m"}))
    station.reading(0, 150)
    station.reading(14, 150)
    assert station.reading(19, 150) == []
    assert short(station.time(21.5)) == [("firing", "condition", 21.5, 1)]


def test_E1_silence_resets_the_timer() -> None:
    station = Station(rule(warning={"when": "pm25 > 100", "for": "20m"}))
    station.reading(0, 150)
    station.reading(15, 150)  # 3 intervals of silence
    assert station.state.levels[0].due == 35 * MIN


def test_E1_unknown_never_fires_a_timer_that_was_not_held() -> None:
    station = Station(rule(warning={"when": "pm25 > 100", "for": "20m"}))
    station.reading(0, 150)
    assert station.time(60) == []


def test_E1_E3_silence_never_resolves_and_the_return_is_told_as_such() -> None:
    station = Station(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    (change,) = threshold.on_silence(SMOKE, station.state, 25 * MIN)
    assert short([change]) == [("unknown", "data-stopped", 25, 1)]
    assert threshold.on_silence(SMOKE, station.state, 30 * MIN) == []
    assert short(station.reading(60, 120)) == [("firing", "data-returned", 60, 1)]
    assert short(station.reading(65, 10)) == [("resolved", "cleared", 65, 1)]


def test_a_gap_between_two_readings_tells_the_silence_that_nobody_saw() -> None:
    station = Station(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    assert short(station.reading(60, 10)) == [("unknown", "data-stopped", 25, 1), ("resolved", "cleared", 60, 1)]


def test_close_ends_the_episode_with_the_reason_given() -> None:
    station = Station(SMOKE)
    for minute in (0, 5, 10):
        station.reading(minute, 120)
    assert short(threshold.close(SMOKE, station.state, 12 * MIN, "rule-changed")) == [("resolved", "rule-changed", 12, 1)]
    assert station.state.idle


readings = st.lists(st.tuples(st.integers(1, 30), st.sampled_from([10.0, 79.0, 90.0, 120.0, 160.0, 250.0])), max_size=40)


@given(readings, st.lists(st.integers(0, 30 * 40), max_size=20))
def test_looking_at_the_clock_in_between_changes_nothing(steps: list[tuple[int, float]], looks: list[int]) -> None:
    """Timers fire at their own time, whoever notices first."""

    def run(ticks: list[int]) -> list[Change]:
        station, now, seen = Station(SMOKE), 0, []
        for gap, value in steps:
            for tick in sorted(ticks):
                if now < tick <= now + gap and station.previous is not None:
                    seen += station.time(tick)
            now += gap
            seen += station.reading(now, value)
        return seen

    assert run([]) == run(looks)


@given(readings)
def test_a_value_inside_the_quiet_band_does_nothing(steps: list[tuple[int, float]]) -> None:
    station, now = Station(SMOKE), 0
    for gap, value in steps:
        low, high = threshold.quiet_band([(SMOKE, station.state)])
        before = threshold.RuleState(**{name: getattr(station.state, name) for name in ("started", "severity", "unknown")}, levels=[])
        now += gap
        changes = station.reading(now, value)
        if low <= value <= high:
            assert changes == []
            assert station.state.idle
            assert before.started is None


@given(readings)
def test_episodes_open_and_close_in_turn(steps: list[tuple[int, float]]) -> None:
    station, now, open_ = Station(SMOKE), 0, False
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
