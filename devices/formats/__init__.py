"""The wire formats by name. One file a format; a new one is added to this table and is then known to every device type."""

from __future__ import annotations

from devices.formats import binary, flat_json, nested_json, plain_value
from devices.formats.base import Context, Control, Format, Pairs, Reader, Record

FORMATS: dict[str, Format] = {module.FORMAT.name: module.FORMAT for module in (flat_json, nested_json, plain_value, binary)}

GROUPS: dict[str, tuple[str, ...]] = {}
"""Names that stand for several formats in a type's `format`."""

__all__ = ["FORMATS", "GROUPS", "Context", "Control", "Format", "Pairs", "Reader", "Record"]
