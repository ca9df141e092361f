"""Sparkplug B: published messages of two implementations, births and deaths, aliases, sequence numbers, and no bytes that raise."""

from __future__ import annotations

import json
import math
import struct
import zlib
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats.protobuf_wire import WireError, fields
from devices.formats.record import Context, Control, Record
from devices.formats.refusals import refused_fields
from devices.formats.sparkplug_b import MAX_REMEMBERED, SEQ_GAP, State, address, read, state_key
from devices.formats.sparkplug_payload import Metric, parse
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap, mutations, payloads

DATA = Path(__file__).parents[2] / "data" / "formats" / "payloads"
T = 1_773_453_600_000
NODE, DEVICE = "spBv1.0/city/{}/gw1", "spBv1.0/city/{}/gw1/st01"


# --- a writer of payloads, independent of the reader


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: int | bytes | float | str) -> bytes:
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


VALUE_FIELD = {1: 10, 2: 10, 3: 10, 4: 11, 5: 10, 6: 10, 7: 10, 8: 11, 10: 13, 11: 14, 12: 15, 13: 11, 14: 15, 17: 16}


def metric(name: str | None = None, value: Any = None, datatype: int | None = 10, **more: Any) -> bytes:
    body = b""
    if name is not None:
        body += field(1, name)
    if "alias" in more:
        body += field(2, more["alias"])
    if "timestamp" in more:
        body += field(3, more["timestamp"])
    if datatype is not None and not more.get("silent"):
        body += field(4, datatype)
    if more.get("historical"):
        body += field(5, 1)
    if value is None:
        body += field(7, 1)
    else:
        body += field(VALUE_FIELD[datatype or 10], value)
    extra: bytes = more.get("extra", b"")
    return body + extra


def payload(*metrics: bytes, timestamp: int | None = T, seq: int | None = None) -> bytes:
    head = b"" if timestamp is None else field(1, timestamp)
    return head + b"".join(field(2, one) for one in metrics) + (b"" if seq is None else field(3, seq))


def say(state: State, topic: str, kind: str, data: bytes) -> list[Record] | Control | Rejection:
    return read(data, Context(tuple(topic.format(kind).split("/")), T, state))


def records(found: list[Record] | Control | Rejection) -> list[Record]:
    assert isinstance(found, list), found
    return found


# --- published messages


def published(name: str) -> tuple[bytes, tuple[str, ...], dict[str, Any]]:
    case = json.loads((DATA / f"{name}.json").read_text())
    return bytes.fromhex(case["payload_hex"]), tuple(case["topic"].split("/")), case["expected"]["decoded"]


def as_tahu(found: Metric) -> dict[str, Any]:
    """A metric in the way in which protobuf's MessageToDict writes it, as far as we read it."""
    names = {
        "name": found.name, "alias": None if found.alias is None else str(found.alias),
        "timestamp": None if found.timestamp is None else str(found.timestamp), "datatype": found.datatype,
    }  # fmt: skip
    return {key: value for key, value in names.items() if value is not None}


@pytest.mark.parametrize("name", ["spb_tahu_0_ndeath", "spb_tahu_1_nbirth", "spb_umh_nbirth_v1", "spb_umh_ndata_v1", "spb_umh_ndeath_v1"])
def test_published_payloads_are_read_as_tahu_reads_them(name: str) -> None:
    data, _, due = published(name)
    found = parse(data)
    assert not isinstance(found, Rejection)
    assert found.timestamp == (int(due["timestamp"]) if "timestamp" in due else None)
    assert found.seq == (int(due["seq"]) if "seq" in due else None)
    assert len(found.metrics) == len(due["metrics"])
    for ours, theirs in zip(found.metrics, due["metrics"], strict=True):
        assert isinstance(ours, Metric)
        assert as_tahu(ours) == {key: theirs[key] for key in ("name", "alias", "timestamp", "datatype") if key in theirs}
        kinds = ("int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value")
        value: Any = next((theirs[kind] for kind in kinds if kind in theirs), None)
        if "long_value" in theirs:
            value = int(value)
        if theirs.get("is_null"):
            assert ours.value is None
        elif value is not None:
            assert ours.value == value
            assert type(ours.value) is type(value)


