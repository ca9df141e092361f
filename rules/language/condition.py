"""The whole way of a condition: its text as it stands in a rules file → what the engine runs."""

from __future__ import annotations

from rules.language.check import check
from rules.language.compiling import compile_condition
from rules.language.parser import LONGEST, parse
from rules.language.view import Compiled
from rules.language.vocabulary import Vocabulary


def read_condition(text: str, vocabulary: Vocabulary, *, longest: int = LONGEST) -> Compiled:
    """Parsed, checked and compiled. Raises ConditionError: the syntax's first problem, or else every problem of names, kinds and units."""
    return compile_condition(check(parse(text, longest=longest), vocabulary, text), vocabulary.limits, text)
