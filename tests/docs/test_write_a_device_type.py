"""The how-to page does what it says: its message is known to no shipped type, its file reads it, and a draft of it loads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.decode import decode
from devices.device_type import parse, parse_all
from devices.draft import draft
from devices.examples import check_example
from devices.loader import catalogue, shipped_types
from devices.type_model import FieldModel, TypeModel

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "write-a-device-type.md").read_text("utf-8")
MESSAGE = re.search(r"```json\n(.*?)\n```", PAGE, re.DOTALL)[1].encode()  # type: ignore[index]
TYPE: dict[str, Any] = yaml.safe_load(re.search(r"```yaml\n(# yaml-language.*?)\n```", PAGE, re.DOTALL)[1])  # type: ignore[index]
TOPIC = "rivers/rv-07/up"


def test_no_shipped_type_knows_the_message() -> None:
    types = parse_all(list(shipped_types().values()), catalogue())
    answer = decode(types, catalogue(), type_id="auto", payload=MESSAGE, received_ms=0, topic=TOPIC)
    assert not answer.ok


def test_the_finished_file_reads_it() -> None:
    kind = parse(TYPE, catalogue())
    (example,) = kind.examples
    assert example.message.encode() == MESSAGE
    assert check_example(kind, example) == []


def test_then_auto_knows_it() -> None:
    types = parse_all([*shipped_types().values(), TYPE], catalogue())
    answer = decode(types, catalogue(), type_id="auto", payload=MESSAGE, received_ms=0, topic=TOPIC)
    assert answer.type == "river-node"
    assert "it has node" in answer.why


def test_a_draft_of_the_message_loads_and_its_example_is_green() -> None:
    text = draft(MESSAGE, type_id="river-node", topic=TOPIC, received_ms=1_773_453_600_000, format_="auto", catalogue=catalogue())
    kind = parse(yaml.safe_load(text), catalogue())
    assert [check_example(kind, example) for example in kind.examples] == [[]]


@pytest.mark.parametrize("word", re.findall(r"^\| ((?:`[a-z_]+(?:: \w+)?`(?:, )?)+) \|", PAGE, re.MULTILINE))
def test_every_word_of_the_table_is_one_of_the_model(word: str) -> None:
    known = set(TypeModel.model_fields) | set(FieldModel.model_fields)
    assert {name.partition(":")[0] for name in re.findall(r"`([^`]+)`", word)} <= known
