"""`sparkplug-b`: Eclipse Sparkplug 3.0 over `spBv1.0/group/TYPE/node[/device]`.

    NBIRTH, DBIRTH   say names, aliases and types of all metrics (kept in the state), and hold their current values: records,
                     and a control message where the device type reads none of them
    NDATA, DDATA     hold what changed; metrics may be named by alias alone: records
    NDEATH, DDEATH   control; what the birth said is forgotten. An NDEATH of an earlier session (another bdSeq) changes nothing
    NCMD, DCMD, STATE    control

Pairs: metric name → value (`Properties/Firmware`), members of templates below it (`Motor/RPMs`), data sets by row and column
(`Table[0].Flow`); `<name>@unit` and `<name>@quality` where properties say them. Null, and values of quality bad (0) or stale (500),
are None. `sparkplug.seq_gap` is how many messages of the node were lost before this one.

The device is the last level of the topic, characters that an id may not have replaced by `_` (`Edge Node 1` → `Edge_Node_1`).
The time is the payload's. Metrics that are historical, or more than a second older, are records of their own times.

An alias that no birth has named is refused alone (path `alias 100`): the gateway came late, or lost the birth.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from devices.formats.base import Format
from devices.formats.limits import MAX_RECORDS, MAX_VALUES
from devices.formats.record import Context, Control, Pairs, Record, RecordReader
from devices.formats.refusals import settle
from devices.formats.sparkplug_payload import Metric, Payload, parse, typed
from devices.rejection import Reason, Rejection
from devices.times import LATEST_MS

NAMESPACE = "spBv1.0"
MAX_REMEMBERED = 2_000
"""Metrics of one node and its devices that are remembered."""
MAX_NAME = 250
"""Characters of a metric's name."""
SAME_TIME_MS = 1_000
"""Metrics no further than this from the payload's time are of that time."""
SEQ_GAP = "sparkplug.seq_gap"
_NO_VALUE_QUALITIES = (0, 500)

_KINDS = ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD", "DCMD")
_ILLEGAL = re.compile(r"[^A-Za-z0-9._:-]")

State: TypeAlias = dict[str, object]
"""{"seq": last sequence number, "bdseq": of the living session, "metrics": {key: [device, name, datatype]}}, where key is
`a<device>/<alias>` or `n<device>/<name>`. Of one node and its devices."""


class _Address(NamedTuple):
    group: str
    kind: str
    node: str
    device: str
    """Empty: the node itself."""


def address(levels: tuple[str, ...]) -> _Address | None:
    """What the topic says, whatever a bridge has put before it; None: it is no topic of a node or device."""
    if NAMESPACE not in levels:
        return None
    group, kind, node, device, *more = (*levels[levels.index(NAMESPACE) + 1 :], "", "", "", "")
    if any(more) or kind not in _KINDS or not group or not node or (kind[0] == "D") != bool(device):
        return None
    return _Address(group, kind, node, device)


def state_key(levels: tuple[str, ...]) -> str | None:
    """Aliases and sequence numbers belong to a node and its devices together."""
    found = address(levels)
    return None if found is None else f"{NAMESPACE}/{found.group}/{found.node}"


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """See the module's head. Changes `context.state`."""
    where = address(context.topic)
    if where is None:
        if NAMESPACE in context.topic[:-1] and context.topic[context.topic.index(NAMESPACE) + 1] == "STATE":
            return Control("state of a host application")
        return Rejection(Reason.UNKNOWN_TOPIC, f"a topic {NAMESPACE}/group/TYPE/node[/device] is due")
    state: State = {} if context.state is Context._field_defaults["state"] else context.state
    device = _ILLEGAL.sub("_", where.device or where.node)
    if where.kind in ("NCMD", "DCMD"):
        return Control("command", device)
    found = parse(payload)
    if isinstance(found, Rejection):
        if where.kind == "DDEATH" and found.reason is Reason.EMPTY:
            found = Payload(None, None, [])
        else:
            return found._replace(device=device)
    if where.kind == "NDEATH":
        return _node_death(found, device, state)
    gap = _sequence(found.seq, where.kind, state)
    if where.kind == "DDEATH":
        _forget(state, where.device)
        return Control("death", device)
    refused: dict[str, Rejection] = {}
    if where.kind in ("NBIRTH", "DBIRTH"):
        _remember(found, where, state, refused)
    records = _records(found, where.device, device, state, refused)
    if gap and records:
        records[-1].pairs[SEQ_GAP] = gap
    if not where.kind.endswith("BIRTH"):
        if not records and not refused:
            return Control("data without metrics", device)
        settled = settle(records, refused)
        return settled._replace(device=device) if isinstance(settled, Rejection) else settled
    if not records:
        return Control("birth", device)
    settle(records, refused)
    return [record._replace(otherwise="birth") for record in records]


# --- births, deaths, sequence


def _metrics_of(state: State) -> dict[str, list[str | int | None]]:
    held = state.setdefault("metrics", {})
    assert isinstance(held, dict)
    return held


def _forget(state: State, device: str) -> None:
    metrics = _metrics_of(state)
    for key in [key for key, known in metrics.items() if known[0] == device]:
        del metrics[key]


def _node_death(payload: Payload, device: str, state: State) -> Control:
    session = _session(payload)
    born = state.get("bdseq")
    if session is not None and born is not None and session != born:
        return Control("death of an earlier session", device)
    state.clear()
    return Control("death", device)


