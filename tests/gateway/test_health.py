"""Three colours, each that is not green with a reason."""

from __future__ import annotations

import pytest

from gateway.health import GREEN, RED, YELLOW, Health, HealthPart, document, overall, ready


def test_the_worst_part_counts() -> None:
    parts = [HealthPart("ledger", GREEN), HealthPart("history influx", YELLOW, "3 min behind; is it up?")]
    assert (overall(parts), ready(parts)) == (YELLOW, True)
    parts.append(HealthPart("disk", RED, "12 MB free on data/; make room"))
    assert (overall(parts), ready(parts)) == (RED, False)
    assert document(parts) == {
        "health": "red",
        "ready": False,
        "parts": [
            {"name": "disk", "colour": "red", "reason": "12 MB free on data/; make room"},
            {"name": "history influx", "colour": "yellow", "reason": "3 min behind; is it up?"},
            {"name": "ledger", "colour": "green", "reason": ""},
        ],
    }


def test_nothing_known_is_not_green() -> None:
    assert overall([]) is RED
    assert Health().colour is RED


@pytest.mark.parametrize("colour", [YELLOW, RED])
def test_what_is_not_green_must_say_why(colour: object) -> None:
    with pytest.raises(ValueError, match="say what is wrong, where, and what to do"):
        HealthPart("ledger", colour)  # type: ignore[arg-type]


def test_reports_replace_each_other_and_tell_changes() -> None:
    health = Health()
    assert health.set("ledger", GREEN)
    assert not health.set("ledger", GREEN), "nothing new"
    assert health.set("source city", RED, "refused the password; mend brokers.city.password")
    assert health.colour is RED
    assert health.set("source city", GREEN)
    assert health.colour is GREEN
    health.set("receiver old", YELLOW, "not reachable")
    health.forget("receiver old")
    assert [part.name for part in health.parts] == ["ledger", "source city"]
    assert health.colours() == {"ledger": 0, "source city": 0}
