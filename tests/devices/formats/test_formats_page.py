"""docs/reference/formats.md says what is so: every format is on it, with its options, and each refusal is as the page says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.formats import FORMATS
from devices.formats.limits import MAX_DEPTH, MAX_RECORDS, MAX_VALUES
from devices.formats.record import Context
from devices.formats.refusals import refused_fields
from devices.formats.unwrap import WRAPPERS
from devices.rejection import Reason, Rejection

PAGE = (Path(__file__).parents[3] / "docs/reference/formats.md").read_text("utf-8")
TOPICS = {"sparkplug-b": ("spBv1.0", "city", "NDATA", "gw1")}


def rows(section: str) -> list[list[str]]:
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


THE_FORMATS = {row[0].strip("`"): row for row in rows("The formats")}
REFUSALS = rows("What each format refuses")


def payload(cell: str) -> bytes:
    """`\\x00` and `\\n` are escapes; everything else is what it looks like."""
    if cell == "(nothing)":
        return b""
    text = cell.strip("`")
    found: bytes = ast.literal_eval('b"' + text.replace('"', '\\"') + '"')
    return found


def test_every_format_is_described_with_its_options_and_no_other() -> None:
    assert list(THE_FORMATS) == list(FORMATS)
    for name, row in THE_FORMATS.items():
        options = FORMATS[name].options
        named = re.search(r"options: \{([a-z_, ]+)\}", row[1])
        assert (named[1].split(", ") if named else []) == list(options.model_fields if options else {}), name


def test_every_format_has_a_refusal_and_every_wrapper_and_limit_is_named() -> None:
    assert {row[0].split("`")[1] for row in REFUSALS} == set(FORMATS)
    for name in WRAPPERS:
        assert f"`{name}`" in PAGE
    for limit in (f"{MAX_DEPTH} levels", f"{MAX_RECORDS:,}", f"{MAX_VALUES:,}"):
        assert limit in PAGE


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row[0]} {row[1]}"[:60])
def test_a_refusal_is_as_the_page_says(row: list[str]) -> None:
    found_name = re.fullmatch(r"`([a-z0-9-]+)`(?: `(\{.*\})`)?", row[0])
    assert found_name is not None
    form = FORMATS[found_name[1]]
    options: Any = None
    if found_name[2]:
        assert form.options is not None
        options = form.options(**yaml.safe_load(found_name[2]))
    found = form.parse(payload(row[1]), Context(TOPICS.get(form.name, ("sensors", "st01")), 1_773_453_600_000, {}), options)
    if rejected := re.fullmatch(r"rejected `([a-z0-9-]+)`", row[2]):
        assert isinstance(found, Rejection), found
        assert found.reason is Reason(rejected[1])
        return
    refused = re.fullmatch(r"`(.+)` refused `([a-z0-9-]+)`", row[2])
    assert refused is not None
    assert isinstance(found, list), found
    assert [(one.field, one.reason) for record in found for one in refused_fields(record.pairs)] == [(refused[1], Reason(refused[2]))]
    assert any(not isinstance(value, Rejection) for record in found for value in record.pairs.values()), "a neighbour is kept"
