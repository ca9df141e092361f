"""The example of `docs/how-to/import-old-data.md` does what the page says, to the letter."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from gateway.series.maps import SeriesMap
from tests.gateway.commands.place import REGISTRY, Place

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "import-old-data.md").read_text("utf-8")


def block(begins: str) -> str:
    """The fenced block that begins so, without its indentation."""
    found = [textwrap.dedent(body) for body in re.findall(r"^ *```\w*\n(.*?)^ *```$", PAGE, re.M | re.S)]
    (one,) = [body for body in found if body.startswith(begins)]
    return one


@pytest.mark.slow
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, REGISTRY.replace("bach-dang", "cau-rong"), api={"port": 1})
    place.write("old.csv", block("Thời gian;"))
    place.write("old.yaml", block("map: old-stations"))
    monkeypatch.chdir(tmp_path)
    command, *printed = block("$ envgw import").splitlines()
    done = place.run(*command.removeprefix("$ envgw ").split())
    assert [*done.stderr.splitlines(), *done.stdout.splitlines()] == printed


def test_the_layout_with_one_value_a_row() -> None:
    found = SeriesMap.model_validate(yaml.safe_load(block("map: openaq")))
    assert found.long is not None
    assert found.parameters == ["pm25", "o3"]