def test_umh_birth_data_and_death() -> None:
    """united-manufacturing-hub/benthos-umh, test_vectors.go: the alias of the birth names the value of the data."""
    state: State = {}
    data, topic, _ = published("spb_umh_nbirth_v1")
    assert read(data, Context(topic, T, state)) == [
        Record({"bdSeq": 88, "Node Control/Rebirth": False, "Temperature": 21.5}, device="Line1", time=1750855643474, otherwise="birth")
    ]
    data, topic, _ = published("spb_umh_ndata_v1")
    assert read(data, Context(topic, T, state)) == [Record({"Temperature": 22.5}, device="Line1", time=1750855643474)]
    data, topic, _ = published("spb_umh_ndeath_v1")
    # The vector's death says bdSeq 0, its birth 88: by the specification it belongs to another session.
    assert read(data, Context(topic, T, state)) == Control("death of an earlier session", "Line1")
    state["bdseq"] = 0
    assert read(data, Context(topic, T, state)) == Control("death", "Line1")
    assert state == {}


def test_tahu_birth_and_death() -> None:
    """eclipse-tahu, example_simple.py: a template definition (which measures nothing), a data set, a null metric, a unit."""
    state: State = {}
    data, topic, _ = published("spb_tahu_1_nbirth")
    (record,) = records(read(data, Context(topic, T, state)))
    assert (record.device, record.time) == ("Python_Edge_Node_1", 1700000000500)
    assert record.pairs == {
        "bdSeq": 0,
        "Node Control/Next Server": False,
        "Node Control/Rebirth": False,
        "Node Control/Reboot": False,
        "Node Metric0": "hello node",
        "Node Metric1": True,
        "Node Metric3": None,
        "DataSet[0].Int8s": 0,
        "DataSet[0].Int16s": 1,
        "DataSet[0].Int32s": 2,
        "DataSet[1].Int8s": 3,
        "DataSet[1].Int16s": 4,
        "DataSet[1].Int32s": 5,
        "Node Metric2": 13,
        "Node Metric2@unit": "MyCustomUnits",
    }
    data, topic, _ = published("spb_tahu_0_ndeath")
    assert read(data, Context(topic, T, state)) == Control("death", "Python_Edge_Node_1")


# --- what the specification says


def born(**metrics: int) -> State:
    """The state after births of node and device, the device's aliases as given."""
    state: State = {}
    say(state, NODE, "NBIRTH", payload(metric("bdSeq", 3, 8), metric("load", 0.5, alias=1), seq=0))
    say(state, DEVICE, "DBIRTH", payload(*(metric(name, 1.0, alias=alias) for name, alias in metrics.items()), seq=1))
    return state


def test_a_device_is_named_by_its_topic_and_its_metrics_by_aliases() -> None:
    state = born(pm25=10, temp=11)
    found = say(state, DEVICE, "DDATA", payload(metric(None, 12.5, 10, alias=10), metric("extra", 1.5), seq=2))
    assert found == [Record({"pm25": 12.5, "extra": 1.5}, device="st01", time=T)]
    assert say(state, NODE, "NDATA", payload(metric(None, 0.7, 10, alias=1), seq=3)) == [Record({"load": 0.7}, device="gw1", time=T)]


def test_the_same_alias_may_mean_something_else_on_another_device() -> None:
    state = born(pm25=1)
    assert records(say(state, DEVICE, "DDATA", payload(metric(None, 9.5, 10, alias=1), seq=2)))[0].pairs == {"pm25": 9.5}


