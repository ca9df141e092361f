"""What the YAML dialect means, and where each value is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.yamlfile import MAX_NODES, Document, parse, plain, read


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "f.yaml").problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("12", 12), ("-3", -3), ("+7", 7), ("0", 0), ("1.5", 1.5), ("-.5", -0.5), ("2.0e+6", 2_000_000.0), ("7.", 7.0),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("NO", "NO"), ("y", "y"), ("007", "007"), ("0x1F", "0x1F"),
        ("0o17", "0o17"),        ("12:30", "12:30"), ("1_000", "1_000"), ("1e5", "1e5"),
        (".nan", ".nan"), (".inf", ".inf"), ("2026-01-01", "2026-01-01"),
        ("tRUE", "tRUE"),        ("1234567890123456789", "1234567890123456789"),
        ("9" * 400 + ".0", "9" * 400 + ".0"), ("٣", "٣"), ("12\n", "12\n"),
    ],
)  # fmt: skip
def test_unquoted_scalars(text: str, value: object) -> None:
    got = plain(text)
    assert (got, type(got)) == (value, type(value))


def test_quoted_scalars_are_text() -> None:
    assert parse("a: '5'\nb: \"true\"\nc: !!str 5\nd: |\n  1\n", "f").data == {"a": "5", "b": "true", "c": "5", "d": "1\n"}


def test_keys_are_text() -> None:
    assert parse("no: 1\n5: 2\n~: 3", "f").data == {"no": 1, "5": 2, "~": 3}


def test_where_counts_from_one_and_falls_back_to_the_nearest_part() -> None:
    document = parse("a:\n  - x: 1\n    y: {z: 2}\n  - 3\nb: 4\n", "f")
    assert document.where(()) == (1, 1)
    assert document.where(("a",)) == (1, 1)  # a value is where its key is
    assert document.where(("a", 0, "y", "z")) == (3, 9)
    assert document.where(("a", 0, "missing")) == document.where(("a", 0))
    assert document.where(("a", 1, "deeper", 5)) == (4, 5)
    assert document.where(("a", 9)) == document.where(("a",))
    assert document.where(("b",)) == (5, 1)


def test_aliases_share_data_and_place() -> None:
    document = parse("a: &x {k: 1}\nb: *x\n", "f")
    assert document.data == {"a": {"k": 1}, "b": {"k": 1}}
    assert document.where(("b",)) == (2, 1)
    assert document.where(("b", "k")) == (1, 8)


def test_duplicate_keys_are_named_with_both_lines() -> None:
    assert problems("a: 1\nb: 2\na: 3\n") == ["f.yaml:3: `a` is given twice, first in line 1: keep one of them"]


def test_a_cycle_is_refused() -> None:
    assert problems("&a [*a]") == ["f.yaml:1: `*a` refers to nothing: define `&a` above it"]


def test_billion_laughs_is_refused_by_count() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join(['*' + before] * 10)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)]
    assert any(f"more than {MAX_NODES} values" in problem for problem in problems("\n".join(lines)))


def test_merge_keys_are_refused() -> None:
    assert "`<<` does not merge here" in problems("a: &x {k: 1}\nb:\n  <<: *x\n")[0]


def test_python_tags_build_nothing() -> None:
    assert "means nothing here" in problems("!!python/object/apply:os.system ['echo']")[0]


def test_env_and_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("väl\n")
    document = parse("a: !env A\nb: !file secret\n", "f", tags=True, folder=tmp_path, environ={"A": "x"})
    assert (document.data, document.problems, document.variables) == ({"a": "x", "b": "väl"}, [], {"A"})
    assert document.data["b"].origin == "!file secret"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: !env NOPE", "the environment variable NOPE is not set: set it, or use !file PATH"),
        ("a: !env EMPTY", "the environment variable EMPTY is empty: set it, or use !file PATH"),
        ("a: !file nope", "the file nope of !file cannot be read: No such file or directory"),
        ("a: !file empty", "the file empty of !file is empty: write the value, and nothing else, into it"),
        ("a: !file large", "the file large of !file is longer than 65536 bytes: write the value, and nothing else, into it"),
        ("a: !file binary", "the file binary of !file cannot be read: it is not UTF-8 text"),
        ("a: !file folder", "the file folder of !file cannot be read: Is a directory"),
    ],
)
def test_env_and_file_that_do_not_work(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "folder").mkdir()
    document = parse(text, "f", tags=True, folder=tmp_path, environ={"EMPTY": ""})
    assert [problem.message for problem in document.problems] == [expected]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(tmp_path / "f.yaml").data == {"a": 1}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6).filter(lambda key: key != "<<"), inner, max_size=4),
    max_leaves=25,
)


@given(_VALUES)
def test_what_pyyaml_writes_is_read_back(value: object) -> None:
    """Our builder agrees with PyYAML's writer, which quotes what YAML 1.1 would misread (a superset of ours)."""
    assert parse(yaml.safe_dump(value), "f").data == value


@given(_VALUES)
def test_every_value_has_a_place_inside_the_file(value: object) -> None:
    text = yaml.safe_dump(value)
    document = parse(text, "f")
    lines = text.count("\n") + 1
    for path in paths(document.data):
        line, column = document.where(path)
        assert 1 <= line <= lines
        assert column >= 1


def paths(value: object, before: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [before, *(path for key, inner in items for path in paths(inner, (*before, key)))]


def test_an_empty_document_has_no_data() -> None:
    assert parse("# only a comment\n", "f") == Document("f", None, 0, [])
