"""Binary layouts, declared in YAML (`model.BinaryModel`), compiled when a type loads into nested closures.

Each step becomes a function (data, at, values) → where reading goes on; it writes what it read into `values`. What a message
lacks is told apart by where it lacks it: a fixed layout that ends too early is refused as a whole (its length is its envelope);
a type-length-value message that ends inside an item keeps the items before it, and a Rejection stands where the cut value would
be, so that its field is refused alone (`devices.formats.refusals`).

`compile_account` reads the same layout once more for another question: how much of the message does it account for? With
`trace` the closures count what had to be as it is (keys, signatures), under names that no message can use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

from devices.codecs.checksums import checksum
from devices.codecs.formula import compile_formula
from devices.codecs.model import (
    Account,
    Accounted,
    BinaryModel,
    Codec,
    ComputedStep,
    ControlStep,
    Endian,
    FieldStep,
    IfStep,
    RejectStep,
    RepeatStep,
    SkipStep,
    Step,
    SwitchStep,
    TlvModel,
    TlvStep,
    bit_run,
)
from devices.codecs.values import Cut, Refused, Run, field_run
from devices.formats.record import Control, Pairs
from devices.problems import ConfigError, ConfigProblem, DataPath
from devices.rejection import Reason, Rejection

MAX_BYTES = 8_192
"""The longest message of a binary layout (LoRaWAN carries at most 242 bytes)."""
MAX_GROUPS = 1_024
"""Groups of one `repeat`; more are not read."""


_LEFT, _BITS, _SEEN = "_#left", "_#bits", "_#seen"
"""Counters of a reading: bytes after an unknown key; bits that had to be as they are; where the furthest value that stands at a
fixed place ends."""
_FIXED_LENGTH_BITS = 4.0
"""What it says that a message has the one length that its layout allows: LoRaWAN payloads mostly have 4 to 40 bytes."""


class _Declared(Exception):
    """A control message."""


def compile_binary(model: BinaryModel, path: DataPath = ("binary",)) -> Codec:
    """The codec of one layout. Raises ConfigError with paths under `path` when its formulas use what nothing reads."""
    known: set[str] = {"port", "length"}
    problems: list[ConfigProblem] = []
    _check(model.steps, (*path, "steps"), known, problems)
    if problems:
        raise ConfigError(problems)
    run = _sequence(model.steps, model.endian)
    least, most = (model.length, model.length) if isinstance(model.length, int) else model.length or (1, MAX_BYTES)
    sizes = (least, min(most, MAX_BYTES))
    intact = checksum(model.checksum) if model.checksum else None
    hidden = (*(name for name in known if name.startswith("_")), "port", "length", _LEFT)

    def decode(raw: bytes, port: int | None, received_ms: int = 0, /) -> Pairs | Control | Rejection:
        length = len(raw)
        if not sizes[0] <= length <= sizes[1]:
            return Rejection(Reason.CODEC_FAILED if length else Reason.EMPTY, f"{_due(sizes)} bytes are due, {length} came")
        if intact is not None and not intact(raw):
            return Rejection(Reason.CODEC_FAILED, "the checksum does not fit the message")
        values: dict[str, Any] = {"port": -1 if port is None else port, "length": length}
        try:
            run(raw, 0, values)
        except Cut as cut:
            return Rejection(Reason.CODEC_FAILED, f"{cut.name} ends at byte {cut.due}, the message has {length}")
        except Refused as refused:
            return Rejection(Reason.CODEC_FAILED, str(refused))
        except _Declared as declared:
            return Control(str(declared))
        for name in hidden:
            values.pop(name, None)
        return values

    return decode


def compile_account(model: BinaryModel) -> Account:
    """How much of a message the layout accounts for. Of a checked layout (`compile_binary`); compiled when it is first asked."""
    run: Run | None = None
    sized = {"sum8": 1, "xor8": 1, "crc32": 4}.get(model.checksum.kind, 2) if model.checksum else 0
    given = _FIXED_LENGTH_BITS * isinstance(model.length, int) + 8.0 * sized

    def account(raw: bytes, port: int | None, /) -> Accounted:
        nonlocal run
        if run is None:
            run = _sequence(model.steps, model.endian, trace=True)
        values: dict[str, Any] = {"port": -1 if port is None else port, "length": len(raw), _BITS: given}
        try:
            end = run(raw, 0, values)
        except (Cut, Refused, _Declared):
            return Accounted(len(raw), 0.0)
        return Accounted(max(len(raw) - max(end, values.get(_SEEN, 0)) - sized, 0) + values.get(_LEFT, 0), values[_BITS])

    return account


def _due(sizes: tuple[int, int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]} to {sizes[1]}"


# --- configuration: does every formula find its names?


def _check(steps: Sequence[Step], path: DataPath, known: set[str], problems: list[ConfigProblem]) -> None:
    for index, step in enumerate(steps):
        here = (*path, index)
        if isinstance(step, FieldStep | ComputedStep):
            if isinstance(step, ComputedStep):
                _check_formula(step.formula, (*here, "formula"), known, problems)
            if step.name in ("port", "length"):
                problems.append(ConfigProblem((*here, "name"), f"{step.name} is the message's own: choose another name"))
            known.add(step.name)
        elif isinstance(step, IfStep):
            _check_formula(step.condition, (*here, "if"), known, problems)
            _check(step.then, (*here, "then"), known, problems)
            _check(step.otherwise, (*here, "else"), known, problems)
        elif isinstance(step, SwitchStep):
            _check_formula(step.switch, (*here, "switch"), known, problems)
            for case, then in step.cases.items():
                _check(then, (*here, "cases", case), known, problems)
            _check(step.otherwise or (), (*here, "else"), known, problems)
        elif isinstance(step, TlvStep):
            for key, then in step.tlv.items.items():
                _check(then, (*here, "tlv", "items", key), known, problems)
        elif isinstance(step, RepeatStep):
            if step.count is not None:
                _check_formula(step.count, (*here, "count"), known, problems)
            known.add(f"_#{step.repeat}")
            _check(step.steps, (*here, "steps"), known, problems)
            _no_nested_repeat(step.steps, (*here, "steps"), problems)


def _check_formula(text: str, path: DataPath, known: set[str], problems: list[ConfigProblem]) -> None:
    for name in sorted(compile_formula(text)[1] - known):
        problems.append(ConfigProblem(path, f"nothing before this reads {name!r}"))


def _no_nested_repeat(steps: Sequence[Step], path: DataPath, problems: list[ConfigProblem]) -> None:
    for index, step in enumerate(steps):
        if isinstance(step, RepeatStep | TlvStep):
            problems.append(ConfigProblem((*path, index), "a repeated group holds values, `if` and `switch`, no further repeat or tlv"))
        elif isinstance(step, IfStep):
            _no_nested_repeat((*step.then, *step.otherwise), path, problems)
        elif isinstance(step, SwitchStep):
            for then in (*step.cases.values(), step.otherwise or ()):
                _no_nested_repeat(then, path, problems)


# --- steps → closures


def _sequence(steps: Sequence[Step], endian: Endian, trace: bool = False) -> Run:
    runs = [_run(step, endian, trace) for step in steps]
    if len(runs) == 1:
        return runs[0]

    def sequence(data: bytes, at: int, values: dict[str, Any]) -> int:
        for run in runs:
            at = run(data, at, values)
        return at

    return sequence


def _run(step: Step, endian: Endian, trace: bool) -> Run:
    if isinstance(step, FieldStep):
        run = field_run(step, step.endian or endian)
        return _traced_field(step, run) if trace else run
    if isinstance(step, ComputedStep):
        return _computed(step)
    if isinstance(step, IfStep):
        return _if(step, endian, trace)
    if isinstance(step, SwitchStep):
        return _switch(step, endian, trace)
    if isinstance(step, TlvStep):
        return _tlv(step.tlv, endian, trace)
    if isinstance(step, RepeatStep):
        return _repeat(step, endian, trace)
    if isinstance(step, SkipStep):
        return _skip(step.skip)
    return _end(step)


def _end(step: RejectStep | ControlStep) -> Run:
    def end(data: bytes, at: int, values: dict[str, Any]) -> NoReturn:
        if isinstance(step, RejectStep):
            raise Refused(step.reject)
        raise _Declared(step.control)

    return end


def _skip(count: int) -> Run:
    def skip(data: bytes, at: int, values: dict[str, Any]) -> int:
        if at + count > len(data):
            raise Cut("a gap", at, at + count)
        return at + count

    return skip


def _computed(step: ComputedStep) -> Run:
    formula, name = compile_formula(step.formula)[0], step.name
    codes: dict[float, Any] = {float(code): meaning for code, meaning in step.values.items()}

    def compute(data: bytes, at: int, values: dict[str, Any]) -> int:
        value = formula(values)
        values[name] = None if value != value else codes.get(value, value) if codes else value
        return at

    return compute


def _if(step: IfStep, endian: Endian, trace: bool) -> Run:
    condition = compile_formula(step.condition)[0]
    then, otherwise = _sequence(step.then, endian, trace), _sequence(step.otherwise, endian, trace)

    def choose(data: bytes, at: int, values: dict[str, Any]) -> int:
        found = condition(values)
        return then(data, at, values) if found and found == found else otherwise(data, at, values)

    return choose


def _switch(step: SwitchStep, endian: Endian, trace: bool) -> Run:
    by = compile_formula(step.switch)[0]
    cases: dict[int | float, Run] = {case: _sequence(then, endian, trace) for case, then in step.cases.items()}
    otherwise = None if step.otherwise is None else _sequence(step.otherwise, endian, trace)
    worth = max(8 - math.log2(len(cases)), 0.0) if trace and otherwise is None else 0.0

    def switch(data: bytes, at: int, values: dict[str, Any]) -> int:
        number = by(values)
        run = cases.get(number, otherwise)
        if run is None:
            raise Refused(f"{step.switch} is {number}, known are {', '.join(map(str, list(cases)[:12]))}")
        if worth:
            values[_BITS] += worth
        return run(data, at, values)

    return switch


def _repeat(step: RepeatStep, endian: Endian, trace: bool) -> Run:
    run, name = _sequence(step.steps, endian, trace), step.repeat
    count = compile_formula(step.count)[0] if step.count is not None else None

    # A type-length-value message says `history` several times: its groups are counted on.
    counter = f"_#{name}"

    def repeat(data: bytes, at: int, values: dict[str, Any]) -> int:
        index = first = values.get(counter, 0)
        groups: float = MAX_GROUPS if count is None else min(first + count(values), MAX_GROUPS)
        shared = {key: value for key, value in values.items() if key in ("port", "length") or key.startswith("_")}
        while index < groups and at < len(data):
            group = {**shared, _BITS: 0.0} if trace else dict(shared)
            try:
                after = at + run(data[at:], 0, group)
            except Cut as cut:
                if count is not None:
                    raise Cut(f"{name}[{index}].{cut.name}", at + cut.at, at + cut.due) from None
                break
            if after == at:
                break
            for key, value in group.items():
                if not key.startswith("_") and key not in ("port", "length"):
                    values[f"{name}[{index}].{key}"] = value
            at = after
            index += 1
        values[counter] = index
        return at

    return repeat


def _tlv(model: TlvModel, endian: Endian, trace: bool) -> Run:
    size = model.key
    items = {bytes.fromhex(key): _sequence(steps, endian, trace) for key, steps in model.items.items()}
    fixed = model.length if isinstance(model.length, int) else None
    header = 0 if model.length is None or fixed else 1 if model.length == "u8" else 2
    bounded = model.length is not None
    refuse, stop = model.unknown == "reject", model.unknown == "stop"
    worth = max(8 * size - math.log2(len(items)), 0.0) if trace else 0.0
    after = model.after

    def tlv(data: bytes, at: int, values: dict[str, Any]) -> int:
        end = len(data) - after
        while at < end:
            start = at + size + header
            run = items.get(data[at : at + size])
            if run is None and refuse:
                raise Refused(f"unknown key {data[at : at + size].hex(' ')} at byte {at}")
            if (run is None and stop) or start > end:
                values[_LEFT] = end - at
                return len(data)
            value = data[start:end]
            if bounded:
                value = value[: fixed or int.from_bytes(data[at + size : start], endian)]
            if run is None:
                at = start + len(value)
                continue
            try:
                used = run(value, 0, values)
            except Cut as cut:
                # The item is cut off: its field is refused, its neighbours are kept.
                name = f"byte {at}" if cut.name.startswith("_") else cut.name
                values[name] = Rejection(Reason.CODEC_FAILED, f"takes {cut.due - cut.at} bytes, {len(value) - cut.at} are there")
                if not bounded:
                    values[_LEFT] = end - at
                    return len(data)
                used = 0
            at = start + (len(value) if bounded else used)
            if worth:
                values[_BITS] += worth
        return len(data)

    return tlv


def _traced_field(step: FieldStep, run: Run) -> Run:
    """`run`, which says besides what the value had to be, and how far values reach that stand at a fixed place."""
    size = step.length if isinstance(step.length, int) else int(step.type[1:]) // 8 if step.type[1:].isdigit() else 0
    width = bit_run(step.bits, 8 * size)[1] if step.bits is not None else 8 * size
    worth = float(width) if step.equals is not None else 0.0

    def traced(data: bytes, at: int, values: dict[str, Any]) -> int:
        end = run(data, at, values)
        values[_BITS] += worth
        if step.at is not None:
            start = step.at if step.at >= 0 else len(data) + step.at
            values[_SEEN] = max(values.get(_SEEN, 0), start + size)
        return end

    return traced
