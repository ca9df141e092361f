"""The wire formats by name. One file a format; a new one is added to this table and is then known to every device type."""

from __future__ import annotations

from devices.formats import (
    binary,
    cayenne_lpp,
    cbor_object,
    chirpstack_v3,
    chirpstack_v4,
    csv_lines,
    flat_json,
    form_urlencoded,
    home_assistant,
    line_protocol,
    loriot,
    milesight_gateway,
    msgpack_object,
    nested_json,
    ngsi,
    plain_value,
    senml,
    shelly,
    sparkplug_b,
    tasmota,
    thingpark,
    ttn_v3,
    waspmote,
    zigbee2mqtt,
)
from devices.formats.base import Context, Control, Format, Pairs, Reader, Record

_MODULES = (
    flat_json,
    nested_json,
    plain_value,
    binary,
    ttn_v3,
    chirpstack_v4,
    chirpstack_v3,
    loriot,
    thingpark,
    milesight_gateway,
    senml,
    cbor_object,
    msgpack_object,
    line_protocol,
    csv_lines,
    form_urlencoded,
    cayenne_lpp,
    sparkplug_b,
    tasmota,
    zigbee2mqtt,
    home_assistant,
    shelly,
    ngsi,
    waspmote,
)

FORMATS: dict[str, Format] = {module.FORMAT.name: module.FORMAT for module in _MODULES}

GROUPS: dict[str, tuple[str, ...]] = {
    "lorawan": tuple(module.FORMAT.name for module in (ttn_v3, chirpstack_v4, chirpstack_v3, loriot, thingpark, milesight_gateway))
}
"""Names that stand for several formats in a type's `format`."""

__all__ = ["FORMATS", "GROUPS", "Context", "Control", "Format", "Pairs", "Reader", "Record"]
