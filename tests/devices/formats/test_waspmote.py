"""Libelium's ASCII frames."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats import waspmote
from devices.formats.record import Context, Record
from devices.formats.refusals import refused_fields
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap

FRAME = b"<=>\x80\x03#408518488##0#TST:1499340600#BAT:98#IN_TEMP:31.00#"


def read(payload: bytes) -> Record:
    found = waspmote.read(payload, Context())
    assert isinstance(found, list), found
    return found[0]


@pytest.mark.parametrize(
    ("payload", "device", "pairs"),
    [
        (FRAME, "408518488", {"TST": 1499340600, "BAT": 98, "IN_TEMP": 31.0, "frame.sequence": 0}),
        (FRAME + b"\r\n", "408518488", {"TST": 1499340600, "BAT": 98, "IN_TEMP": 31.0, "frame.sequence": 0}),
        (b"~\x00\x5e\x90" + FRAME, "408518488", {"TST": 1499340600, "BAT": 98, "IN_TEMP": 31.0, "frame.sequence": 0}),
        (b"<=>\x86\x02#0123456789ABCDEF#N01#153#TC:25.6#ACC:-47;-26;1000#", "N01",
         {"TC": 25.6, "ACC[0]": -47, "ACC[1]": -26, "ACC[2]": 1000, "frame.sequence": 153}),
        (b"<=>#387235164#N01#153#TIME:14-49-33#PAR:8.65#", "N01", {"TIME": "14-49-33", "PAR": 8.65, "frame.sequence": 153}),
        (b"<=>?\x02#12#n#x#TC:1#", "n", {"TC": 1}),
        ("<=>\ufffd\x02#12#n#7#TC:#".encode(), "n", {"TC": None, "frame.sequence": 7}),
    ],
)  # fmt: skip
def test_frames(payload: bytes, device: str, pairs: dict[str, Any]) -> None:
    record = read(payload)
    assert (record.device, record.pairs) == (device, pairs)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b" \n", Reason.EMPTY),
        (b"<=>", Reason.WRONG_SHAPE),
        (b"<=>\x80\x02 no hash", Reason.WRONG_SHAPE),
        (b"<=>\x80\x02#12#n#", Reason.WRONG_SHAPE),
        (b"<=>\x80\x02#12#n#7#", Reason.NO_READING),
        (b"x" * 65 + FRAME, Reason.WRONG_SHAPE),
        (b"<=>\x06\x10\x01\x02\x03\x04\x05\x06\x07\x08#\x01\x34\x62", Reason.CODEC_FAILED),
        (b"<=>\x00\x10\x01\x02#\x01\x34\x62#12#n#7#TC:1#", Reason.CODEC_FAILED),
    ],
)
def test_what_is_no_frame(payload: bytes, reason: Reason) -> None:
    found = waspmote.read(payload, Context())
    assert isinstance(found, Rejection)
    assert found.reason is reason


def test_a_field_that_cannot_be_read_loses_no_neighbour() -> None:
    record = read(b"<=>\x80\x04#12#n#7#TC:20#TC:21#HUM:\xff#:3#BAT#PM1:5#")
    assert {field.field: field.reason for field in refused_fields(record.pairs)} == {
        "TC": Reason.DUPLICATE_KEY,
        "HUM": Reason.INVALID_UTF8,
        "field 4": Reason.WRONG_SHAPE,
        "field 5": Reason.WRONG_SHAPE,
    }
    assert record.pairs["PM1"] == 5


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: b"<=>\x80\x05#1#n#2#" + rest))
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(waspmote.read(payload, Context()), list | Rejection)


def test_long_frames_cost_little() -> None:
    cheap(waspmote.read, b"<=>\x80\xff#1#n#2#" + b"A:1#" * 16_000, Context())
