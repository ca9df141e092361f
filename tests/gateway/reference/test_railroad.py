"""Pictures of a grammar: every word and rule is there, and every line begins where the last one ended."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from gateway.reference.railroad import box, choice, nothing, railroads, repeated, sequence, svg
from rules.language.parser import grammar

SMALL = """
start: "a" (b | C)* D?
!b: "x&y" | "z"     -> named
gone: start
C: /c+/
D: "d"
"""


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")]


def test_what_is_in_a_picture() -> None:
    drawn = railroads(SMALL, frozenset({"gone"}))
    assert list(drawn) == ["start", "b"]
    assert texts(drawn["start"]) == ["a", "b", "C", "d"]
    assert texts(drawn["b"]) == ["x&y", "z"]


def test_a_word_is_round_and_a_rule_is_square() -> None:
    assert 'class="word"' in svg(box("and", word=True))
    assert 'class="word"' not in svg(box("sum", word=False))


def test_sizes() -> None:
    word = box("and", word=True)
    assert sequence([word, word]).width == 2 * word.width + 12
    assert choice([nothing(), word]).down > word.down
    assert repeated(word).down > word.down
    assert sequence([word]) is word is choice([word])


@pytest.mark.slow
@pytest.mark.parametrize("name", railroads(grammar()))
def test_nothing_is_drawn_outside_of_the_picture(name: str) -> None:
    picture = ElementTree.fromstring(railroads(grammar())[name])
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    for element in picture.iter():
        if element.tag.endswith("path"):
            x, y = map(float, re.match(r"M([\d.]+) ([\d.]+)", element.get("d", "")).groups())  # type: ignore[union-attr]
            assert 0 <= x <= width
            assert 0 <= y <= height
        elif element.tag.endswith("rect") and element.get("x"):
            assert 0 <= float(element.get("x", 0)) <= width - float(element.get("width", 0))
            assert 0 <= float(element.get("y", 0)) <= height - float(element.get("height", 0))
