"""`rules explain`: what a rule sees, its timers, and the sentences that say what is missing to an alert."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.models import RuleExplained
from gateway.core import Core
from gateway.explaining import NothingToExplain, explained
from tests.tools.town import MIN, NOW, air, plain, started

RULE = {
    "id": "smoke",
    "name": {"en": "Smoke"},
    "where": {"medium": "air"},
    "levels": {"warning": {"when": "pm25 > 100 and pm10 < 80", "for": "5m", "clear": "pm25 < 80"}},
}


def town(*values: float, rule: dict[str, Any] = RULE, **more: float) -> Core:
    """A core to which an-0 has said these values of pm25, one a minute."""
    core = started(plain(rules=[rule]))
    for minute, value in enumerate(values, 1):
        core.step([air(0, NOW + minute * MIN, pm25=value, **more)])
    return core


def look(core: Core, minute: float, station: str = "st-0") -> dict[str, Any]:
    found = explained(core, "smoke", station, NOW + round(minute * MIN))
    assert RuleExplained.model_validate(found)
    return found


def test_a_rule_at_rest_says_which_part_is_false_and_with_what_value() -> None:
    found = look(town(50.0, pm10=60.0), 1)
    assert (found["state"], found["levels"][0]["state"]) == ("at rest", "off")
    assert found["why"] == ["warning: `pm25 > 100 and pm10 < 80` is false (pm25 = 50 µg/m³)"]


def test_a_part_that_is_unknown_is_named_with_its_reason() -> None:
    found = look(town(150.0), 1)
    assert found["why"] == [
        "warning: `pm25 > 100 and pm10 < 80` is unknown (pm10 = unknown)",
        "pm10 is unknown: no reading ever came",
    ]
    old = look(town(50.0, pm10=60.0), 30)
    assert [text for text in old["why"] if "ran out at" in text]


def test_readings_that_cannot_be_believed_are_told_from_none() -> None:
    core = town(150.0, 150.0, pm10=60.0, rule={**RULE, "levels": {"warning": {"when": "pm25 > 100", "immediate": True}}})
    core.step([air(0, NOW + minute * MIN, pm25=9999) for minute in range(3, 9)])
    why = look(core, 8)["why"]
    assert "the episode is open: last known firing, and it ends only when something is known again" in why
    assert [text for text in why if text.startswith("pm25 is unknown: readings come, but none can be believed: the newest reading, of ")]
    assert not [text for text in look(core, 60)["why"] if "believed" in text]


def test_a_timer_says_when_it_is_due_and_a_firing_rule_what_ends_it() -> None:
    core = town(150.0, 150.0, pm10=60.0)
    found = look(core, 2)
    level = found["levels"][0]
    assert (found["state"], level["state"], level["left_s"], level["for_s"]) == ("pending", "pending", 240, 300)
    for minute in (3, 4, 5, 6, 7):
        core.step([air(0, NOW + minute * MIN, pm25=150.0, pm10=60.0)])
    found = look(core, 7)
    assert (found["state"], found["severity"]) == ("firing", "warning")
    assert found["episode"] == f"smoke/st-0/{NOW + MIN}"
    assert found["why"] == ["warning: on, until `pm25 < 80` is true; now it is false (pm25 = 150 µg/m³)"]


def test_every_part_has_its_value_and_unit() -> None:
    when = look(town(150.0, pm10=60.0), 1)["levels"][0]["when"]
    assert [(part["text"], part["value"]) for part in when["parts"]] == [("pm25 > 100", True), ("pm10 < 80", True)]
    assert when["parts"][0]["parts"] == [{"text": "pm25", "value": 150.0, "unit": "µg/m³", "kind": "number", "parts": []}]


def test_a_station_that_the_rule_does_not_watch_is_told_so() -> None:
    found = look(town(150.0), 1, station="w-0")
    assert not found["watches"]
    assert "does not watch w-0" in found["why"][0]


def test_shadow_is_told() -> None:
    assert any("shadow" in text for text in look(town(50.0, rule={**RULE, "mode": "shadow"}), 1)["why"])


def test_looking_changes_nothing() -> None:
    core = town(150.0, 150.0, pm10=60.0)
    before = core.export()
    look(core, 10)
    assert core.export() == before


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(NothingToExplain, match="no rule 'smok'"):
        explained(town(), "smok", "st-0", NOW)
    with pytest.raises(NothingToExplain, match="no station"):
        explained(town(), "smoke", "st-9", NOW)
