"""What the gateway asks of readings that somebody sends it as old ones."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue
from devices.reading import Line, Value
from devices.stations import AreaSince, Registry, Station
from gateway.api.guard import MAX_BODY
from gateway.imports.rows import MOST_LINES, CannotImport, Gathering, Group, Part, lines_of

NOW = 1_800_000_000_000
PLACES = Registry(
    {"a": Station("a", {"vi": "A", "en": "A"}, 16.0, 108.0, (AreaSince("hai-chau/cu", 0), AreaSince("hai-chau/moi", 1_000_000)), "air")}, {}
)


def lines(*groups: Group) -> list[Line]:
    return lines_of(Part("x.csv", list(groups)), PLACES, catalogue(), NOW, 120_000)


def test_medium_and_area_are_what_the_gateway_knows() -> None:
    found = lines(Group("a", "d", [(5, {"pm25": (1.0, 1), "battery": (3.3, 1)}), (1_000_000, {"pm25": (None, 9)})]))
    assert found == [
        Line("air", "a", "d", "hai-chau/cu", 5, (Value("pm25", 1.0, 1),)),
        Line("device", "a", "d", "hai-chau/cu", 5, (Value("battery", 3.3, 1),)),
        Line("air", "a", "d", "hai-chau/moi", 1_000_000, (Value("pm25", None, 9),)),
    ]


def test_a_raw_value_is_kept_beside_the_corrected_one() -> None:
    (line,) = lines(Group("a", "d", [(5, {"pm25": (1.0, 1), "pm25_raw": (2.0, 1)})]))
    assert (line.medium, len(line.values)) == ("air", 2)


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (Group("b", "d", [(5, {"pm25": (1.0, 1)})]), "no station 'b'"),
        (Group("a", "no good", [(5, {"pm25": (1.0, 1)})]), "legal device id"),
        (Group("a", "d", [(5, {"pm52": (1.0, 1)})]), "did you mean 'pm25'"),
        (Group("a", "d", [(-1, {"pm25": (1.0, 1)})]), "before 1970"),
        (Group("a", "d", [(NOW + 120_001, {"pm25": (1.0, 1)})]), "in the future"),
        (Group("a", "d", [(5, {"pm25": (1.0, 5)})]), "flag 5"),
        (Group("a", "d", [(5, {"pm25": (None, 1)})]), "flag 1"),
        (Group("a", "d", [(5, {"pm25": (1.0, 9)})]), "flag 9"),
        (Group("a", "d", [(5, {"pm25": (float("inf"), 4)})]), "inf"),
        (Group("a", "d", [(n, {"pm25": (1.0, 1)}) for n in range(MOST_LINES + 1)]), "several parts"),
    ],
)
def test_what_is_refused(group: Group, said: str) -> None:
    with pytest.raises(CannotImport, match=said):
        lines(group)


names = st.sampled_from(["pm25", "no2", "battery", "chlorophyll_a", "water_temp"])
put = st.tuples(
    st.sampled_from(["a", "b" * 63]),
    st.sampled_from(["d", "e" * 64]),
    st.integers(0, NOW),
    names,
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.lists(put, min_size=1, max_size=60), st.integers(500, 5_000))
def test_parts_hold_everything_once_and_none_is_too_large(readings: list[Any], most: int) -> None:
    gathering, parts = Gathering("x.csv", most), []
    for station, device, time_ms, parameter, value in readings:
        if gathering.put(station, device, time_ms, parameter, value, 1):
            parts.append(gathering.take())
    parts.append(gathering.take())
    held: dict[tuple[str, str, int, str], float | None] = {}
    for part in parts:
        if part is None:
            continue
        assert len(orjson.dumps(msgspec.to_builtins(part))) < most + 500
        for group in part.groups:
            for time_ms, values in group.rows:
                held.update({(group.station, group.device, time_ms, name): value for name, (value, _) in values.items()})
    assert held == {tuple(reading[:4]): reading[4] for reading in readings}


def test_a_full_part_fits_the_api() -> None:
    gathering, value = Gathering("x" * 200), -1.2345678901234567e-300
    full = False
    number = 0
    while not full:
        number += 1
        full = gathering.put("s" * 63, "d" * 64, NOW + number, "chlorophyll_a", value, 1)
    part = gathering.take()
    assert part is not None
    assert 30_000 < len(orjson.dumps(msgspec.to_builtins(part))) < MAX_BODY - 4096
    assert gathering.take() is None


def test_a_reading_that_is_revised_before_it_left_is_changed() -> None:
    gathering = Gathering("x")
    gathering.put("a", "d", 5, "pm25", 1.0, 3)
    gathering.put("a", "d", 5, "no2", 2.0, 1)
    gathering.put("a", "d", 5, "pm25", 1.0, 1)
    assert gathering.take() == Part("x", [Group("a", "d", [(5, {"pm25": (1.0, 1), "no2": (2.0, 1)})])])
