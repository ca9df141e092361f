"""A small town for tests of the core: stations, devices, routes and rules as plain data, and messages from them."""

from __future__ import annotations

import json
from typing import Any

from devices.loader import shipped_types
from gateway.core import Core, config_digest, config_text
from gateway.core.inputs import Config, Input, Link, Message, Start

NOW = 1_773_453_600_001
"""2026-03-14T02:00:00.001Z: an hour has just begun."""
MIN = 60_000
BROKER = "city"
SHIPPED = shipped_types()


AT_WILL = {
    name: {"step": "off", "flat": "off"}
    for name in ("pm25", "pm10", "no2", "ph", "do", "level", "turbidity", "ec", "water_temp", "air_temp", "rh")
}
"""Quality tests that let values jump and stand: tests of rules, time and accounting speak of anything."""


def plain(*, air: int = 3, water: int = 1, rules: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A core configuration: `air` nodes st-0, st-1 … with devices an-0 …, `water` probes w-0 …"""
    stations = [
        {
            "id": f"st-{n}",
            "name": {"vi": f"Trạm {n}", "en": f"Station {n}"},
            "lat": 16.06,
            "lon": 108.22,
            "area": f"hai-chau/part-{n % 2}",
            "medium": "air",
            "quality": AT_WILL,
            "devices": [{"id": f"an-{n}", "type": "air-node", "topics": [f"sensors/air/an-{n}"], "from": "2020-01-01", "interval": "60s"}],
        }
        for n in range(air)
    ] + [
        {
            "id": f"w-{n}",
            "name": {"vi": f"Sông {n}", "en": f"River {n}"},
            "lat": 16.06,
            "lon": 108.22,
            "area": "son-tra",
            "medium": "water",
            "quality": AT_WILL,
            "devices": [
                {"id": f"wp-{n}", "type": "water-probe", "topics": [f"sensors/water/wp-{n}"], "from": "2020-01-01", "interval": "5m"}
            ],
        }
        for n in range(water)
    ]
    return {
        "version": 1,
        "types": [SHIPPED[name] for name in ("air-node", "water-probe")],
        "stations": stations,
        "routes": [[BROKER, "sensors/air/+", "air-node"], [BROKER, "sensors/water/+", "water-probe"]],
        "rules": SMOKE_RULES if rules is None else rules,
        "max_payload": 65536,
        "timezone": "Asia/Ho_Chi_Minh",
        "time": {"ahead_ms": 120_000, "past_ms": 7 * 86_400_000},
        **more,
    }


SMOKE_RULES = [
    {
        "id": "pm25-smoke",
        "name": {"vi": "Khói bụi", "en": "Smoke"},
        "where": {"medium": "air"},
        "levels": {
            "warning": {"when": "pm25 > 100", "for": "2m", "clear": "pm25 < 80"},
            "critical": {"when": "pm25 > 200", "for": "1m", "clear": "pm25 < 150"},
        },
    },
    {"id": "ph-low", "name": {"en": "Acid"}, "where": {"medium": "water"}, "levels": {"warning": {"when": "ph < 5"}}},
]


def config(data: dict[str, Any], at_ms: int = NOW) -> Config:
    text = config_text(data)
    return Config(at_ms, config_digest(text), text)


def started(data: dict[str, Any] | None = None, at_ms: int = NOW) -> Core:
    """A core that has started and whose broker is up."""
    core = Core()
    core.step(first(data, at_ms))
    return core


def first(data: dict[str, Any] | None = None, at_ms: int = NOW) -> list[Input]:
    """The inputs with which a gateway starts."""
    return [Start(at_ms, "test"), config(data or plain(), at_ms), Link(at_ms, BROKER, True)]


def air(n: int, at_ms: int, *, device_ms: int | None = None, timed: bool = True, **values: Any) -> Message:
    """A message of an-n received at `at_ms`; device time is the same unless given."""
    body: dict[str, Any] = {"device": f"an-{n}", **values}
    if timed:
        body["time"] = at_ms if device_ms is None else device_ms
    return Message(at_ms, BROKER, f"sensors/air/an-{n}", json.dumps(body).encode(), 1, False, False, 1 + at_ms % 65535)


def raw(topic: str, payload: bytes, at_ms: int, **options: Any) -> Message:
    """Any message."""
    return Message(at_ms, BROKER, topic, payload, **{"qos": 1, "packet_id": 7, **options})
