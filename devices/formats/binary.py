"""`binary`: the whole payload is bytes that the type's `codec` reads. (In Base64 or hex: `unwrap` takes that off first.)"""

from __future__ import annotations

from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.rejection import Reason, Rejection


def reader(options: None) -> RecordReader:
    """One record, still encoded."""

    def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
        if not payload:
            return Rejection(Reason.EMPTY, "the payload is empty")
        return [Record({}, raw=payload)]

    return read


FORMAT = Format("binary", reader=reader, raw=True)
