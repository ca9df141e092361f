"""Stations that a trial makes up: their registry and device types, and the core configuration around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from devices import loader
from gateway.trial.run import SOURCE

_EVER = "1970-01-01"


def configuration(
    stations: Sequence[Mapping[str, Any]], types: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]], zone: str
) -> dict[str, Any]:
    """A core configuration in which the rules watch these stations (registry data)."""
    return {
        "version": 1,
        "types": list(types),
        "stations": list(stations),
        "routes": [[SOURCE, "#", str(types[0]["id"])]] if types else [],
        "rules": list(rules),
        "max_payload": 65536,
        "timezone": zone,
        "time": {"ahead_ms": 120_000, "past_ms": None},
    }


def station(
    name: str, interval: str, given: Mapping[str, Any], parameters: Iterable[str], *, judged: bool, kind: str = ""
) -> dict[str, Any]:
    """A registry entry with one device of the same id. `given` are registry fields that somebody wrote down."""
    fields = {key: value for key, value in given.items() if key != "interval"}
    medium = fields.get("medium", "air")
    quality = {} if judged else {parameter: dict(_AT_WILL) for parameter in parameters}
    return {
        "name": {"vi": name, "en": name},
        "lat": 16.06,
        "lon": 108.22,
        "area": "trial",
        **fields,
        "id": name,
        "medium": medium,
        "quality": {**quality, **fields.get("quality", {})},
        "devices": [
            {
                "id": name,
                "type": kind or f"trial-{medium}",
                "topics": [f"trial/{name}"],
                "from": _EVER,
                "interval": str(given.get("interval", interval)),
            }
        ],
    }


_AT_WILL = {"step": "off", "spike": "off", "flat": "off"}


def medium_of(parameters: Iterable[str]) -> str:
    """The medium of a station that measures these."""
    known = loader.catalogue()
    return "water" if any(known[name].medium == "water" for name in parameters if name in known) else "air"


@cache
def types() -> tuple[dict[str, Any], ...]:
    """A device type for each medium that can say everything in the catalogue's units."""
    found = []
    for medium in ("air", "water"):
        fields = {
            parameter.id: {"parameter": parameter.id, "unit": parameter.unit}
            for parameter in loader.catalogue().values()
            if parameter.medium == medium
        }
        found.append(
            {
                "id": f"trial-{medium}",
                "title": {"vi": "Thử", "en": "Trial"},
                "format": "flat-json",
                "device": {"level": 2},
                "interval": "1m",
                "fields": fields,
            }
        )
    return tuple(found)
