"""`use:`: a rule that begins with one of the library."""

from __future__ import annotations

import pytest

from rules import loader
from rules.loader import UseError, expand

BASE = {
    "id": "base",
    "name": {"vi": "Gốc", "en": "Base"},
    "where": {"medium": "air"},
    "levels": {"warning": {"when": "pm25 > 50", "for": "10m", "clear": "pm25 < 40"}, "critical": {"when": "pm25 > 150"}},
    "file": "base.yaml",
}


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "library", lambda: {"base": BASE})


def test_a_rule_is_taken_as_it_is() -> None:
    assert expand({"use": "base"}) == {key: value for key, value in BASE.items() if key != "file"}
    assert expand({"id": "own"}) == {"id": "own"}
    assert expand("no rule") == "no rule"


def test_what_is_written_replaces_what_the_library_says() -> None:
    found = expand({"use": "base", "id": "mine", "where": {"area": "x"}, "name": {"en": "Mine"}, "mode": "shadow"})
    assert (found["id"], found["where"], found["mode"]) == ("mine", {"area": "x"}, "shadow")
    assert found["name"] == {"vi": "Gốc", "en": "Mine"}


def test_levels_are_replaced_word_by_word_and_off_takes_one_away() -> None:
    found = expand({"use": "base", "levels": {"warning": {"for": "5m"}, "critical": "off", "info": {"when": "pm25 > 30"}}})["levels"]
    assert found == {"warning": {"when": "pm25 > 50", "for": "5m", "clear": "pm25 < 40"}, "info": {"when": "pm25 > 30"}}
    assert BASE["levels"]["critical"] == {"when": "pm25 > 150"}  # type: ignore[index]


def test_a_new_condition_does_not_keep_the_old_clear_line() -> None:
    found = expand({"use": "base", "levels": {"warning": {"when": "pm25 > 30"}}})["levels"]["warning"]
    assert found == {"when": "pm25 > 30", "for": "10m"}


@pytest.mark.parametrize(
    ("item", "key", "message"),
    [
        ({"use": "bsae"}, "use", "did you mean 'base'"),
        ({"use": ["base"]}, "use", "no rule"),
        ({"use": "base", "levels": {"info": False}}, "levels", "no level 'info'"),
    ],
)
def test_what_cannot_be_used_is_named(item: dict[str, object], key: str, message: str) -> None:
    with pytest.raises(UseError, match=message) as caught:
        expand(item)
    assert caught.value.key == key
