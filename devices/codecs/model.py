"""What a device type says under `codec`, and `compile_codec`, which makes one function of it.

A binary layout is a list of steps, read from the first byte on. Each step is one of:

    {name: temperature, type: i16, scale: 0.1}                     read a number (see FieldStep)
    {name: light, formula: "max(_x0 - _x1, 0) * 1.55"}             work one out of values read before
    {skip: 2}                                                      pass over bytes
    {if: "_flags & 4", then: […], else: […]}                       only when it holds
    {switch: "_kind", cases: {1: […], 2: […]}, else: […]}          by a header byte, the port, the length …
    {tlv: {key: [u8, u8], items: {"03 67": […], "04 68": […]}}}    channel + type, then its value, until the end
    {repeat: history, steps: […]}                                  the same group again: history[0].temperature …
    {reject: "checksum error flag"}    {control: "configuration"}  a message without readings: refused, or only counted

Values whose names begin with `_` are for formulas only. Formulas also know `port` (−1: none) and `length` (bytes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from devices.codecs.formula import FormulaError, compile_formula
from devices.formats.record import Control, Pairs
from devices.rejection import Rejection


class Codec(Protocol):
    """Bytes of one application payload → pairs. Pure, raises for no input."""

    def __call__(self, raw: bytes, port: int | None, received_ms: int = 0, /) -> Pairs | Control | Rejection:
        """`received_ms`: ms since the epoch, the only clock a JavaScript codec sees; no influence on binary layouts."""


class Accounted(NamedTuple):
    """How much of a message a codec's layout accounts for."""

    left: int
    """Bytes that nothing in the layout reads."""
    bits: float
    """How much had to be exactly as it is (keys, signatures, checksums), in bits: what chance would have had to guess."""


