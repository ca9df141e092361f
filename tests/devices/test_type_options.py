"""What a device type may say beyond format and fields: alternatives, wrappers, templates, sums, recognition; and its problems."""

from __future__ import annotations

import copy
import gzip
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.collect import flat_collector, settle_ranked, tree_collector
from devices.decode import decode
from devices.decoder import Decoded
from devices.device_type import parse, parse_all
from devices.formats.paths import MISSING, compile_path, flatten
from devices.loader import catalogue
from devices.problems import ConfigError
from devices.rejection import Rejection

BASE: dict[str, Any] = {
    "id": "node",
    "title": {"vi": "x", "en": "x"},
    "format": "nested-json",
    "device": {"field": "id"},
    "interval": "60s",
    "fields": {"a.t": {"parameter": "air_temp", "unit": "°C"}},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BASE), **changes}


def read(data: dict[str, Any], payload: Any, topic: str = "") -> Any:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return parse(data, catalogue()).decode(body, tuple(topic.split("/")) if topic else ())


# ---------------------------------------------------------------- one walk reads what single look-ups read


PATHS = ["a", "a.b", "a.b.c", "a.c", "b", "b.c", "b.x.y", "c[n=a].v", "c[n=b].v", "c[0].v", "c[-1].v", "a.pm2.5", 'a["b.c"]', "b[*].c"]
NAMES = st.sampled_from(["a", "b", "c", "n", "v", "x", "y", "pm2.5", "b.c", "a.b", "pm2", "5"])
LEAVES = st.integers(0, 40) | st.none() | st.sampled_from(["a", "b", True, 1.5])
TREES = st.dictionaries(
    NAMES,
    st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=12),
    max_size=4,
)
PARAMETERS = ["pm1", "pm25", "pm4", "pm10", "tsp", "o3", "no2", "no", "nox", "so2", "co", "h2s", "nh3", "c6h6"]


@given(TREES, st.lists(st.sampled_from(PATHS), min_size=1, unique=True))
def test_the_trie_reads_what_compile_path_finds(tree: dict[str, Any], paths: list[str]) -> None:
    fields = {path: {"parameter": PARAMETERS[PATHS.index(path)], "unit": "µg/m³"} for path in paths}
    kind = parse(changed(fields=fields), catalogue())
    found: Any = ([], [], [], [])
    tree_collector(kind.fields.values(), "air")(tree, found)
    due: Any = ([], [], [], [])
    for path in paths:
        raw = compile_path(path)(tree)
        if raw is not MISSING:
            outcome = kind.fields[path].read(raw, tree)
            due[2 if hasattr(outcome, "reason") else 0].append(outcome)
    assert sorted(found[0], key=str) == sorted(due[0], key=str)
    assert sorted(found[2], key=str) == sorted(due[2], key=str)


@given(TREES)
def test_flat_and_tree_read_the_same_where_paths_are_plain(tree: dict[str, Any]) -> None:
    paths = ["a", "b", "a.b", "b.c", "a.b.c"]
    fields = {path: {"parameter": PARAMETERS[n], "unit": "µg/m³"} for n, path in enumerate(paths)}
    compiled = parse(changed(fields=fields), catalogue()).fields.values()
    pairs = flatten(tree)
    if isinstance(pairs, Rejection):
        return
    by_tree: Any = ([], [], [], [])
    by_flat: Any = ([], [], [], [])
    tree_collector(compiled, "air")(tree, by_tree)
    flat_collector(compiled, "air")(pairs, by_flat)
    assert sorted(by_tree[0], key=str) == sorted(by_flat[0], key=str)


def test_of_ranked_fields_a_refused_one_does_not_hide_the_next() -> None:
    fields = {"a": {"parameter": "pm25", "unit": "µg/m³", "rank": 0}, "b": {"parameter": "pm25", "unit": "µg/m³", "rank": 1}}
    found = read(changed(fields=fields), {"id": "x", "a": "broken", "b": 7})
    assert [(value.value, value.flag) for value in found.values] == [(7, 1)]
    assert [field.field for field in found.refused] == ["a"]
    assert callable(settle_ranked)


# ---------------------------------------------------------------- wrappers, templates, levels


def test_what_is_wrapped_is_unwrapped_in_order() -> None:
    inner = json.dumps({"id": "x", "a": {"t": 20}}).encode()
    assert read(changed(unwrap=["base64", "gzip"]), b64encode(gzip.compress(inner))).values[0].value == 20
    assert read(changed(unwrap=["base64", "gzip"]), b"!").reason.value == "codec-failed"