def test_an_unknown_alias_loses_only_itself() -> None:
    state = born(pm25=10)
    (record,) = records(
        say(state, DEVICE, "DDATA", payload(metric(None, 12.5, 10, alias=10), metric(None, 1.5, 10, alias=99), metric(None, 1.5), seq=2))
    )
    assert record.pairs["pm25"] == 12.5
    assert [(one.field, one.reason) for one in refused_fields(record.pairs)] == [
        ("alias 99", Reason.CODEC_FAILED),
        ("metric 3", Reason.CODEC_FAILED),
    ]
    alone = say(state, DEVICE, "DDATA", payload(metric(None, 1.5, 10, alias=99), seq=3))
    assert isinstance(alone, Rejection)
    assert (alone.reason, alone.device) == (Reason.CODEC_FAILED, "st01")
    assert "alias 99" in alone.detail


@pytest.mark.parametrize(
    ("datatype", "wire", "value"),
    [
        (1, 0xFB, -5), (1, 0xFFFF_FFFB, -5), (2, 0xFFFB, -5), (2, 0xFFFF_FFFB, -5), (3, 0xFFFF_FFFB, -5), (4, (1 << 64) - 5, -5),
        (1, 127, 127),
        (5, 251, 251), (6, 65531, 65531), (7, 0xFFFF_FFFB, 0xFFFF_FFFB), (8, (1 << 64) - 5, (1 << 64) - 5), (10, 2.5, 2.5), (11, 1, True),
        (12, "x", "x"), (13, T, T), (14, "long text", "long text"), (17, b"\x01", b"\x01"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("silent", [False, True])
def test_values_have_the_type_of_their_metric(datatype: int, wire: Any, value: Any, silent: bool) -> None:
    """`silent`: the data do not repeat the type that the birth said."""
    state: State = {}
    say(state, NODE, "NBIRTH", payload(metric("x", wire, datatype, alias=5), seq=0))
    found = records(say(state, NODE, "NDATA", payload(metric(None, wire, datatype, alias=5, silent=silent), seq=1)))
    assert found[0].pairs == {"x": value}
    assert type(found[0].pairs["x"]) is type(value)


def test_a_single_float_and_a_null() -> None:
    single = field(1, "x") + varint(12 << 3 | 5) + struct.pack("<f", 21.5)
    found = records(say({}, NODE, "NDATA", payload(single, metric("y", None, 10), metric("z", math.nan))))
    assert found[0].pairs["x"] == 21.5
    assert found[0].pairs["y"] is None
    assert math.isnan(found[0].pairs["z"])  # type: ignore[arg-type]


def properties(**values: bytes) -> bytes:
    return field(9, b"".join(field(1, key) for key in values) + b"".join(field(2, value) for value in values.values()))


def test_unit_and_quality_are_beside_the_value_and_a_stale_one_is_none() -> None:
    good = metric("a", 1.5, extra=properties(engUnit=field(1, 12) + field(8, "ppb"), Quality=field(1, 3) + field(3, 192)))
    stale = metric("b", 2.5, extra=properties(Quality=field(3, 500)))
    bad = metric("c", 3.5, extra=properties(Quality=field(3, 0)))
    (record,) = records(say({}, NODE, "NDATA", payload(good, stale, bad)))
    assert record.pairs == {"a": 1.5, "a@unit": "ppb", "a@quality": 192, "b": None, "b@quality": 500, "c": None, "c@quality": 0}


def test_historical_metrics_are_records_of_their_own_times() -> None:
    found = records(
        say({}, NODE, "NDATA", payload(
            metric("x", 3.0, timestamp=T - 100),
            metric("x", 1.0, timestamp=T - 500, historical=True),
            metric("x", 0.0, timestamp=T - 3_600_000, historical=True),
            metric("y", 2.0, timestamp=T - 60_000),
            metric("x", 4.0, timestamp=T - 200),
        ))
    )  # fmt: skip
    assert [(record.time, record.pairs) for record in found] == [
        (T - 3_600_000, {"x": 0.0}), (T - 60_000, {"y": 2.0}), (T - 500, {"x": 1.0}), (T - 200, {"x": 4.0}), (T, {"x": 3.0}),
    ]  # fmt: skip


def test_times_that_are_none_leave_it_to_the_receipt() -> None:
    assert records(say({}, NODE, "NDATA", payload(metric("x", 1.0), timestamp=None)))[0].time is None
    assert records(say({}, NODE, "NDATA", payload(metric("x", 1.0, timestamp=T), timestamp=None)))[0].time == T
    assert records(say({}, NODE, "NDATA", payload(metric("x", 1.0), timestamp=(1 << 64) - 1)))[0].time is None


def test_members_of_a_template_stand_below_it() -> None:
    instance = (
        field(1, "Motor")
        + field(4, 19)
        + field(18, field(2, metric("RPMs", 1200.0)) + field(2, metric("AMPs", 0xFFFF_FFFF, 3)) + field(5, 0))
    )
    (record,) = records(say({}, NODE, "NDATA", payload(instance)))
    assert record.pairs == {"Motor/RPMs": 1200.0, "Motor/AMPs": -1}
    deep = metric("x", 1.0)
    for _ in range(5):
        deep = field(1, "t") + field(18, field(2, deep))
    (record,) = records(say({}, NODE, "NDATA", payload(deep)))
    assert [one.reason for one in refused_fields(record.pairs)] == [Reason.TOO_DEEP]


def test_lost_messages_are_counted() -> None:
    state = born(pm25=10)
    data = metric(None, 1.0, 10, alias=10)

    def gap(seq: int) -> object:
        return records(say(state, DEVICE, "DDATA", payload(data, seq=seq)))[-1].pairs.get(SEQ_GAP)

    assert [gap(seq) for seq in (2, 3, 5, 255, 0, 0, 2)] == [None, None, 1, 249, None, None, 1]
    say(state, NODE, "NBIRTH", payload(seq=0))
    say(state, DEVICE, "DBIRTH", payload(metric("pm25", 1.0, alias=10), seq=1))
    assert gap(2) is None


def test_a_death_is_forgotten_with_its_aliases() -> None:
    state = born(pm25=10)
    assert say(state, DEVICE, "DDEATH", payload(seq=2)) == Control("death", "st01")
    assert isinstance(say(state, DEVICE, "DDATA", payload(metric(None, 1.0, 10, alias=10), seq=3)), Rejection)
    assert isinstance(say(state, NODE, "NDATA", payload(metric(None, 1.0, 10, alias=1), seq=4)), list)
    assert say(state, NODE, "NDEATH", payload(metric("bdSeq", 2, 8))) == Control("death of an earlier session", "gw1")
    assert isinstance(say(state, NODE, "NDATA", payload(metric(None, 1.0, 10, alias=1), seq=5)), list)
    assert say(state, NODE, "NDEATH", payload(metric("bdSeq", 3, 8))) == Control("death", "gw1")
    assert isinstance(say(state, NODE, "NDATA", payload(metric(None, 1.0, 10, alias=1), seq=6)), Rejection)


def test_a_node_that_is_born_again_makes_its_devices_unknown() -> None:
    state = born(pm25=10)
    say(state, NODE, "NBIRTH", payload(metric("bdSeq", 4, 8), seq=0))
    assert isinstance(say(state, DEVICE, "DDATA", payload(metric(None, 1.0, 10, alias=10), seq=1)), Rejection)


def test_commands_hosts_and_births_without_metrics_are_control_messages() -> None:
    assert say({}, NODE, "NCMD", b"\xff") == Control("command", "gw1")
    assert say({}, DEVICE, "DCMD", b"") == Control("command", "st01")
    assert say({}, NODE, "NBIRTH", payload(seq=0)) == Control("birth", "gw1")
    assert say({}, DEVICE, "DDEATH", b"") == Control("death", "st01")
    assert say({}, NODE, "NDATA", payload(seq=0)) == Control("data without metrics", "gw1")
    assert say({}, "spBv1.0/STATE/host1", "", b"{}") == Control("state of a host application")


def test_a_compressed_payload_is_unpacked() -> None:
    inner = payload(metric("x", 1.5), seq=7)
    packed = field(1, T) + field(4, "SPBV1.0_COMPRESSED") + field(5, zlib.compress(inner))
    assert say({}, NODE, "NDATA", packed) == [Record({"x": 1.5}, device="gw1", time=T)]
    bomb = field(4, "SPBV1.0_COMPRESSED") + field(5, zlib.compress(bytes(9_000_000)))
    found = say({}, NODE, "NDATA", bomb)
    assert isinstance(found, Rejection)
    assert found.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("topic", "due"),
    [
        ("spBv1.0/g/NDATA/n", "spBv1.0/g/n"),
        ("bridge/city/spBv1.0/g/DDATA/n/d", "spBv1.0/g/n"),
        ("spBv1.0/g/NDATA/n/d", None),
        ("spBv1.0/g/DDATA/n", None),
        ("spBv1.0/g/DDATA/n/d/e", None),
        ("spBv1.0/g/NDATA/", None),
        ("spBv1.0/g/NFOO/n", None),
        ("spBv1.0", None),
        ("spAv1.0/g/NDATA/n", None),
    ],
)
def test_state_belongs_to_a_node(topic: str, due: str | None) -> None:
    levels = tuple(topic.split("/"))
    assert state_key(levels) == due
    assert (address(levels) is None) == (due is None)
    if due is None:
        found = read(b"", Context(levels))
        assert isinstance(found, Rejection)
        assert found.reason is Reason.UNKNOWN_TOPIC


def test_state_is_bounded_and_travels_as_msgpack() -> None:
    state: State = {}
    many = payload(*(metric(f"m{number}", 1.0, alias=number) for number in range(1500)), seq=0)
    assert refused_fields(records(say(state, NODE, "NBIRTH", many))[0].pairs) == []
    found = records(say(state, DEVICE, "DBIRTH", many))
    assert [one.field for one in refused_fields(found[0].pairs)] == ["birth"]
    assert len(state["metrics"]) <= 2 * MAX_REMEMBERED  # type: ignore[arg-type]
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    assert again == state
    assert records(say(again, NODE, "NDATA", payload(metric(None, 2.5, 10, alias=7))))[0].pairs == {"m7": 2.5}


def test_the_default_context_keeps_nothing() -> None:
    levels = tuple(NODE.format("NBIRTH").split("/"))
    read(payload(metric("x", 1.0, alias=1), seq=0), Context(levels))
    assert Context().state == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\x08", Reason.CODEC_FAILED),
        (b"\x0b", Reason.CODEC_FAILED),
        (b"\x00\x00", Reason.CODEC_FAILED),
        (b"\x12\x05\x0a", Reason.CODEC_FAILED),
        (b"\x08" + b"\xff" * 11, Reason.CODEC_FAILED),
        (b"\x0a\x01a", Reason.CODEC_FAILED),
        (payload(metric("x", 1.0), field(1, b"\xff") + field(7, 1))[:-30] + field(2, field(1, b"\xff")), Reason.INVALID_UTF8),
        (payload(field(1, "x")), Reason.NO_READING),
        (payload(field(1, "x") + field(13, 5)), Reason.CODEC_FAILED),
        (payload(metric("x" * 300, 1.0)), Reason.WRONG_SHAPE),
        (payload(*[metric("x", 1.0)] * 2001), Reason.WRONG_SHAPE),
    ],
)  # fmt: skip
def test_refusals(data: bytes, reason: Reason) -> None:
    found = say({}, NODE, "NDATA", data)
    if isinstance(found, list):
        assert [one.reason for one in refused_fields(found[0].pairs)] == [reason]
    else:
        assert isinstance(found, Rejection)
        assert found.reason is reason
        assert len(found.detail) < 300


