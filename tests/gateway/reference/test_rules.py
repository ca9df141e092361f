"""The page of the language says what is so: its examples are conditions, its errors are those that are given."""

from __future__ import annotations

import re

import pytest

from devices.loader import catalogue
from gateway.reference.rules import page, pictures
from rules.language.condition import read_condition
from rules.language.errors import ConditionError
from rules.language.nodes import Across, And, Comparison, In, Or
from rules.language.parser import grammar, parse
from rules.language.vocabulary import LimitKey, ParameterInfo, Vocabulary


class Limits:
    def keys(self) -> list[LimitKey]:
        return [LimitKey("QCVN 05:2023", "pm25", "24h")]

    def value(self, key: LimitKey, at_ms: int) -> float | None:
        return 50.0

    def changes(self, key: LimitKey) -> list[int]:
        return []


VOCABULARY = Vocabulary(catalogue=catalogue(), derived={"vn_aqi": ParameterInfo(unit="1", display="")}, limits=Limits())
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", page(), re.DOTALL)
TABLE_EXAMPLES = re.findall(r"^\| `[^|]+` \| [^|]+ \| `([^`|]+)` \|$", page(), re.MULTILINE)


@pytest.mark.parametrize("text", BLOCKS[0][1].splitlines())
def test_the_examples_are_conditions(text: str) -> None:
    read_condition(text, VOCABULARY)


@pytest.mark.parametrize("text", TABLE_EXAMPLES)
def test_the_examples_of_the_tables_fit(text: str) -> None:
    node = parse(text)
    is_condition = isinstance(node, Comparison | In | And | Or) or (isinstance(node, Across) and node.quantifier in {"any_of", "all_of"})
    read_condition(text if is_condition else f"{text} > 3", VOCABULARY)


def test_every_table_has_its_examples() -> None:
    assert len(TABLE_EXAMPLES) >= 35


def test_the_errors_are_those_that_are_given() -> None:
    text = BLOCKS[1][1].splitlines()[0]
    with pytest.raises(ConditionError) as raised:
        read_condition(text, VOCABULARY)
    assert raised.value.pictures() + "\n" == BLOCKS[1][1]


@pytest.mark.slow
def test_the_grammar_is_there_verbatim_with_its_pictures() -> None:
    assert BLOCKS[-1] == ("lark", grammar())
    assert all(f"({path.relative_to('reference')})" in page() for path in pictures())


def test_the_truth_table() -> None:
    assert "| false | unknown | false | unknown |\n" in page()
    assert "| true | unknown | unknown | true |\n" in page()
    assert "| unknown | unknown |\n" in page()
