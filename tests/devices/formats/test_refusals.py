"""What a format could not read of a message becomes refused fields: each once, with the format's reason, mapped or not."""

from __future__ import annotations

from typing import Any

import pytest

from devices.decoder import Decoded
from devices.device_type import parse
from devices.loader import catalogue
from devices.rejection import Reason, Rejection

TITLE = {"vi": "Thử", "en": "Test"}
AIR = {"t": {"parameter": "air_temp", "unit": "degC"}, "h": {"parameter": "rh", "unit": "%"}}


def decoded(format_: str, payload: bytes, fields: dict[str, Any], **more: Any) -> Decoded:
    kind = parse(
        {"id": "test", "title": TITLE, "format": format_, "interval": "10m", "device": {"level": 2}, "fields": fields, **more}, catalogue()
    )
    found = kind.decode(payload, ("air", "st01"))
    assert isinstance(found, Decoded), found
    return found


@pytest.mark.parametrize(
    ("format_", "payload", "more", "refused"),
    [
        ("form", b"t=1&t=2&h=50", {}, [("t", Reason.DUPLICATE_KEY)]),
        ("form", b"x=1&x=2&t=%ff&h=50", {}, [("x", Reason.DUPLICATE_KEY), ("t", Reason.INVALID_UTF8)]),
        ("csv", b"20,50\n21\n", {"options": {"columns": ["t", "h"]}}, [("line 2", Reason.WRONG_SHAPE)]),
        ("line-protocol", b"m t=20,h=50\nm t=x\n", {}, [("line 2", Reason.WRONG_TYPE)]),
        (
            "senml",
            b'[{"n":"t","v":20},{"n":"t","v":21},{"n":"h","v":50},{"n":"x"}]',
            {},
            [("t", Reason.DUPLICATE_KEY), ("record 4", Reason.WRONG_SHAPE)],
        ),
    ],
)
def test_each_refusal_is_told_once(format_: str, payload: bytes, more: dict[str, Any], refused: list[tuple[str, Reason]]) -> None:
    found = decoded(format_, payload, AIR, **more)
    assert ("rh", 50.0) in [(value.parameter, value.value) for value in found.values]
    assert [(one.field, one.reason) for one in found.refused] == refused


def test_what_a_codec_could_not_read_is_told_as_well() -> None:
    fields = {"temperature_1": {"parameter": "air_temp", "unit": "degC"}, "temperature_2": {"parameter": "water_temp", "unit": "degC"}}
    found = decoded("binary", bytes.fromhex("016700fa026700fa026700fb01ff"), fields, codec={"builtin": "cayenne-lpp"})
    assert [value.value for value in found.values] == [25.0]
    assert [(one.field, one.reason) for one in found.refused] == [("temperature_2", Reason.DUPLICATE_KEY), ("byte 13", Reason.CODEC_FAILED)]


def test_a_message_of_which_nothing_else_is_read_is_refused_with_the_format_s_reason() -> None:
    kind = parse({"id": "test", "title": TITLE, "format": "form", "interval": "10m", "device": {"level": 2}, "fields": AIR}, catalogue())
    found = kind.decode(b"t=1&t=2", ("air", "st01"))
    assert isinstance(found, Rejection)
    assert found.reason is Reason.DUPLICATE_KEY
