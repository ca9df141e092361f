"""What `write` and `check` do, the same on every back end (DESIGN 5, semantics B1, B6)."""

from __future__ import annotations

import asyncio
import random

import pytest

from devices.reading import Line, Value
from gateway.errors import Retryable
from gateway.history.base import History
from tests.contracts.history.backends import Backend, expected

T0 = 1_763_856_000_000  # 2025-11-23T00:00:00Z


def line(station: str, minute: int, *values: tuple[str, float | None, int], **other: str) -> Line:
    names = {"medium": "air", "device": "sds-1", "area": "hai-chau"} | other
    return Line(names["medium"], station, names["device"], names["area"], T0 + minute * 60_000, tuple(Value(*v) for v in values))


async def test_written_is_stored(backend: Backend, history: History, station: str) -> None:
    lines = [
        line(station, 0, ("pm25", 12.5, 1), ("pm10", 30.0, 2)),
        line(station, 1, ("pm25", 0.0, 3), ("pm10", -4.25, 4)),
        line(station, 0, ("ph", 7.125, 1), medium="water", device="probe-2", area=""),
    ]
    assert await history.write(lines, 1) == []
    assert await backend.stored(history) == expected(lines)


async def test_writing_nothing(backend: Backend, history: History) -> None:
    assert await history.write([], 1) == []
    assert await backend.stored(history) == {}


async def test_B1_writing_twice_changes_nothing(backend: Backend, history: History, station: str) -> None:
    lines = [line(station, minute, ("pm25", float(minute), 1)) for minute in range(20)]
    await history.write(lines, 7)
    assert await history.write(lines, 7) == []
    assert await history.write(lines[5:], 8) == []
    assert await backend.stored(history) == expected(lines)


async def test_B1_a_revision_replaces_flag_and_value_and_leaves_the_neighbours(backend: Backend, history: History, station: str) -> None:
    first = [line(station, minute, ("pm25", 10.0 + minute, 1), ("pm10", 20.0, 1)) for minute in range(3)]
    later = [line(station, 1, ("pm25", 99.0, 3))]
    await history.write(first, 1)
    await backend.settle()
    await history.write(later, 2)
    stored = await backend.stored(history)
    assert stored == expected(first + later)
    assert sorted(stored.values())[-1] == (99.0, 3)


async def test_a_missing_value_is_stored_as_its_flag(backend: Backend, history: History, station: str) -> None:
    lines = [line(station, 0, ("pm25", None, 9), ("pm10", 3.0, 1)), line(station, 1, ("pm25", None, 9))]
    await history.write(lines, 1)
    assert await backend.stored(history) == expected(lines)


async def test_a_value_revised_to_missing_is_missing(backend: Backend, history: History, station: str) -> None:
    lines = [line(station, 0, ("pm25", 5.0, 1)), line(station, 0, ("pm25", None, 9))]
    await history.write(lines[:1], 1)
    await backend.settle()
    await history.write(lines[1:], 2)
    assert await backend.stored(history) == expected(lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    "odd",
    [
        "Cầu Rồng",
        "a b,c=d",
        "'single' \"double\"",
        "back\\slash in the \\middle",
        "#hash",
        "emoji 🌫",
        "-",
        "percent %20 & plus+",
        "semi;colon -- drop",
        "_measurement",
        "\u00a0nbsp",
    ],
)
async def test_ids_with_odd_characters(backend: Backend, history: History, station: str, odd: str) -> None:
    lines = [line(station + odd, 0, ("pm25", 1.0, 1), device=odd, area=odd if odd != "-" else "")]
    assert await history.write(lines, 1) == []
    assert await backend.stored(history) == expected(lines)


async def test_floats_come_back_equal(backend: Backend, history: History, station: str) -> None:
    numbers = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -1e-7, 1e22, 123456789.123456789, -0.0]
    if backend.name.startswith("victoria"):
        numbers = [0.1, 12.345, -1e-7, 1e9]  # it keeps about 15 significant digits: its documentation says so
    lines = [line(station, minute, ("pm25", number, 1)) for minute, number in enumerate(numbers)]
    await history.write(lines, 1)
    assert await backend.stored(history) == expected(lines)


@pytest.mark.slow
async def test_many_stations(backend: Backend, history: History, station: str) -> None:
    random.seed(7)
    lines = [
        line(f"{station}{number}", 0, *((name, round(random.uniform(0, 500), 2), 1) for name in ("pm25", "pm10", "no2", "t", "rh")))
        for number in range(1000)
    ]
    assert await history.write(lines, 1) == []
    stored = await backend.stored(history)
    assert len(stored) == 5000
    assert stored == expected(lines)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"values": (("pm25", float("nan"), 1),)}, "finite"),
        ({"values": (("pm25", float("inf"), 1),)}, "finite"),
        ({"values": ()}, "no values"),
        ({"device": ""}, "device is empty"),
        ({"device": "\udc80"}, "surrogate"),
    ],
)
async def test_B6_a_bad_line_is_set_aside_with_its_reason(
    backend: Backend, history: History, station: str, bad: dict[str, object], why: str
) -> None:
    values = bad.get("values", (("pm25", 1.0, 1),))
    assert isinstance(values, tuple)
    lines = [line(station, minute, ("pm25", float(minute), 1)) for minute in range(10)]
    broken = line(station, 77, *values, device=str(bad.get("device", "sds-1")))
    refused = await history.write([*lines[:4], broken, *lines[4:]], 1)
    assert [refusal.line for refusal in refused] == [broken]
    assert why in refused[0].reason
    assert await backend.stored(history) == expected(lines)


async def test_writes_at_the_same_time(backend: Backend, history: History, station: str) -> None:
    """A lane writes one after the other; an import beside it must do no harm all the same."""
    batches = [[line(station, 10 * batch + minute, ("pm25", float(batch), 1)) for minute in range(10)] for batch in range(5)]
    if backend.name == "duckdb":
        for upto, batch in enumerate(batches, 1):  # its cursor makes order part of the contract
            await history.write(batch, upto)
    else:
        await asyncio.gather(*(history.write(batch, upto) for upto, batch in enumerate(batches, 1)))
    assert await backend.stored(history) == expected(one for batch in batches for one in batch)


async def test_check_is_empty_when_all_is_well(history: History) -> None:
    assert await history.check() == ""


async def test_close_twice_and_then_write(backend: Backend, station: str) -> None:
    history = backend.history()
    await history.write([line(station, 0, ("pm25", 1.0, 1))], 1)
    await history.close()
    await history.close()
    with pytest.raises(Retryable):
        await history.write([line(station, 1, ("pm25", 1.0, 1))], 2)
