"""What a condition sees, part by part."""

from __future__ import annotations

from hypothesis import given

from rules.language.compiling import compile_condition
from rules.language.condition import read_condition
from rules.language.explaining import Explained, explain
from rules.language.nodes import Node
from rules.language.view import WindowKey
from tests.rules.language.trees import CONDITIONS, VOCABULARY, City, Station, cities


def rows(part: Explained, depth: int = 0) -> list[tuple[int, str, object, str]]:
    found = [(depth, part.text if part.station is None else f"{part.text} at {part.station}", part.value, part.unit)]
    return found + [row for inner in part.parts for row in rows(inner, depth + 1)]


def test_every_part_with_its_value_and_unit() -> None:
    city = City()
    view = city.views["a"] = Station("a", city, values={"o3": 400.0}, ages={"pm25": 90_000}, fields={"site": "river"})
    view.windows[WindowKey("level", 3_600_000), "rate"] = 0.25
    text = "o3>200 ppb and not (rate(level, 1h) > 20 cm/h or pm10 / 2 > 5) and age(pm25) < 2m and station.site in ('river', 'lake')"
    assert rows(explain(read_condition(text, VOCABULARY), view, VOCABULARY)) == [
        (0, text, False, ""),
        (1, "o3>200 ppb", True, ""),
        (2, "o3", 400.0, "µg/m³"),
        (1, "not (rate(level, 1h) > 20 cm/h or pm10 / 2 > 5)", False, ""),
        (2, "(rate(level, 1h) > 20 cm/h or pm10 / 2 > 5)", True, ""),
        (3, "rate(level, 1h) > 20 cm/h", True, ""),
        (4, "rate(level, 1h)", 0.25, "m/h"),
        (3, "pm10 / 2 > 5", None, ""),
        (4, "pm10 / 2", None, "µg/m³"),
        (5, "pm10", None, "µg/m³"),
        (1, "age(pm25) < 2m", True, ""),
        (2, "age(pm25)", 90_000, "ms"),
        (1, "station.site in ('river', 'lake')", True, ""),
        (2, "station.site", "river", ""),
    ]


def test_across_stations_each_is_told() -> None:
    city = City()
    for name, values in (("a", {"pm25": 60.0}), ("b", {}), ("c", {"pm25": 70.0})):
        city.views[name] = Station(name, city, values=values, fields={"area": "x"})
    text = "count_of(area, pm25 > 50) >= 2"
    assert rows(explain(read_condition(text, VOCABULARY), city.views["a"], VOCABULARY)) == [
        (0, text, True, ""),
        (1, "count_of(area, pm25 > 50)", None, ""),
        (2, "pm25 > 50 at a", True, ""),
        (3, "pm25", 60.0, "µg/m³"),
        (2, "pm25 > 50 at b", None, ""),
        (3, "pm25", None, "µg/m³"),
        (2, "pm25 > 50 at c", True, ""),
        (3, "pm25", 70.0, "µg/m³"),
    ]


@given(CONDITIONS, cities())
def test_the_root_is_the_condition(node: Node, view: Station) -> None:
    compiled = compile_condition(node, VOCABULARY.limits)
    explained = explain(compiled, view, VOCABULARY)
    assert explained.value is compiled.evaluate(view)
    assert explained.text == compiled.text
