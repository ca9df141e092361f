"""Where a problem is, and how it is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.language.errors import ConditionError, Problem, picture, place
from rules.language.nodes import Span


def test_line_and_column_begin_at_one() -> None:
    text = "a > 1\n  and b > 2"
    assert place(text, 0) == (1, 1)
    assert place(text, 5) == (1, 6)
    assert place(text, 6) == (2, 1)
    assert place(text, text.index("b")) == (2, 7)
    assert place(text, len(text)) == (2, 12)


def test_the_picture_shows_the_line_and_carets() -> None:
    assert picture("pm25 > 10 °C", Span(7, 12)) == "pm25 > 10 °C\n       ^^^^^"
    assert picture("a > 1\n  and b > 2\n", Span(12, 13)) == "  and b > 2\n      ^"
    assert picture("a > 1\nand b", Span(4, 9)) == "a > 1\n    ^"
    assert picture("pm25 >", Span(6, 7)) == "pm25 >\n      ^"


@given(st.text("ab \n\t", max_size=300), st.integers(0, 310), st.integers(0, 310))
def test_a_picture_has_two_lines_and_a_caret(text: str, start: int, width: int) -> None:
    shown, carets = picture(text, Span(min(start, len(text)), min(start, len(text)) + width)).split("\n")
    assert len(shown) <= 100
    assert carets.strip() == "^" * len(carets.strip()) != ""
    assert len(carets) <= max(101, len(shown))


def test_all_problems_in_the_order_of_the_text() -> None:
    later, first = Problem(Span(5, 6), "second"), Problem(Span(0, 1), "first")
    error = ConditionError("abcdefg", [later, first, later])
    assert error.problems == (first, later)
    assert str(error) == "column 1: first; column 6: second"
    assert error.pictures() == "abcdefg\n^ first\nabcdefg\n     ^ second"
    assert str(ConditionError("abcd\nefg", [later])) == "line 2, column 1: second"
