"""Device types: shipped ones read their examples; what is wrong in one is said with its path, all at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device_type import parse, parse_all
from devices.examples import check_example
from devices.formats import Control
from devices.formats.record import Context
from devices.loader import catalogue, shipped_types
from devices.problems import ConfigError
from devices.reading import Value
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap

TYPES = parse_all(list(shipped_types().values()), catalogue())
EXAMPLES = [(kind, example) for kind in TYPES.values() for example in kind.examples]

PLAIN: dict[str, Any] = {
    "id": "test-node",
    "title": {"vi": "Thử", "en": "Test"},
    "format": "flat-json",
    "device": {"field": "id"},
    "time": {"field": "t"},
    "interval": "60s",
    "fields": {"a": {"parameter": "pm25", "unit": "µg/m³"}, "b": {"parameter": "no2", "unit": "ppb"}},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(PLAIN), **changes}


def read(data: dict[str, Any], payload: bytes) -> Any:
    return parse(data, catalogue()).decode(payload, ())


def test_shipped_types_have_examples() -> None:
    generic = {"air-node", "met-node", "water-probe", "level-gauge"}
    assert generic <= set(TYPES)
    assert all(len(TYPES[name].examples) >= 2 for name in generic)
    products = [kind for name, kind in TYPES.items() if name not in generic]
    assert len(products) >= 40
    for kind in products:
        assert kind.examples, f"{kind.id} has no example"
        assert all(example.source for example in kind.examples), f"{kind.id}: an example must say who published it"


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=[f"{kind.id}-{n}" for n, (kind, _) in enumerate(EXAMPLES)])
def test_examples(kind: Any, example: Any) -> None:
    assert check_example(kind, example) == []


def test_a_wrong_example_is_found() -> None:
    """The checker itself: each kind of difference is said."""
    kind = TYPES["air-node"]
    example = kind.examples[1]
    for change in (
        {"readings": {**example.readings, "pm25": 405.6}},
        {"readings": {**example.readings, "pm1": 1.0}},
        {"readings": {k: v for k, v in example.readings.items() if k != "pm25"}},
        {"flags": {}},
        {"refused": {}},
        {"device": "an-99"},
        {"time": "2026-03-14T02:00:01Z"},
        {"message": "{"},
    ):
        assert check_example(kind, example.model_copy(update=change)), change


@pytest.mark.parametrize(
    ("data", "path", "says"),
    [
        (changed(format="flat-jsn"), ("format",), "did you mean 'flat-json'"),
        (changed(device={}), ("device",), "level"),
        (changed(device={"field": "a", "level": 1}), ("device",), "either"),
        (changed(time={"field": "t", "format": "rfc"}), ("time", "format"), "iso8601"),
        (changed(time={"field": "t", "zone": "Asia/Danang"}), ("time", "zone"), "time zone"),
        (changed(interval="often"), ("interval",), "duration"),
        (changed(colour="red"), ("colour",), "unknown key"),
        (changed(title={"en": "Test"}), ("title",), "both languages"),
        (changed(key=2), ("key",), "leave `key` out"),
        (changed(format="plain-value"), ("key",), "missing"),
        (changed(fields={}), ("fields",), ""),
        (changed(fields={False: PLAIN["fields"]["a"]}), ("fields",), "quotes"),
        (changed(fields={"a": {"parameter": "pm2.5", "unit": "ppb"}}), ("fields", "a", "parameter"), "did you mean 'pm25'"),
        (changed(fields={"a": {"parameter": "pm25", "unit": "ppb"}}), ("fields", "a", "unit"), "'ug/m3'"),
        (changed(fields={"a": {"parameter": "pm25"}}), ("fields", "a", "unit"), "missing"),
        (changed(fields={"a": PLAIN["fields"]["a"], "b": PLAIN["fields"]["a"]}), ("fields", "b", "parameter"), "already read from 'a'"),
        (changed(fields={"a": {"parameter": "pm25", "unit": "ug/m3", "suspect": [5, 1]}}), ("fields", "a", "suspect"), "smaller"),
    ],
)
def test_problems_name_their_place(data: dict[str, Any], path: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(data, catalogue())
    assert [problem for problem in caught.value.problems if problem.path == path and says in problem.message], caught.value.problems


def test_all_problems_at_once_over_all_types() -> None:
    one = changed(fields={"a": {"parameter": "x", "unit": "ppb"}, "b": {"parameter": "no2", "unit": "°C"}})
    with pytest.raises(ConfigError) as caught:
        parse_all([PLAIN, one, PLAIN], catalogue())
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {("types", 1, "fields", "a", "parameter"), ("types", 1, "fields", "b", "unit"), ("types", 2, "id")}


def test_units_become_canonical() -> None:
    decoded = read(PLAIN, b'{"id":"x","a":10,"b":10}')
    assert decoded.values[0] == Value("pm25", 10.0, 1)
    assert decoded.values[1].value == pytest.approx(18.804, abs=1e-3)


def test_missing_codes() -> None:
    """A code inside the plausible span is missing too; in the message's own unit; null always is."""
    data = changed(fields={"a": {"parameter": "pm25", "unit": "mg/m3", "missing": [0.5, -999, "N/A"]}})
    for raw in ("0.5", "-999", '"N/A"', '" N/A "', "null"):
        assert read(data, b'{"id":"x","a":%s}' % raw.encode()).values == [Value("pm25", None, 9)], raw
    assert read(data, b'{"id":"x","a":0.4}').values == [Value("pm25", 400.0, 1)]
    assert read(data, b'{"id":"x","a":500}').values == [Value("pm25", 500_000.0, 4)]