def test_a_topic_template_names_device_and_parameter() -> None:
    data = changed(format="plain-value", topic="sensors/{medium}/{device}/{parameter}", fields={"t": BASE["fields"]["a.t"]})
    del data["device"]
    found = read(data, b"21.5", "sensors/air/st01/t")
    assert (found.device, found.values[0].value) == ("st01", 21.5)
    assert read(data, b"x", "sensors/air/st01/t")[::2] == (read(data, b"x", "sensors/air/st01/t").reason, "st01")
    assert read(data, b"21.5", "other/air/st01/t").reason.value == "unknown-topic"
    assert read(data, b"21.5", "sensors/air/st01/u").reason.value == "no-reading"


def test_an_id_in_the_message_or_else_in_the_topic() -> None:
    data = changed(device={"field": "id", "or_level": 2})
    assert read(data, {"id": "in-message", "a": {"t": 1}}, "x/in-topic").device == "in-message"
    assert read(data, {"a": {"t": 1}}, "x/in-topic").device == "in-topic"
    assert read(data, {"id": None, "a": {"t": 1}}, "x/in-topic").reason.value == "no-device"
    assert read(data, {"a": {"t": 1}}).reason.value == "no-device"


def test_the_topic_may_name_the_object_of_fields() -> None:
    data = changed(device={"level": 1}, key=2, fields={"bme.t": BASE["fields"]["a.t"]})
    assert read(data, {"t": 20}, "n-1/bme").values[0].value == 20
    assert read(data, {"t": 20}, "n-1").reason.value == "unknown-topic"


def test_a_position_is_read_where_it_is_on_the_globe() -> None:
    data = changed(position={"lat": "p.lat", "lon": "p.lon"})
    assert read(data, {"id": "x", "a": {"t": 1}, "p": {"lat": 16.06, "lon": 108}}).place == (16.06, 108.0)
    for place in ({}, {"lat": 91, "lon": 0}, {"lat": "16", "lon": 108}, {"lat": True, "lon": 1}):
        assert read(data, {"id": "x", "a": {"t": 1}, "p": place}).place is None


def test_a_running_total_is_shown_by_decode_as_not_evaluated() -> None:
    data = changed(fields={"rain": {"parameter": "rain", "unit": "in", "accumulation": "counter"}})
    types = parse_all([data], catalogue())
    (row,) = decode(types, catalogue(), type_id="node", payload=b'{"id":"x","rain":2}', received_ms=0).rows
    assert (row["value"], row["flag"]) == (50.8, 2)


@given(st.binary(max_size=80), st.lists(st.text(max_size=4), max_size=4))
@pytest.mark.parametrize(
    "data",
    [
        changed(),
        changed(unwrap=["hex"]),
        changed(device={"level": 1}, key=2),
        changed(format="lorawan", device={"level": 1}, position={"lat": "a", "lon": "b"}, time={"field": "a.b"}),
        changed(format="ngsi", device={"field": "id", "or_level": 1}, time={"zone": "UTC"}),
        changed(format="home-assistant", topic="{device}/{parameter}", device={"capture": "device"}),
        changed(options={"each": "a"}, time={"field": "t"}),
    ],
)
def test_no_bytes_raise(data: dict[str, Any], payload: bytes, levels: list[str]) -> None:
    kind = parse(data, catalogue())
    for body in (payload, b'{"id":"x","a":' + payload + b"}", b'{"a":[{"t":1},' + payload + b"]}"):
        found = kind.decode(body, tuple(levels))
        assert isinstance(found, Decoded | Rejection | list) or found.what


# ---------------------------------------------------------------- recognition


def known(recognise: dict[str, Any], payload: Any, topic: str = "", **more: Any) -> str | None:
    types = parse_all([changed(recognise=recognise, **more)], catalogue())
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(types, catalogue(), type_id="auto", payload=body, received_ms=0, topic=topic).type


MESSAGE = {"id": "x", "a": {"t": 1}, "model": "AM-7", "n": None}


