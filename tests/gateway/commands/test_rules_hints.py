"""Hints of `envgw rules check`: alerts that could not end at some stations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices.interpret import Interpreter, build_interpreter
from gateway.commands.rules import check
from gateway.commands.rules_hints import hints, measured_at
from rules.model import RuleModel
from tests.gateway.core.test_core_rules import rule
from tests.tools.town import plain


def interpreter(*without: str) -> Interpreter:
    """Five air stations, whose type gives all but these."""
    data = plain(air=5, water=1, rules=[])
    types = [
        {**kind, "fields": {key: field for key, field in kind["fields"].items() if field.get("parameter") not in without}}
        for kind in data["types"]
    ]
    return build_interpreter({**data, "types": types})


def said(wanted: dict[str, Any], *without: str) -> list[str]:
    return [hint.message for hint in hints([RuleModel.model_validate(wanted)], [], interpreter(*without))]


def test_what_a_station_measures_is_what_its_types_give() -> None:
    known = interpreter()
    assert {"pm25", "no2", "air_temp"} <= (measured_at(known, "st-0") or set())
    assert "ph" in (measured_at(known, "w-0") or ())
    assert "ph" not in (measured_at(known, "st-0") or ())


def test_an_or_over_what_stations_lack_is_said_with_the_stations() -> None:
    assert said(rule("pm25 > 100 or h2s > 40"), "h2s") == [
        "r, warning: h2s is not measured at st-0, st-1, st-2 … (5 of the rule's 5 stations): there `pm25 > 100 or h2s > 40` is true or "
        "unknown, and never false, so an alert would never end; write a rule for each parameter, or a `clear` over what "
        "every station measures"
    ]


def test_what_a_type_may_give_a_station_may_lack_all_the_same() -> None:
    (hint,) = said(rule("pm25 > 100 or h2s > 40"))
    assert hint.startswith("r, warning: where h2s or pm25 is not measured `pm25 > 100 or h2s > 40` is true or unknown, and never false")
    model = RuleModel.model_validate(rule("pm25 > 100 or h2s > 40"))
    assert [item.message for item in hints([model], [], None)] == [hint]


@pytest.mark.parametrize("text", ["pm25 > 100", "pm25 > 100 and h2s > 40", "h2s > 40", "pm25 + h2s > 40"])
def test_what_can_end_is_not_mentioned(text: str) -> None:
    assert said(rule(text), "h2s") == []


def test_derived_parameters_are_lacking_where_what_they_are_made_of_is() -> None:
    (hint,) = said(rule("pm25 > 100 or o3_8h > 100", where={"station": ["st-1"]}), "o3")
    assert "o3_8h is not measured at st-1 (1 of the rule's 1 stations)" in hint
    (hint,) = said(rule("pm25 > 100", clear="pm25_raw < 50 and h2s_raw < 40"), "h2s")
    assert "there `clear` cannot be true" in hint


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ({"station": ["st-0", "st1"]}, "there is no station 'st1'; did you mean 'st-1'?"),
        ({"tag": "school"}, "no station has the tag 'school', so it watches nothing"),
        ({"area": "hai-chow"}, "no station lies in 'hai-chow'; did you mean 'hai-chau"),
        ({"owner": "nobody"}, "no station belongs to 'nobody'"),
        ({"station": ["w-0"], "medium": "air"}, "no station fits its `where`, so it watches nothing"),
    ],
)
def test_a_rule_that_watches_no_station_is_mentioned(where: dict[str, Any], hint: str) -> None:
    (found,) = said(rule("pm25 > 100", where=where))
    assert found.startswith(f"r: {hint}")


def test_the_hint_stands_where_the_condition_does(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text('rules:\n  - id: r\n    name: {en: r}\n    levels:\n      warning: {when: "pm25 > 100 or h2s > 40"}\n', "utf-8")
    (hint,) = check(None, [path]).hints
    assert (hint.file, hint.line) == (str(path), 5)