Account: TypeAlias = Callable[[bytes, int | None], Accounted]
"""(application payload, port) → how much of it is accounted for. Raises for no input."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _checked_formula(text: Any) -> Any:
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise ValueError('write a formula as text: "_flags & 4"')
    try:
        compile_formula(str(text))
    except FormulaError as error:
        raise ValueError(str(error)) from None
    return str(text)


FormulaText: TypeAlias = Annotated[str, BeforeValidator(_checked_formula, json_schema_input_type=str | int)]
Endian: TypeAlias = Literal["big", "little"]

_KEY = re.compile(r"[0-9a-fA-F]{2}( ?[0-9a-fA-F]{2}){0,3}")
_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]{0,79}$"
_TYPE = r"^([ui](8|16|24|32|40|48|56|64)|f16|f32|f64|bcd|text|hex)$"


class FieldStep(_Model):
    """One value: (raw + bias) x scale + offset."""

    name: str = Field(pattern=_NAME)
    """Its path among the pairs; beginning with `_`: for formulas only."""
    type: str = Field(pattern=_TYPE)
    """u8 … u64, i8 … i64 (two's complement), f16, f32, f64, bcd, text, hex."""
    at: int | None = Field(None, ge=-8192, le=8191)
    """Byte from the start (negative: from the end) of the message, TLV value or repeated group. Then reading goes on where it was."""
    length: int | Literal["rest"] | None = None
    """bcd, text, hex: bytes."""
    endian: Endian | None = None
    bits: int | str | None = None
    """One bit (`7`) or a run of them (`0-5`); bit 0 is the least significant of the number read."""
    signed: bool = False
    """The run of bits is two's complement."""
    bias: float = 0
    scale: float = 1
    """0.1, 0.01 … divide by 10, 100 …, so that 308 becomes 30.8 exactly."""
    offset: float = 0
    values: Mapping[int, str | bool | float | None] = {}
    """Names of codes (`{0: normal, 1: leak}`); a code that is not listed is handed on as a number."""
    none: tuple[int | tuple[int, int], ...] = ()
    """Codes, or spans of codes [from, to], that mean "no value", before bias and scale."""
    equals: int | None = None
    """What must stand here; anything else is not a message of this layout."""

    @model_validator(mode="after")
    def _fits(self) -> FieldStep:
        sized = self.type in ("bcd", "text", "hex")
        if sized != (self.length is not None):
            raise ValueError("write `length` for bcd, text and hex, and only for them")
        if isinstance(self.length, int) and not 1 <= self.length <= 4096:
            raise ValueError("`length` is 1 to 4096 bytes")
        if self.bits is not None:
            if self.type[0] not in "ui":
                raise ValueError("bits are of a whole number: u8 … u64")
            bit_run(self.bits, int(self.type[1:]))
        elif self.signed:
            raise ValueError("`signed` goes with `bits`; a signed number is i8 … i64")
        if self.type in ("text", "hex") and (self.values or self.none or (self.bias, self.scale, self.offset) != (0, 1, 0)):
            raise ValueError("a text has no scale, offset, values or none")
        if not self.scale:
            raise ValueError("a scale of 0 loses every value")
        return self


def bit_run(bits: int | str, width: int) -> tuple[int, int]:
    """`7` → (7, 1), `"0-5"` → (0, 6): least bit and number of bits. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", str(bits))
    if not found:
        raise ValueError("write bits as `7` or `0-5`")
    low, high = sorted((int(found[1]), int(found[2] or found[1])))
    if high >= width:
        raise ValueError(f"bit {high} is not in a number of {width} bits")
    return low, high - low + 1


class ComputedStep(_Model):
    """A value worked out of others; NaN (a "no value" among them) becomes null."""

    name: str = Field(pattern=_NAME)
    formula: FormulaText
    values: Mapping[int, str | bool | float | None] = {}


class SkipStep(_Model):
    """Bytes without meaning for us."""

    skip: int = Field(ge=1, le=4096)


class IfStep(_Model):
    """Steps for messages of which the formula is true (not 0)."""

    condition: FormulaText = Field(alias="if")
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = Field((), alias="else")


class SwitchStep(_Model):
    """Steps by a number: a header byte read before, `port`, `length`. Without `else`, other numbers are refused."""

    switch: FormulaText
    cases: Mapping[int, tuple[Step, ...]] = Field(min_length=1)
    otherwise: tuple[Step, ...] | None = Field(None, alias="else")


class TlvModel(_Model):
    """Type, (length,) value: a key, then what it announces, until the message ends."""

    key: int = Field(2, ge=1, le=4, description="Bytes of a key: 2 for channel and type.")
    length: Literal["u8", "u16"] | Annotated[int, Field(ge=1, le=255)] | None = None
    """A length stands between key and value, or every value has as many bytes as this number: unknown keys can be passed over."""
    items: Mapping[str, tuple[Step, ...]] = Field(min_length=1)
    """Key in hexadecimal, in quotes (`"03 67"`) → steps of its value. `at` counts from the value's first byte."""
    after: int = Field(0, ge=0, le=64)
    """Bytes behind the last item that belong to none (a checksum that is not looked at)."""
    unknown: Literal["stop", "reject", "skip"] = "stop"
    """What an unknown key does: keeps what was read so far, refuses the message, or (with `length`) is passed over."""

    @field_validator("items", mode="before")
    @classmethod
    def _quoted(cls, items: Any) -> Any:
        if isinstance(items, Mapping):
            for key in items:
                if not isinstance(key, str) or not _KEY.fullmatch(key):
                    raise ValueError(f'{str(key)[:20]!r} is not a key: write its bytes in hexadecimal and in quotes, "03 67"')
        return items

    @model_validator(mode="after")
    def _sized(self) -> TlvModel:
        for key in self.items:
            if len(bytes.fromhex(key)) != self.key:
                raise ValueError(f"the key {key!r} has {len(bytes.fromhex(key))} bytes, `key` says {self.key}")
        if self.unknown == "skip" and self.length is None:
            raise ValueError("without a `length` unknown keys cannot be skipped: write stop or reject")
        return self


class TlvStep(_Model):
    """See TlvModel."""

    tlv: TlvModel


class RepeatStep(_Model):
    """The same group again and again: `history[0].temperature`, `history[1].temperature` …"""

    repeat: str = Field(pattern=_NAME)
    steps: tuple[Step, ...] = Field(min_length=1)
    count: FormulaText | None = None
    """How many; without it as many whole groups as there are bytes left."""


class RejectStep(_Model):
    """Such a message is refused as codec-failed, with this text."""

    reject: str = Field(min_length=1, max_length=200)


class ControlStep(_Model):
    """Such a message (a configuration, a join report) is declared: counted as stored, without readings."""

    control: str = Field(min_length=1, max_length=200)


_KINDS = {"type": "field", "formula": "computed", "skip": "skip", "if": "if", "condition": "if", "switch": "switch", "tlv": "tlv"}
_KINDS |= {"repeat": "repeat", "reject": "reject", "control": "control"}


def _kind(step: Any) -> str | None:
    named = step if isinstance(step, Mapping) else getattr(step, "__dict__", {})
    return next((f"step:{kind}" for key, kind in _KINDS.items() if key in named), None)


Step: TypeAlias = Annotated[
    Annotated[FieldStep, Tag("step:field")]
    | Annotated[ComputedStep, Tag("step:computed")]
    | Annotated[SkipStep, Tag("step:skip")]
    | Annotated[IfStep, Tag("step:if")]
    | Annotated[SwitchStep, Tag("step:switch")]
    | Annotated[TlvStep, Tag("step:tlv")]
    | Annotated[RepeatStep, Tag("step:repeat")]
    | Annotated[RejectStep, Tag("step:reject")]
    | Annotated[ControlStep, Tag("step:control")],
    Discriminator(
        _kind,
        custom_error_type="step",
        custom_error_message="a step has one of: type, formula, skip, if, switch, tlv, repeat, reject, control",
    ),
]


class ChecksumModel(_Model):
    """A checksum over the bytes from `start` up to itself."""

    kind: Literal["sum8", "xor8", "crc16-xmodem", "crc16-kermit", "crc16-ccitt-false", "crc16-modbus", "crc32"]
    at: int = Field(-2, ge=-64, le=-1)
    """Where it stands, from the end."""
    start: int = Field(0, ge=0, le=64)
    endian: Endian = "big"


class BinaryModel(_Model):
    """A binary layout."""

    endian: Endian = "big"
    length: int | tuple[int, int] | None = None
    """Bytes that a message has, or [least, most]; another length is refused."""
    checksum: ChecksumModel | None = None
    steps: tuple[Step, ...] = Field(min_length=1)


class JavaScriptModel(_Model):
    """A maker's codec: the loader has read `file`, which stands beside the type, into `source`."""

    file: str = Field("codec.js", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    source: str = Field(min_length=1, max_length=1_000_000)


class CodecModel(_Model):
    """`codec:` of a device type: exactly one kind. What is named is replaced by what it holds before a type is checked."""

    binary: BinaryModel | None = None
    layout: str | None = None
    """A binary layout that several types share: a name of devices/codecs/layouts (elsys, milesight-am300 …)."""
    javascript: JavaScriptModel | str | None = None
    """The maker's codec: name of a .js file that stands beside the type's file."""
    builtin: Literal["cayenne-lpp"] | None = None
    """A codec that many makers share and that needs no settings."""

    @model_validator(mode="after")
    def _one(self) -> CodecModel:
        if sum(kind is not None for kind in (self.binary, self.layout, self.javascript, self.builtin)) != 1:
            raise ValueError("write one of: binary, layout, javascript, builtin")
        return self
