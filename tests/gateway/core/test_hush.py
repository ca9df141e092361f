"""Silenced episodes: a mark beside the state; people are told nothing, unless it becomes worse (docs/decisions/0028)."""

from __future__ import annotations

from gateway.core import Core
from gateway.core.inputs import ClockJump, Command, Tick
from gateway.core.outcomes import Outcomes
from tests.gateway.core.test_core_rules import run
from tests.tools.town import MIN, NOW, air, plain, started

LEVELS = {
    "warning": {"when": "pm25 > 100", "immediate": True, "clear": "pm25 < 80"},
    "critical": {"when": "pm25 > 200", "immediate": True, "clear": "pm25 < 150"},
}


def firing(value: float = 120, **more: object) -> tuple[Core, str]:
    core = started(plain(air=3, water=0, rules=[{"id": "r", "name": {"en": "r"}, "levels": LEVELS, **more}]))
    (intent,) = run(core, air(0, NOW, pm25=value)).intents
    return core, intent.transition.episode


def silence(at_ms: int, episode: str, until_ms: int) -> Command:
    return Command(at_ms, "silence", episode, "Lan", "works there", until_ms)


def told(out: Outcomes) -> list[tuple[str, str, bool]]:
    return [(item.transition.state, item.transition.severity, item.quiet) for item in out.intents if item.transition.rule == "r"]


def test_it_is_recorded_and_changes_no_state() -> None:
    core, episode = firing()
    out = run(core, silence(NOW + 1000, episode, NOW + 60 * MIN))
    (mark,) = out.transitions
    assert (mark.state, mark.reason, mark.operator, mark.until_ms) == ("firing", "silenced", "Lan", NOW + 60 * MIN)
    assert out.intents == []
    assert run(core, silence(NOW + 2000, "r/st-0/1", NOW + 60 * MIN)).transitions == []


def test_people_are_not_told_how_it_ends_but_receivers_that_hold_a_state_are() -> None:
    core, episode = firing()
    run(core, silence(NOW + 1000, episode, NOW + 60 * MIN))
    assert told(run(core, air(0, NOW + MIN, pm25=50))) == [("resolved", "warning", True)]
    assert core.state.silenced == {}
    assert told(run(core, air(0, NOW + 2 * MIN, pm25=120))) == [("firing", "warning", False)]  # another episode


def test_what_becomes_worse_is_told_and_from_then_on_everything() -> None:
    core, episode = firing()
    run(core, silence(NOW + 1000, episode, NOW + 60 * MIN))
    assert told(run(core, air(0, NOW + MIN, pm25=250))) == [("firing", "critical", False)]
    assert told(run(core, air(0, NOW + 2 * MIN, pm25=120))) == [("firing", "warning", False)]


def test_what_becomes_as_bad_as_it_was_is_not_worse() -> None:
    core, episode = firing(250)
    run(core, silence(NOW + 1000, episode, NOW + 60 * MIN), air(0, NOW + MIN, pm25=120))
    assert told(run(core, air(0, NOW + 2 * MIN, pm25=250))) == [("firing", "critical", True)]


def test_it_is_over_at_its_time_and_can_be_lifted() -> None:
    core, episode = firing(250)
    run(core, silence(NOW + 1000, episode, NOW + MIN))
    assert told(run(core, air(0, NOW + 2 * MIN, pm25=120))) == [("firing", "warning", False)]
    core, episode = firing(250)
    run(core, silence(NOW + 1000, episode, NOW + 60 * MIN), silence(NOW + 2000, episode, NOW + 2000))
    assert told(run(core, air(0, NOW + 2 * MIN, pm25=120))) == [("firing", "warning", False)]


def test_a_groups_episode_and_a_built_in_alert_can_be_silenced() -> None:
    core, episode = firing(group="all")
    run(core, silence(NOW + 1000, episode, NOW + 60 * MIN))
    assert told(run(core, air(0, NOW + MIN, pm25=50))) == [("resolved", "warning", True)]
    out = run(core, Tick(NOW + 30 * MIN))
    (alarm,) = [item.transition for item in out.intents if item.transition.rule == "device-silent"]
    run(core, silence(NOW + 31 * MIN, alarm.episode, NOW + 60 * MIN))
    (over,) = [item for item in run(core, air(0, NOW + 32 * MIN, pm25=50)).intents if item.transition.rule == "device-silent"]
    assert (over.transition.state, over.quiet) == ("resolved", True)


def test_A1_a_stepped_clock_does_not_end_it() -> None:
    core, episode = firing()
    run(core, silence(NOW + 1000, episode, NOW + 10 * MIN), ClockJump(NOW + 60 * MIN, 59 * MIN))
    assert core.state.silenced[episode].until_ms == NOW + 69 * MIN