def test_one_bad_metric_loses_only_itself() -> None:
    (record,) = records(say({}, NODE, "NDATA", payload(metric("x", 1.0), field(1, b"\xff"), metric("y", 2.0), metric("y", 3.0))))
    assert record.pairs["x"] == 1.0
    assert [(one.field, one.reason) for one in refused_fields(record.pairs)] == [
        ("y", Reason.DUPLICATE_KEY),
        ("metric 2", Reason.INVALID_UTF8),
    ]


VALID = [published(name)[0] for name in ("spb_tahu_1_nbirth", "spb_umh_nbirth_v1", "spb_umh_ndata_v1")]
VALID.append(payload(metric("a", 1.5, alias=1, timestamp=T, historical=True, extra=properties(Quality=field(3, 192))), seq=3))
KINDS = ["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]
PIECES = [b"\x08", b"\x12", b"\x0a", b"\x18", b"\x01", b"\x02\x0a\x00", b"\x7f", b"\xff", b"\x8a\x01", b"\x92\x01", b"\x4a"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.one_of(mutations(VALID), payloads(PIECES))), max_size=5))
def test_no_bytes_raise_and_the_state_stays_plain(messages: list[tuple[str, bytes]]) -> None:
    state: State = {}
    for kind, data in messages:
        found = say(state, NODE if kind[0] == "N" else DEVICE, kind, data)
        assert isinstance(found, list | Control | Rejection)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(state)) == state


