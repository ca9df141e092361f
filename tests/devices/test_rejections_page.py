"""docs/reference/rejections.md says what happens: every reason is in it, and every row of bad input behaves as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devices.interpret import Interpreted
from devices.rejection import Reason, Rejection
from devices.timing import DeviceClock, Window, stamp
from tests.devices.building import NOON, city

PAGE = (Path(__file__).parents[2] / "docs/reference/rejections.md").read_text("utf-8")
WINDOW = Window(120_000, 604_800_000)
"""The defaults of `time.accept_ahead` and `time.accept_past`."""


def rows(section: str) -> list[list[str]]:
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip("| ") for cell in row] for row in cells if not row[0].startswith(("---", "Reason", "Input"))]


REASONS = rows("Reasons")
BAD_INPUT = {row[0]: (row[1], row[2]) for row in rows("What bad input gets")}

SPECIAL = {
    "empty payload": b"",
    "payload of 1 MB": b"x" * 1_048_576,
    "deep nesting": b"[" * 5000,
    "invalid UTF-8": b'{"device":"an-01","note":"\xff","pm25":1}',
    "huge integer": b'{"device":"an-01","pm25":' + b"9" * 400 + b',"pm10":20}',
}
"""Rows whose example cannot stand in a table as it is."""


def test_every_reason_is_explained_in_both_languages_and_no_other() -> None:
    assert [row[0].strip("`") for row in REASONS] == [reason.value for reason in Reason]
    for row in REASONS:
        assert len(row) == 5, row
        assert all(row), row


def test_all_rows_of_bad_input_were_found() -> None:
    assert len(BAD_INPUT) >= 25
    assert set(SPECIAL) <= set(BAD_INPUT)


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_gets_what_the_page_says(name: str) -> None:
    example, gets = BAD_INPUT[name]
    town = city()
    payload = SPECIAL[name] if name in SPECIAL else example.strip("`").encode()
    result = town.interpret("main", "sensors/air/an-01", payload, NOON)
    if rejected := re.fullmatch(r"rejected `([a-z0-9-]+)`", gets):
        assert isinstance(result, Rejection)
        assert result.reason.value == rejected[1]
        return
    assert isinstance(result, Interpreted), result
    assert gets.startswith("stored; ")
    values = {value.parameter: value for value in result.values}
    assert values["pm10"].value == 20, "the neighbour is kept"
    claims = gets.removeprefix("stored; ").split("; ")
    refused = [f"field refused `{field.reason.value}`" for field in result.refused]
    assert [claim for claim in claims if claim.startswith("field refused")] == refused
    at_ms = stamp(DeviceClock(), result.time_ms, NOON, 60_000, 0, WINDOW).event_ms
    for claim in claims:
        if claim == "flag 4":
            assert values["pm25"].flag == 4
        elif claim == "flag 9, no value":
            assert (values["pm25"].value, values["pm25"].flag) == (None, 9)
        elif claim == "read as `0.0`":
            assert str(values["pm25"].value) == "0.0"
        elif claim == "time of receipt":
            assert at_ms == NOON
        elif claim == "the unknown field is ignored":
            assert set(values) == {"pm10"}
        else:
            assert claim.startswith("field refused"), f"the page claims {claim!r}, which this test does not know"