def _session(payload: Payload) -> int | None:
    """The number by which an NDEATH belongs to its NBIRTH."""
    for metric in payload.metrics:
        if isinstance(metric, Metric) and metric.name == "bdSeq" and isinstance(metric.value, int):
            return metric.value
    return None


def _sequence(seq: int | None, kind: str, state: State) -> int:
    """How many messages of the node are missing before this one."""
    last = state.get("seq")
    if seq is None or not 0 <= seq <= 255:
        return 0
    state["seq"] = seq
    if kind == "NBIRTH" or not isinstance(last, int) or seq == last:
        return 0
    return (seq - last - 1) % 256


def _remember(payload: Payload, where: _Address, state: State, refused: dict[str, Rejection]) -> None:
    if where.kind == "NBIRTH":
        state["metrics"] = {}
        state["bdseq"] = _session(payload)
    _forget(state, where.device)
    metrics = _metrics_of(state)
    for metric in payload.metrics:
        if isinstance(metric, Rejection) or metric.name is None or len(metric.name) > MAX_NAME:
            continue
        known: list[str | int | None] = [where.device, metric.name, metric.datatype]
        keys = [f"n{where.device}/{metric.name}", *([] if metric.alias is None else [f"a{where.device}/{metric.alias}"])]
        if len(metrics) + len(keys) > 2 * MAX_REMEMBERED:
            refused["birth"] = Rejection(
                Reason.WRONG_SHAPE, f"more than {MAX_REMEMBERED} metrics of one node: the others are not remembered"
            )
            return
        for key in keys:
            metrics[key] = known


# --- metrics → records


def _records(payload: Payload, topic_device: str, device: str, state: State, refused: dict[str, Rejection]) -> list[Record]:
    known = _metrics_of(state)
    by_time: dict[int | None, Pairs] = {}
    left = MAX_VALUES
    for number, metric in enumerate(payload.metrics, 1):
        if isinstance(metric, Rejection):
            refused[f"metric {number}"] = metric
            continue
        name, datatype = metric.name, metric.datatype
        if name is None or datatype is None:
            held = known.get(f"a{topic_device}/{metric.alias}" if name is None else f"n{topic_device}/{name}")
            if name is None and held is None:
                path, why = (f"metric {number}", "it has neither name nor alias") if metric.alias is None else _unknown_alias(metric.alias)
                refused[path] = Rejection(Reason.CODEC_FAILED, why)
                continue
            if held is not None:
                name, datatype = str(held[1]), datatype if datatype is not None else held[2]  # type: ignore[assignment]
        assert name is not None
        if len(name) > MAX_NAME:
            refused[f"metric {number}"] = Rejection(Reason.WRONG_SHAPE, f"a name of more than {MAX_NAME} characters")
            continue
        time = _time(metric, payload.timestamp)
        pairs = by_time.get(time)
        if pairs is not None and name in pairs and metric.timestamp is not None and metric.timestamp != time:
            time = _time(metric, None)  # Sampled twice within a second.
            pairs = by_time.get(time)
        if pairs is None:
            if len(by_time) >= MAX_RECORDS:
                refused[f"metric {number}"] = Rejection(Reason.WRONG_SHAPE, f"more than {MAX_RECORDS} times in one message")
                continue
            pairs = by_time[time] = {}
        left -= _put(pairs, name, metric, datatype)
        if left < 0:
            refused[f"metric {number}"] = Rejection(Reason.WRONG_SHAPE, f"more than {MAX_VALUES} values in one message")
            break
    ordered = sorted(by_time.items(), key=lambda item: (item[0] is None, item[0] or 0))
    return [Record(pairs, device=device, time=time) for time, pairs in ordered if pairs]


def _unknown_alias(alias: int) -> tuple[str, str]:
    return f"alias {alias}", "no birth certificate that was heard has named it"


def _time(metric: Metric, payload_time: int | None) -> int | None:
    own, whole = (time if time is not None and 0 < time <= LATEST_MS else None for time in (metric.timestamp, payload_time))
    if own is None or whole is None:
        return whole if own is None else own
    return own if metric.historical or abs(whole - own) > SAME_TIME_MS else whole


def _put(pairs: Pairs, path: str, metric: Metric, datatype: int | None) -> int:
    """The metric into the pairs; gives how many values that were."""
    if path in pairs:
        pairs[path] = Rejection(Reason.DUPLICATE_KEY, "two values of one metric and time")
        return 1
    value = metric.value
    if metric.unit is not None:
        pairs[f"{path}@unit"] = metric.unit
    if metric.quality is not None:
        pairs[f"{path}@quality"] = metric.quality
        if metric.quality in _NO_VALUE_QUALITIES:
            value = None
    if not isinstance(value, list):
        pairs[path] = value if isinstance(value, Rejection) else typed(value, datatype)
        return 1
    count = 1
    for index, inside in enumerate(value):
        if isinstance(inside, Metric):
            if inside.name is not None and len(path) + len(inside.name) <= 2 * MAX_NAME:
                count += _put(pairs, f"{path}/{inside.name}", inside, inside.datatype)
        else:
            for column, cell in inside.items():
                pairs[f"{path}[{index}].{column[:MAX_NAME]}"] = cell
                count += 1
    return count


def reader(options: None) -> RecordReader:
    """There is nothing to choose."""
    return read


FORMAT = Format("sparkplug-b", reader=reader, device=True, time=True, units=True, state_key=state_key)
