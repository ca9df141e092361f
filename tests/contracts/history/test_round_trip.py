"""Any names and any numbers: what the encoder does not refuse is stored and comes back equal, on every back end (issue 7).

(Real InfluxDB and odd measurements too: tests/gateway/history/test_line_protocol.py.)
"""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.reading import Line, Value
from tests.contracts.history.backends import Backend, expected

T0 = 1_763_856_000_000
_examples = itertools.count(1)

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)
TAGS = NAMES | st.text(st.sampled_from("a ,=\\\"'{}#-_é\u00a0🌫"), min_size=1, max_size=8)
NUMBERS = st.none() | st.integers(-(10**9), 10**9).map(lambda n: n / 1000) | st.integers(-(2**31), 2**31)
"""Not more digits than VictoriaMetrics keeps."""


@st.composite
def batches(draw: st.DrawFn) -> list[Line]:
    lines = []
    for number in range(draw(st.integers(1, 4))):
        values = draw(
            st.dictionaries(st.sampled_from(["pm25", "no2", "rh"]), st.tuples(NUMBERS, st.sampled_from([1, 2, 3, 4])), min_size=1)
        )
        area = draw(st.just("") | TAGS.filter(lambda text: text != "-"))
        kept = tuple(Value(name, value, 9 if value is None else flag) for name, (value, flag) in values.items())
        lines.append(Line("air", draw(TAGS), draw(TAGS), area, T0 + number * 1000, kept))
    return lines


@pytest.mark.slow
@given(batches())
@settings(max_examples=15)
def test_what_is_not_refused_comes_back_equal(apart: Backend, station: str, lines: list[Line]) -> None:
    example = next(_examples)
    mine = [Line(line.medium, f"{station}-{example}-{line.station}", *_rest(line)) for line in lines]

    async def there_and_back() -> None:
        history = apart.history()
        refused = {refusal.line for refusal in await history.write(mine, example)}
        assert all("\\" in line.station + line.device + line.area for line in refused), "only what is documented may be refused"
        stored = await apart.stored(history)
        await history.close()
        prefix = f"{station}-{example}-"
        found = {key: value for key, value in stored.items() if key.station.startswith(prefix)}
        assert found == expected(line for line in mine if line not in refused)

    asyncio.run(there_and_back())


def _rest(line: Line) -> tuple[str, str, int, tuple[Value, ...]]:
    return line.device, line.area, line.time_ms, line.values
