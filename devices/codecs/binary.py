"""Binary layouts, declared in YAML (`model.BinaryModel`), compiled when a type loads into nested closures.

Each step becomes a function (data, at, values) → where reading goes on; it writes what it read into `values`. What a message
lacks is told apart by where it lacks it: a fixed layout that ends too early is refused as a whole (its length is its envelope);
a type-length-value message that ends inside an item keeps the items before it, and a Rejection stands where the cut value would
be, so that its field is refused alone (`devices.formats.refusals`).
"""

from __future__ import annotations

import math
import struct
from binascii import crc32, crc_hqx
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from devices.codecs.formula import compile_formula
from devices.codecs.model import (
    BinaryModel,
    ChecksumModel,
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
from devices.formats.record import Control, Pairs
from devices.problems import ConfigError, ConfigProblem, DataPath
from devices.rejection import Reason, Rejection

MAX_BYTES = 8_192
"""The longest message of a binary layout (LoRaWAN carries at most 242 bytes)."""
MAX_GROUPS = 1_024
"""Groups of one `repeat`; more are not read."""

Run: TypeAlias = Callable[[bytes, int, dict[str, Any]], int]


class _Refused(Exception):
    """Not a message of this layout."""


class _Cut(Exception):
    """The message ends before the value `name`, which begins at `at`."""

    def __init__(self, name: str, at: int, due: int) -> None:
        super().__init__(name, at, due)
        self.name = name
        self.at = at
        self.due = due


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
    sizes = (model.length, model.length) if isinstance(model.length, int) else model.length or (1, MAX_BYTES)
    intact = _checksum(model.checksum) if model.checksum else None
    hidden = (*(name for name in known if name.startswith("_")), "port", "length")

    def decode(raw: bytes, port: int | None, received_ms: int = 0, /) -> Pairs | Control | Rejection:
        length = len(raw)
        if not sizes[0] <= length <= sizes[1]:
            return Rejection(Reason.CODEC_FAILED if length else Reason.EMPTY, f"{_due(sizes)} bytes are due, {length} came")
        if intact is not None and not intact(raw):
            return Rejection(Reason.CODEC_FAILED, "the checksum does not fit the message")
        values: dict[str, Any] = {"port": -1 if port is None else port, "length": length}
        try:
            run(raw, 0, values)
        except _Cut as cut:
            return Rejection(Reason.CODEC_FAILED, f"{cut.name} ends at byte {cut.due}, the message has {length}")
        except _Refused as refused:
            return Rejection(Reason.CODEC_FAILED, str(refused))
        except _Declared as declared:
            return Control(str(declared))
        for name in hidden:
            values.pop(name, None)
        return values

    return decode


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


def _sequence(steps: Sequence[Step], endian: Endian) -> Run:
    runs = [_run(step, endian) for step in steps]
    if len(runs) == 1:
        return runs[0]

    def sequence(data: bytes, at: int, values: dict[str, Any]) -> int:
        for run in runs:
            at = run(data, at, values)
        return at

    return sequence


def _run(step: Step, endian: Endian) -> Run:
    if isinstance(step, FieldStep):
        return _field(step, step.endian or endian)
    if isinstance(step, ComputedStep):
        return _computed(step)
    if isinstance(step, IfStep):
        return _if(step, endian)
    if isinstance(step, SwitchStep):
        return _switch(step, endian)
    if isinstance(step, TlvStep):
        return _tlv(step.tlv, endian)
    if isinstance(step, RepeatStep):
        return _repeat(step, endian)
    if isinstance(step, SkipStep):
        return _skip(step.skip)
    return _end(step)


def _end(step: RejectStep | ControlStep) -> Run:
    def end(data: bytes, at: int, values: dict[str, Any]) -> NoReturn:
        if isinstance(step, RejectStep):
            raise _Refused(step.reject)
        raise _Declared(step.control)

    return end


def _skip(count: int) -> Run:
    def skip(data: bytes, at: int, values: dict[str, Any]) -> int:
        if at + count > len(data):
            raise _Cut("a gap", at, at + count)
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


def _if(step: IfStep, endian: Endian) -> Run:
    condition = compile_formula(step.condition)[0]
    then, otherwise = _sequence(step.then, endian), _sequence(step.otherwise, endian)

    def choose(data: bytes, at: int, values: dict[str, Any]) -> int:
        found = condition(values)
        return then(data, at, values) if found and found == found else otherwise(data, at, values)

    return choose


def _switch(step: SwitchStep, endian: Endian) -> Run:
    by = compile_formula(step.switch)[0]
    cases: dict[int | float, Run] = {case: _sequence(then, endian) for case, then in step.cases.items()}
    otherwise = None if step.otherwise is None else _sequence(step.otherwise, endian)

    def switch(data: bytes, at: int, values: dict[str, Any]) -> int:
        number = by(values)
        run = cases.get(number, otherwise)
        if run is None:
            raise _Refused(f"{step.switch} is {number}, known are {', '.join(map(str, list(cases)[:12]))}")
        return run(data, at, values)

    return switch


def _repeat(step: RepeatStep, endian: Endian) -> Run:
    run, name = _sequence(step.steps, endian), step.repeat
    count = compile_formula(step.count)[0] if step.count is not None else None

    # A type-length-value message says `history` several times: its groups are counted on.
    counter = f"_#{name}"

    def repeat(data: bytes, at: int, values: dict[str, Any]) -> int:
        index = first = values.get(counter, 0)
        groups: float = MAX_GROUPS if count is None else min(first + count(values), MAX_GROUPS)
        shared = {key: value for key, value in values.items() if key in ("port", "length") or key.startswith("_")}
        while index < groups and at < len(data):
            group = dict(shared)
            try:
                after = at + run(data[at:], 0, group)
            except _Cut as cut:
                if count is not None:
                    raise _Cut(f"{name}[{index}].{cut.name}", at + cut.at, at + cut.due) from None
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


def _tlv(model: TlvModel, endian: Endian) -> Run:
    size = model.key
    items = {bytes.fromhex(key): _sequence(steps, endian) for key, steps in model.items.items()}
    fixed = model.length if isinstance(model.length, int) else None
    header = 0 if model.length is None or fixed else 1 if model.length == "u8" else 2
    bounded = model.length is not None
    refuse, stop = model.unknown == "reject", model.unknown == "stop"

    def tlv(data: bytes, at: int, values: dict[str, Any]) -> int:
        end = len(data)
        while at < end:
            start = at + size + header
            run = items.get(data[at : at + size])
            if run is None and refuse:
                raise _Refused(f"unknown key {data[at : at + size].hex(' ')} at byte {at}")
            if (run is None and stop) or start > end:
                return end
            value = data[start:]
            if bounded:
                value = value[: fixed or int.from_bytes(data[at + size : start], endian)]
            if run is None:
                at = start + len(value)
                continue
            try:
                used = run(value, 0, values)
            except _Cut as cut:
                # The item is cut off: its field is refused, its neighbours are kept.
                name = f"byte {at}" if cut.name.startswith("_") else cut.name
                values[name] = Rejection(Reason.CODEC_FAILED, f"takes {cut.due - cut.at} bytes, {len(value) - cut.at} are there")
                if not bounded:
                    return end
                used = 0
            at = start + (len(value) if bounded else used)
        return end

    return tlv


# --- one value


def _field(step: FieldStep, endian: Endian) -> Run:
    if step.length is not None:
        return _sized(step, endian)
    name, fixed = step.name, step.at
    size, read = _number(step.type, endian)
    convert = _converter(step)

    def field(data: bytes, at: int, values: dict[str, Any]) -> int:
        end = at + size
        if end > len(data):
            raise _Cut(name, at, end)
        value = read(data, at)
        values[name] = value if convert is None else convert(value)
        return end

    if fixed is None:
        return field

    def field_at(data: bytes, at: int, values: dict[str, Any]) -> int:
        start = fixed if fixed >= 0 else len(data) + fixed
        if start < 0:
            raise _Cut(name, 0, -fixed)
        field(data, start, values)
        return at

    return field_at


def _sized(step: FieldStep, endian: Endian) -> Run:
    name, length, fixed = step.name, step.length, step.at
    convert = _converter(step) if step.type == "bcd" else None

    def sized(data: bytes, at: int, values: dict[str, Any]) -> int:
        start = at if fixed is None else fixed if fixed >= 0 else max(len(data) + fixed, 0)
        end = len(data) if isinstance(length, str) else start + length  # type: ignore[operator]
        if end > len(data):
            raise _Cut(name, start, end)
        raw = data[start:end]
        if step.type == "hex":
            values[name] = raw.hex()
        elif step.type == "text":
            values[name] = _text(raw)
        else:
            number = _bcd(raw if endian == "big" else raw[::-1])
            if number is None:
                values[name] = Rejection(Reason.WRONG_TYPE, f"{raw[:16].hex()} are no decimal digits")
            else:
                values[name] = number if convert is None else convert(number)
        return end if fixed is None else at

    return sized


def _text(raw: bytes) -> str | Rejection:
    try:
        return raw.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError as error:
        return Rejection(Reason.INVALID_UTF8, f"its byte {error.start} is not UTF-8")


def _bcd(raw: bytes) -> int | None:
    """Binary coded decimal; None when a nibble is no digit."""
    digits = raw.hex()
    return int(digits) if digits.isdecimal() and len(digits) <= 32 else None


_STRUCTS = {"8": "b", "16": "h", "32": "i", "64": "q"}


def _number(kind: str, endian: Endian) -> tuple[int, Callable[[bytes, int], int | float]]:
    """Bytes of a number, and the function that reads it."""
    order, width = ">" if endian == "big" else "<", kind[1:]
    if kind[0] == "f":
        code = {"16": "e", "32": "f", "64": "d"}[width]
    elif width in _STRUCTS:
        code = _STRUCTS[width] if kind[0] == "i" else _STRUCTS[width].upper()
    else:
        size, signed = int(width) // 8, kind[0] == "i"
        return size, lambda data, at: int.from_bytes(data[at : at + size], endian, signed=signed)
    layout = struct.Struct(order + code)
    unpack = layout.unpack_from
    return layout.size, lambda data, at: unpack(data, at)[0]


def _converter(step: FieldStep) -> Callable[[Any], Any] | None:
    """Raw number → value, or None where it is the value."""
    run = bit_run(step.bits, int(step.type[1:])) if step.bits is not None else None
    scaled = _scaled(step.bias, step.scale, step.offset)
    codes, spans = _codes(step.none)
    names: Mapping[int, Any] = step.values
    equals = step.equals
    if run is None and equals is None and not codes and not spans and not names:
        return scaled
    low, width = run or (0, 64)
    mask, sign = (1 << width) - 1, 1 << (width - 1)
    signed = step.signed

    def convert(raw: Any) -> Any:
        if run is not None:
            raw = (raw >> low) & mask
            if signed:
                raw = (raw ^ sign) - sign
        if equals is not None and raw != equals:
            raise _Refused(f"{step.name} is {raw}, {equals} is due")
        if raw in codes or any(first <= raw <= last for first, last in spans):
            return None
        if raw in names:
            return names[raw]
        return raw if scaled is None else scaled(raw)

    return convert


def _codes(none: Sequence[int | tuple[int, int]]) -> tuple[frozenset[int], tuple[tuple[int, int], ...]]:
    return frozenset(code for code in none if isinstance(code, int)), tuple(span for span in none if isinstance(span, tuple))


def _scaled(bias: float, scale: float, offset: float) -> Callable[[Any], Any] | None:
    if (bias, scale, offset) == (0, 1, 0):
        return None
    inverse = round(1 / scale) if math.isfinite(1 / scale) else 0
    if abs(scale) < 1 and inverse and abs(scale * inverse - 1) < 1e-12:
        # 308 x 0.1 is 30.800000000000004 in binary floating point, 308 / 10 is 30.8.
        if bias == 0 and offset == 0:
            return lambda raw: raw / inverse
        return lambda raw: (raw + bias) / inverse + offset
    return lambda raw: (raw + bias) * scale + offset


# --- checksums


def _checksum(model: ChecksumModel) -> Callable[[bytes], bool]:
    size = {"sum8": 1, "xor8": 1, "crc32": 4}.get(model.kind, 2)
    work = _SUMS[model.kind]

    def intact(raw: bytes) -> bool:
        at = len(raw) + model.at
        if at < model.start or at + size > len(raw):
            return False
        return work(raw[model.start : at]) == int.from_bytes(raw[at : at + size], model.endian)

    return intact


def _reflected(polynomial: int, start: int) -> Callable[[bytes], int]:
    """CRC-16 with its bits in reverse order."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
        table.append(crc)

    def crc16(raw: bytes) -> int:
        crc = start
        for byte in raw:
            crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
        return crc

    return crc16


def _xor(raw: bytes) -> int:
    result = 0
    for byte in raw:
        result ^= byte
    return result


_SUMS: dict[str, Callable[[bytes], int]] = {
    "sum8": lambda raw: sum(raw) & 0xFF,
    "xor8": _xor,
    "crc16-xmodem": lambda raw: crc_hqx(raw, 0),
    "crc16-ccitt-false": lambda raw: crc_hqx(raw, 0xFFFF),
    "crc16-kermit": _reflected(0x8408, 0),
    "crc16-modbus": _reflected(0xA001, 0xFFFF),
    "crc32": crc32,
}
