"""`nested-json`: a JSON object, or an array of such, with values at any depth.

Fields of a type are paths (`devices.formats.paths`): `data.pm25`, `sensors[0].value`, and for lists of names and values
`sensordatavalues[value_type=SDS_P1].value`. The options `each` and `shared` make several records of one message: `each` is the
path of an array of objects, one record each; `shared` are members of the whole message that every record gets as well.
`name_at` and `value_at` are for records that hold one value and say in another member what it is: `{"sensor": "TC", "value":
"25.6"}` has the path `TC` too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from devices.formats.base import Context, Control, Format, Pairs, Record, RecordReader
from devices.formats.json_text import parse
from devices.formats.limits import MAX_RECORDS
from devices.formats.paths import MISSING, compile_path
from devices.rejection import Reason, Rejection


class Options(BaseModel):
    """How a message is cut into records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    each: str | None = None
    """Path of an array of objects: each is a record of its own (`readings`, `data[0].values`)."""
    shared: tuple[str, ...] = ()
    """Names of members of the message that each record gets too, where it has none of that name (device, time)."""

    name_at: str | None = None
    """Member that says what the value is (`sensor`); a member of the record that has the same name already is left as it is."""
    value_at: str | None = None
    """Member that holds the value (`value`)."""

    @model_validator(mode="after")
    def _both(self) -> Options:
        if (self.name_at is None) != (self.value_at is None):
            raise ValueError("`name_at` and `value_at` belong together")
        return self

    @field_validator("each")
    @classmethod
    def _a_path(cls, each: str | None) -> str | None:
        if each is not None:
            compile_path(each)
        return each


def reader(options: Options) -> RecordReader:
    """An array of objects at the top is one record an element. Rejections: those of `json_text`, wrong-shape."""
    return tree_reader(parse, options)


def tree_reader(parse: Callable[[bytes], Any], options: Options) -> RecordReader:
    """As `reader`, of any format whose parser gives such trees."""
    find = None if options.each is None else compile_path(options.each)
    name_at, value_at = options.name_at, options.value_at

    def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
        tree = parse(payload)
        if tree.__class__ is Rejection:
            return tree
        records = cut(tree)
        if name_at is None or value_at is None or isinstance(records, Rejection):
            return records
        return [record._replace(pairs=_named(record.pairs, name_at, value_at)) for record in records]

    def cut(tree: Any) -> list[Record] | Rejection:
        if find is None:
            if tree.__class__ is dict:
                return [Record(tree)]
            return _all(tree, {}) if tree.__class__ is list else Rejection(Reason.WRONG_SHAPE, "one object, or an array of objects, is due")
        found = find(tree)
        if found is MISSING:
            return Rejection(Reason.WRONG_SHAPE, f"there is nothing at {options.each!r}, where an array of records is due")
        shared = {name: tree[name] for name in options.shared if name in tree} if tree.__class__ is dict else {}
        return _all(found if found.__class__ is list else [found], shared)

    return read


def _named(pairs: Pairs, name_at: str, value_at: str) -> Pairs:
    """The record with its value under the name that it gives it."""
    name = pairs.get(name_at)
    return {name: pairs[value_at], **pairs} if name.__class__ is str and name and value_at in pairs else pairs


def _all(elements: list[Any], shared: dict[str, Any]) -> list[Record] | Rejection:
    if len(elements) > MAX_RECORDS:
        return Rejection(Reason.WRONG_SHAPE, f"{len(elements)} records, at most {MAX_RECORDS} are taken from one message")
    if not elements or not all(element.__class__ is dict for element in elements):
        return Rejection(Reason.WRONG_SHAPE, "the array holds something else than objects" if elements else "the array of records is empty")
    return [Record({**shared, **element} if shared else element) for element in elements]


FORMAT = Format("nested-json", parse, reader=reader, options=Options, nested=True)