@given(payloads(PIECES))
def test_no_bytes_raise_anything_but_a_wire_error(data: bytes) -> None:
    try:
        assert all(isinstance(value, int | bytes) for _, value in fields(data))
    except WireError:
        pass


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=200))), max_size=10))
def test_what_was_written_is_read_back(written: list[tuple[int, int | bytes]]) -> None:
    assert list(fields(b"".join(field(number, value) for number, value in written))) == written


def data_set(columns: int, rows: int) -> bytes:
    names = b"".join(field(2, f"c{index}") for index in range(columns))
    return field(1, "t") + field(17, names + field(4, field(1, field(1, 5)) * columns) * rows)


LONG = {
    "metrics": payload(*(metric(f"m{n}", 1.0, alias=n) for n in range(2000))),
    "empty metrics": b"\x12\x00" * 32_000,
    "times": payload(*(metric("x", 1.0, timestamp=T - 10_000 * n, historical=True) for n in range(2000))),
    "one metric": payload(*[metric("x", 1.0)] * 2000),
    "long names": payload(*[metric("x" * 240 + str(n), 1.0, alias=n) for n in range(240)]),
    "a table": payload(data_set(100, 15)),
    "a wide table": payload(data_set(5_000, 1)),
    "a table of empty rows": payload(field(1, "t") + field(17, field(2, "c") + field(4, b"") * 1900)),
    "tables": payload(*[data_set(2, 2)] * 1500),
    "templates": payload(*[field(1, "t") + field(18, field(2, metric("x", 1.0)) * 5)] * 400),
    "unknown fields": b"\x78\x01" * 32_000,
    "unknown fields in a metric": payload(b"\xf8\x01\x01" * 21_000),
    "properties": payload(metric("x", 1.0, extra=field(9, field(1, "Quality") * 3000 + field(2, field(3, 0)) * 3000))),
    "properties of a property": payload(metric("x", 1.0, extra=field(9, field(1, "Quality") + field(2, b"\x18\x01" * 30_000)))),
    "compressed": field(4, "SPBV1.0_COMPRESSED") + field(5, zlib.compress(payload(*(metric(f"m{n}", 1.0, alias=n) for n in range(2000))))),
    "compressed and empty": field(4, "SPBV1.0_COMPRESSED") + field(5, zlib.compress(b"\x78\x01" * 400_000)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("kind", ["NBIRTH", "NDATA"])
def test_64_kilobytes_cost_little(name: str, kind: str) -> None:
    state = born()

    def once(data: bytes, context: Context) -> list[Record] | Control | Rejection:
        return read(data, context._replace(state=state))

    assert len(LONG[name]) < 80_000
    cheap(once, LONG[name][:65_536], Context(tuple(NODE.format(kind).split("/")), T, deepcopy(state)))
