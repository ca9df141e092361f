"""Paths into a message: what `flatten` calls a value, `compile_path` finds under that name."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats.paths import MAX_DEPTH, MAX_VALUES, MISSING, compile_path, flatten
from devices.rejection import Reason, Rejection

AIRROHR = {
    "esp8266id": "13597771",
    "sensordatavalues": [{"value_type": "P1", "value": "3.72"}, {"value_type": "P2", "value": "2.43"}, {"value_type": "P2", "value": "9"}],
}
TREE: dict[str, Any] = {
    "a": {"b": 1, "c": {"d": {"e": 2}}, "n": None},
    "pm2.5": 3,
    "SI7021-14.x": {"Temperature.C": 4},
    "l": [{"b": 5}, {"c": 6}, {"b": 7}],
    "m": [[1, 2], [3]],
    "k": [{"id": 1, "ok": True, "v": 8}, {"id": 1.5, "n": "a,b]", "v": 9}, "text"],
    "huge": [{"n": 10**5000}, {"n": 1, "v": 12}],
    "": 10,
    "[0]": 11,
    "text": "abc",
}


def test_values_stand_under_the_path_that_a_person_reads() -> None:
    assert flatten(AIRROHR) == {
        "esp8266id": "13597771",
        "sensordatavalues[0].value_type": "P1",
        "sensordatavalues[0].value": "3.72",
        "sensordatavalues[1].value_type": "P2",
        "sensordatavalues[1].value": "2.43",
        "sensordatavalues[2].value_type": "P2",
        "sensordatavalues[2].value": "9",
    }
    assert flatten([{"a": 1}, [], {}]) == {"[0].a": 1, "[1]": [], "[2]": {}}
    assert flatten(7) == {"": 7}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", 1),
        ("a.c.d.e", 2),
        ("a.c.d", {"e": 2}),
        ("a.n", None),
        ("pm2.5", 3),
        ("SI7021-14.x.Temperature.C", 4),
        ("l[0].b", 5),
        ("l[-1].b", 7),
        ("l[3].b", MISSING),
        ("l[*].b", [5, 7]),
        ("l[*].x", MISSING),
        ("m[0][1]", 2),
        ("m[*][0]", [1, 3]),
        ("k[id=1].v", 8),
        ("k[id=1.5].v", 9),
        ("k[ok=true].v", 8),
        ('k[n="a,b]",id=1.5].v', 9),
        ("k[id=1,ok=false].v", MISSING),
        ("huge[n=1].v", 12),
        ('[""]', 10),
        ('["[0]"]', 11),
        ('["pm2.5"]', 3),
        ('["a.b"]', MISSING),
        ("text[0]", MISSING),
        ("text.b", MISSING),
        ("a.b.c.d", MISSING),
        ("x", MISSING),
        ("x.y", MISSING),
        ("x.y.z", MISSING),
        ("a[0]", MISSING),
        ("l.b", MISSING),
    ],
)
def test_a_path_finds_its_value(path: str, expected: object) -> None:
    assert compile_path(path)(TREE) == expected


def test_the_first_fitting_element_of_a_list_is_meant() -> None:
    assert compile_path("sensordatavalues[value_type=P2].value")(AIRROHR) == "2.43"


def test_the_nested_reading_of_a_dotted_path_wins() -> None:
    assert compile_path("a.b")({"a": {"b": 1}, "a.b": 2}) == 1
    assert compile_path("a.b.c")({"a": {"x": 1}, "a.b": {"c": 2}}) == 2


NO_PATHS = ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a]b", "a[0]b", "a.[0]", "a[=x]", "a[1", "x" * 501, ".".join("a" * 17)]


@pytest.mark.parametrize("text", NO_PATHS)
def test_what_is_no_path_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"a path has|is not a path"):
        compile_path(text)


def test_flatten_refuses_what_has_no_bounds() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    for tree, reason in [
        (deep, Reason.TOO_DEEP),
        ([1] * (MAX_VALUES + 1), Reason.WRONG_SHAPE),
        ({"x" * 501: 1}, Reason.WRONG_SHAPE),
        ({"x" * 30_000: list(range(10_000))}, Reason.WRONG_SHAPE),
        ({"a": {"b": 1}, "a.b": 2}, Reason.DUPLICATE_KEY),
    ]:
        found = flatten(tree)
        assert isinstance(found, Rejection)
        assert found.reason is reason
    assert isinstance(flatten([1] * MAX_VALUES), dict)


def test_the_largest_tree_costs_less_than_ten_megabytes() -> None:
    tree = {"x" * 480: [{str(n): n} for n in range(MAX_VALUES)]}
    tracemalloc.start()
    assert isinstance(flatten(tree), dict)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
names = st.one_of(st.sampled_from(["a", "b", "a.b", "pm2.5", "", "[0]", '"']), st.text(max_size=4))
trees = st.recursive(leaves, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)), max_leaves=20)


@given(st.dictionaries(names, trees, min_size=1, max_size=5))
def test_what_flatten_names_compile_path_finds(tree: dict[str, Any]) -> None:
    pairs = flatten(tree)
    if isinstance(pairs, Rejection):
        assert pairs.reason in (Reason.DUPLICATE_KEY, Reason.TOO_DEEP)
        return
    for path, value in pairs.items():
        if path.count(".") + path.count("[") < 15:
            assert compile_path(path)(tree) == value, path


@given(st.text(max_size=20), trees)
def test_no_text_and_no_tree_raises_anything_else(text: str, tree: object) -> None:
    try:
        find = compile_path(text)
    except ValueError:
        return
    find(tree)
