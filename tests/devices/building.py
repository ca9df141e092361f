"""Plain configurations for the tests of `devices`."""

from __future__ import annotations

from typing import Any

from devices.interpret import Interpreter, build_interpreter
from devices.loader import shipped_types

SHIPPED = shipped_types()
GENERIC = ("air-node", "level-gauge", "met-node", "water-probe")
NOON = 1_773_453_600_000
"""2026-03-14T02:00:00Z in ms."""


def station(station_id: str, *devices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": station_id,
        "name": {"vi": f"Trạm {station_id}", "en": f"Station {station_id}"},
        "lat": 16.0678,
        "lon": 108.2208,
        "area": "hai-chau/binh-hien",
        "medium": "air",
        "devices": list(devices),
        **more,
    }


def device(name: str, kind: str = "air-node", **more: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "topics": [f"sensors/air/{name}"], **more}


def core_config(*stations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """With the types that the routes and these stations name: to compile all takes long."""
    used = {*GENERIC, *(device["type"] for station in stations for device in station["devices"])}
    return {
        "types": [SHIPPED[name] for name in sorted(used & set(SHIPPED))],
        "stations": list(stations),
        "routes": [
            ["main", "sensors/air/+", "air-node"],
            ["main", "sensors/met/+", "met-node"],
            ["main", "sensors/water/+", "water-probe"],
            ["main", "sensors/level/#", "level-gauge"],
        ],
        "max_payload": 65536,
        **more,
    }


def city(**more: Any) -> Interpreter:
    """Two air nodes, a level gauge, a water probe."""
    return build_interpreter(
        core_config(
            station("st-1", device("an-01"), device("an-02", topics=["sensors/air/an-02"])),
            station(
                "st-2",
                device("lg-01", "level-gauge", topics=["sensors/level/lg-01/+"]),
                device("wp-01", "water-probe", topics=["sensors/water/wp-01"]),
                medium="water",
                area="son-tra",
            ),
            **more,
        )
    )