def test_true_is_not_a_missing_code_of_1() -> None:
    data = changed(fields={"a": {"parameter": "pm25", "unit": "ug/m3", "missing": [1]}, "b": PLAIN["fields"]["b"]})
    decoded = read(data, b'{"id":"x","a":true,"b":1}')
    assert [(field.field, field.reason) for field in decoded.refused] == [("a", Reason.WRONG_TYPE)]


def test_numbers_as_text_only_where_the_type_says_so() -> None:
    data = changed(fields={"a": {"parameter": "pm25", "unit": "ug/m3", "text": True, "missing": [-1]}, "b": PLAIN["fields"]["b"]})
    assert read(data, b'{"id":"x","a":" 12.5 ","b":"7"}').values == [Value("pm25", 12.5, 1)]
    assert read(data, b'{"id":"x","a":"12.5","b":"7"}').refused[0][:2] == ("b", Reason.WRONG_TYPE)
    assert read(data, b'{"id":"x","a":"-1"}').values == [Value("pm25", None, 9)]
    assert read(data, b'{"id":"x","a":"12,5"}').reason is Reason.WRONG_TYPE
    assert read(data, b'{"id":"x","a":"nan"}').reason is Reason.OUT_OF_BOUNDS


def test_suspect_span_of_a_type() -> None:
    data = changed(fields={"a": {"parameter": "pm25", "unit": "ug/m3", "suspect": [2, 100], "plausible": [0, 200]}})
    flags = [read(data, b'{"id":"x","a":%d}' % raw).values[0].flag for raw in (1, 2, 100, 101, 200, 201)]
    assert flags == [3, 1, 1, 3, 3, 4]


def test_negative_zero_is_zero() -> None:
    value = read(PLAIN, b'{"id":"x","a":-0.0}').values[0].value
    assert str(value) == "0.0"


def test_a_time_that_cannot_be_read_is_refused_and_its_neighbours_are_kept() -> None:
    decoded = read(PLAIN, b'{"id":"x","a":1,"t":"soon"}')
    assert decoded.time_ms is None
    assert [(field.field, field.reason) for field in decoded.refused] == [("t", Reason.BAD_TIME)]
    assert decoded.values == [Value("pm25", 1.0, 1)]
    assert read(PLAIN, b'{"id":"x","a":1,"t":null}').refused == []


def test_device_ids() -> None:
    assert read(PLAIN, b'{"id":17,"a":1}').device == "17"
    for wrong in (b'{"a":1}', b'{"id":null,"a":1}', b'{"id":true,"a":1}', b'{"id":[],"a":1}', b'{"id":1.5,"a":1}'):
        assert read(PLAIN, wrong).reason is Reason.NO_DEVICE


_RAW = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@given(raw=_RAW, key=st.sampled_from(sorted(TYPES["water-probe"].fields)))
def test_no_value_of_a_field_raises(raw: Any, key: str) -> None:
    outcome = TYPES["water-probe"].fields[key].read(raw)
    if isinstance(outcome, Value):
        assert (outcome.value is None) == (outcome.flag == 9)
        assert outcome.value is None or abs(outcome.value) < float("inf")


@pytest.mark.slow
@given(payload=st.binary(max_size=200), levels=st.lists(st.text(max_size=5), max_size=5))
@pytest.mark.parametrize("name", sorted(TYPES))
def test_no_bytes_raise(name: str, payload: bytes, levels: list[str]) -> None:
    decoded = TYPES[name].decode(payload, tuple(levels))
    if not isinstance(decoded, Rejection | Control):
        assert all(one.values or one.extra for one in (decoded if isinstance(decoded, list) else [decoded]))


SEVERAL = {tuple(known.name for known in kind.formats): kind for kind in TYPES.values() if len(kind.formats) > 1}
"""One type for each choice of formats: a message that none of them reads is tried by all."""
HOSTILE = [b"[" * 65_536, b"y" + b"{}}s{" * 13_000, b"{}{}}" * 13_000, b'{"a":' * 13_000, b"\xff" * 65_536, b'"{' * 32_000, b"9" * 65_536]


@pytest.mark.slow
@pytest.mark.parametrize("payload", HOSTILE, ids=lambda payload: repr(payload[:8]))
@pytest.mark.parametrize("formats", SEVERAL, ids="|".join)
def test_64_kilobytes_that_no_format_reads_cost_little(formats: tuple[str, ...], payload: bytes) -> None:
    def read(message: bytes, context: Context) -> Rejection:
        found = SEVERAL[formats].decode(message, context.topic)
        assert isinstance(found, Rejection)
        return found

    cheap(read, payload, Context(("city", "node")))