@pytest.mark.parametrize(
    ("recognise", "due"),
    [
        ({"has": ["a.t", "n"]}, True),
        ({"has": ["a.t", "z"]}, False),
        ({"has_any": ["z", "model"]}, True),
        ({"has_any": ["z", "y"]}, False),
        ({"lacks": ["z"]}, True),
        ({"lacks": ["model"]}, False),
        ({"equals": {"model": "AM-7"}}, True),
        ({"equals": {"model": "AM-8"}}, False),
        ({"equals": {"z": "x"}}, False),
        ({"mentions": ["am-8", "am-7"]}, True),
        ({"mentions": ["am-8"]}, False),
        ({"topic": "up/+"}, True),
        ({"topic": "down/+"}, False),
    ],
)
def test_all_that_a_type_says_of_itself_must_hold(recognise: dict[str, Any], due: bool) -> None:
    assert known(recognise, MESSAGE, "up/x") == ("node" if due else None)


def test_a_message_without_a_topic_is_not_held_against_a_type() -> None:
    assert known({"topic": "up/+"}, MESSAGE) == "node"


def test_ports_of_a_network_servers_message() -> None:
    message = {"deviceInfo": {"devEui": "01"}, "object": {"a": {"t": 1}}, "fPort": 7}
    types = {"format": "chirpstack-v4"}
    assert known({"ports": [7]}, message, **types, device={"field": "a.t"}) == "node"
    assert known({"ports": [8]}, message, **types, device={"field": "a.t"}) is None


def test_the_type_that_says_more_wins_and_the_answer_says_why() -> None:
    types = parse_all(
        [changed(recognise={"has": ["a.t"]}), changed(id="second", recognise={"has": ["a.t"], "equals": {"model": "AM-7"}})], catalogue()
    )
    answer = decode(types, catalogue(), type_id="auto", payload=json.dumps(MESSAGE).encode(), received_ms=0)
    assert answer.type == "second"
    assert "model is 'AM-7'" in answer.why


# ---------------------------------------------------------------- problems


@pytest.mark.parametrize(
    ("data", "path", "says"),
    [
        (changed(format=["ttn-v3", "flat-json"]), ("format",), "mixed"),
        (changed(format=[]), ("format",), "unknown format"),
        (changed(format="lorwan"), ("format",), "did you mean 'lorawan'"),
        (changed(options={"each": "a", "colour": 1}), ("options", "colour"), "unknown key"),
        (changed(options={"each": "a..b"}), ("options", "each"), "not a path"),
        (changed(format="flat-json", options={"each": "a"}), ("options",), "has none"),
        (changed(unwrap=["zip"]), ("unwrap",), "unknown wrapper"),
        (changed(topic="a/{B}"), ("topic",), "template"),
        (changed(device={"capture": "node"}, topic="a/{device}"), ("device", "capture"), "names no {node}"),
        (changed(device={"level": 1, "or_level": 2}), ("device",), "goes with `field`"),
        ({key: value for key, value in BASE.items() if key != "device"}, ("device",), "is missing"),
        (changed(device={"field": "a..b"}), ("device",), "not a path"),
        (changed(fields={"a[": BASE["fields"]["a.t"]}), ("fields", "a["), "not a path"),
        (changed(format="binary", device={"level": 1}), ("codec",), "needs one"),
        (changed(codec={"binary": {"steps": [{"skip": 1}]}}), ("codec",), "no encoded payload"),
        (changed(fields={"a": {**BASE["fields"]["a.t"], "unit_at": "u"}}), ("fields", "a"), "belong together"),
        (changed(fields={"a": {**BASE["fields"]["a.t"], "unit_at": "u", "units": {"X": "ppb"}}}), ("fields", "a", "units", "X"), "'ppb'"),
        (changed(fields={"a": {**BASE["fields"]["a.t"], "suffix": "°"}}), ("fields", "a"), "text: true"),
        (changed(fields={"a": {"parameter": "rain", "unit": "mm", "accumulation": "rate"}}), ("fields", "a", "unit"), "mm/h"),
        (changed(fields={"a": {"parameter": "rain", "unit": "mm", "rollover": 5}}), ("fields", "a"), "counter"),
        (changed(recognise={"topic": "a/#/b"}), ("recognise",), "#"),
        (changed(calibration={"rh": {"linear": {}}}), ("calibration", "rh"), "not measured"),
        (changed(examples=[{"message": {}, "hex": "00", "device": "x", "readings": {}}]), ("examples", 0), "either"),
        (changed(examples=[{"hex": "0g", "device": "x", "readings": {}}]), ("examples", 0), "hexadecimal"),
        (changed(examples=[{"message": {}, "readings": {}}]), ("examples", 0), "device"),
    ],
)
def test_problems_name_their_place(data: dict[str, Any], path: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(data, catalogue())
    assert [problem for problem in caught.value.problems if problem.path[: len(path)] == path and says in problem.message], (
        caught.value.problems
    )
