"""Formats with devices, times and states of their own, through a whole device type."""

from __future__ import annotations

from typing import Any

from devices.decoder import Decoded
from devices.device_type import DeviceType, parse
from devices.formats.record import Control
from devices.loader import catalogue
from devices.rejection import Rejection
from tests.devices.formats.test_sparkplug_b import T, metric, payload

TITLE = {"vi": "Thử", "en": "Test"}


def type_of(format_: str, fields: dict[str, Any], **more: Any) -> DeviceType:
    return parse({"id": "test", "title": TITLE, "format": format_, "interval": "10m", "fields": fields, **more}, catalogue())


def readings(found: Any) -> list[tuple[str, int | None, dict[str, float | None]]]:
    records = found if isinstance(found, list) else [found]
    assert all(isinstance(one, Decoded) for one in records), found
    return [(one.device, one.time_ms, {value.parameter: value.value for value in [*one.values, *one.extra]}) for one in records]


def test_sparkplug_from_birth_to_death() -> None:
    kind = type_of(
        "sparkplug-b", {"Air/PM2.5": {"parameter": "pm25", "unit": "ug/m3"}, "Battery [%]": {"parameter": "battery", "unit": "%"}}
    )
    state: dict[str, object] = {}
    assert kind.state_key is not None
    assert kind.state_key(("spBv1.0", "city", "DBIRTH", "gw1", "st01")) == kind.state_key(("spBv1.0", "city", "NDATA", "gw1"))

    def say(what: str, device: str, data: bytes) -> Any:
        return kind.decode(data, ("spBv1.0", "city", what, "gw1", *([device] if device else [])), T, state)

    assert say("NBIRTH", "", payload(metric("bdSeq", 1, 8), metric("Node Control/Rebirth", False, 11), seq=0)) == Control("birth", "gw1")
    birth = payload(metric("Air/PM2.5", 12.5, alias=1), metric("Battery [%]", 90.0, alias=2), metric("Serial", "x", 12, alias=3), seq=1)
    assert readings(say("DBIRTH", "st01", birth)) == [("st01", T, {"pm25": 12.5, "battery": 90.0})]
    data = payload(
        metric(None, 13.5, alias=1), metric(None, 11.0, alias=1, timestamp=T - 600_000, historical=True), metric(None, None, alias=2), seq=2
    )
    assert readings(say("DDATA", "st01", data)) == [("st01", T - 600_000, {"pm25": 11.0}), ("st01", T, {"pm25": 13.5, "battery": None})]
    assert say("DDEATH", "st01", payload(seq=3)) == Control("death", "st01")
    late = say("DDATA", "st01", payload(metric(None, 13.5, alias=1), seq=4))
    assert isinstance(late, Rejection)
    assert late.device == "st01"


def test_senml_of_several_devices_and_times() -> None:
    kind = type_of("senml", {"temp": {"parameter": "air_temp", "unit": "degC"}, "pm25": {"parameter": "pm25", "unit": "ug/m3"}})
    text = b"""[{"bn":"st01/","bt":1773453600,"n":"temp","u":"Cel","v":25}, {"n":"pm25","v":12}, {"n":"temp","v":26,"t":60},
                {"bn":"st02/","n":"temp","v":27}]"""
    assert readings(kind.decode(text, ("senml",), T)) == [
        ("st01", T, {"air_temp": 25.0, "pm25": 12.0}),
        ("st02", T, {"air_temp": 27.0}),
        ("st01", T + 60_000, {"air_temp": 26.0}),
    ]


def test_lines_of_several_devices() -> None:
    fields = {"pm25": {"parameter": "pm25", "unit": "ug/m3"}}
    kind = type_of("line-protocol", fields, options={"precision": "ms", "device_tag": "station"})
    assert readings(kind.decode(b"air,station=st01 pm25=12 %d\nair,station=st02 pm25=13 %d" % (T, T + 1), ("influx",), T)) == [
        ("st01", T, {"pm25": 12.0}),
        ("st02", T + 1, {"pm25": 13.0}),
    ]
    options = {"columns": ["time", "id", "pm25"], "delimiter": ";", "decimal": ","}
    kind = type_of("csv", fields, options=options, device={"field": "id"}, time={"field": "time", "zone": "Asia/Ho_Chi_Minh"})
    assert readings(kind.decode(b"2026-03-14 09:00:00;st01;12,5\n2026-03-14 09:01:00;st01;13", ("csv",), T)) == [
        ("st01", T, {"pm25": 12.5}),
        ("st01", T + 60_000, {"pm25": 13.0}),
    ]
