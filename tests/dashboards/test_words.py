"""Every text has both languages."""

from __future__ import annotations

import ast
from pathlib import Path

from dashboards import words
from dashboards.words import Text
from devices import loader

ROOT = Path(words.__file__).parent


def test_every_text_has_both_languages() -> None:
    texts = [value for value in vars(words).values() if isinstance(value, Text)] + list(words.FLAG_NAMES.values())
    assert len(texts) > 20
    assert all(text.vi and text.en for text in texts)


def test_nothing_is_said_outside_of_a_text() -> None:
    """Each Text in the dashboards' modules is written with two arguments that are not the same."""
    found = 0
    for path in ROOT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Text":
                found += 1
                assert len(node.args) == 2, f"{path.name}:{node.lineno}"
                vi, en = (isinstance(argument, ast.Constant) and not argument.value for argument in node.args)
                assert vi == en, f"{path.name}:{node.lineno}: empty in one language only"
    assert found > 20


def test_a_column_says_its_unit_once() -> None:
    catalogue = loader.catalogue()
    assert words.label(catalogue["pm25"], "vi") == "Bụi PM2,5 (µg/m³)"
    assert words.label(catalogue["ph"], "en") == "pH"
