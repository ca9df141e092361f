"""The wire formats by name. One file a format; a new one is added to this table and is then known to every device type."""

from __future__ import annotations

from devices.formats import flat_json, plain_value
from devices.formats.base import Format, Pairs, Reader

FORMATS: dict[str, Format] = {module.FORMAT.name: module.FORMAT for module in (flat_json, plain_value)}

__all__ = ["FORMATS", "Format", "Pairs", "Reader"]
