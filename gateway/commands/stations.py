"""What `envgw stations list|show` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devices.stations import EVER_MS, Device, Maintenance, Placement, Registry, Station
from devices.times import format_instant
from gateway.commands.client import Api, NotRunning
from gateway.settings import Settings


def rows(registry: Registry) -> list[dict[str, Any]]:
    """One row a station, by id."""
    return [
        {
            "id": name,
            "name": dict(station.name),
            "latitude": station.lat,
            "longitude": station.lon,
            "area": station.area,
            "medium": station.medium,
            "site": station.site,
            "owner": station.owner,
            "department": station.department,
            "photo": station.photo,
            "maintenance": _windows(station.maintenance),
            "devices": sorted(registry.devices_at(name)),
        }
        for name, station in sorted(registry.stations.items())
    ]


def show(registry: Registry, name: str) -> dict[str, Any] | None:
    """Everything that the registry says of one station and the devices that ever stand there."""
    row = next((row for row in rows(registry) if row["id"] == name), None)
    if row is None:
        return None
    station = registry.stations[name]
    return {
        **row,
        "elevation_m": station.elevation_m,
        "areas": _areas(station),
        "limits": {
            parameter: {"plausible": list(spans.plausible), "suspect": None if spans.suspect is None else list(spans.suspect)}
            for parameter, spans in (station.spans or {}).items()
        },
        "devices": [
            _placed(registry.devices[device], placement)
            for device in sorted(registry.devices_at(name))
            for placement in registry.devices[device].placements
            if placement.station.id == name
        ],
    }


def running(settings: Settings, name: str) -> dict[str, dict[str, Any]]:
    """Counts and clock of each device from the running gateway, by id; empty when none runs."""
    try:
        found = Api(settings).get(f"/api/v1/stations/{name}")
    except NotRunning:
        return {}
    return {row["id"]: row for row in found["device_health"]}


def text(found: Mapping[str, Any], health: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines for people."""
    lines = [f"{found['id']}: {found['name'].get('vi', '')} / {found['name'].get('en', '')}"]
    about = {
        "where": f"{found['latitude']}, {found['longitude']}" + ("" if found["elevation_m"] is None else f", {found['elevation_m']} m"),
        "area": "; ".join(f"{area['path']} from {area['from'] or 'ever'}" for area in found["areas"]),
        "medium": found["medium"],
        **{key: found[key] for key in ("site", "owner", "department", "photo") if found[key]},
    }
    lines += [f"  {key:<12} {value}" for key, value in about.items()]
    lines += [f"  {'maintenance':<12} {_window_text(window)}" for window in found["maintenance"]]
    for device in found["devices"]:
        lines.append(f"  device {device['id']} ({device['type']}), {device['from'] or 'ever'} to {device['to'] or 'now'}")
        lines.append(f"    topics     {', '.join(device['topics'])}" + (f" on {device['broker']}" if device["broker"] else ""))
        lines.append(f"    interval   {device['interval_s']:g} s")
        lines += [
            f"    {label:<10} {device[key]}"
            for key, label in (("height_m", "height m"), ("serial", "serial"), ("note", "note"))
            if device[key]
        ]
        lines += [f"    maintenance {_window_text(window)}" for window in device["maintenance"]]
        if device["id"] in health:
            lines.append(f"    {_health_text(health[device['id']])}")
    return lines


def _health_text(health: Mapping[str, Any]) -> str:
    said = f"{health['stored']} stored, {health['rejected']} rejected, {health['duplicate']} duplicate"
    if health["last"]:
        said += f", last {health['last']}"
    if health["clock_offset_s"] is not None:
        said += f"; its clock: {health['clock_offset_s']:+.1f} s behind receipt" + (" (FAULT)" if health["clock_fault"] else "")
    if health["times_refused"]:
        said += f", {health['times_refused']} times refused"
    return said


def _areas(station: Station) -> list[dict[str, Any]]:
    return [{"path": area.path, "from": _when(area.from_ms)} for area in station.areas]


def _placed(device: Device, placement: Placement) -> dict[str, Any]:
    return {
        "id": device.id,
        "type": device.type,
        "from": _when(placement.from_ms),
        "to": _when(placement.to_ms),
        "topics": list(device.topics),
        "broker": device.broker,
        "interval_s": device.interval_ms / 1000,
        "height_m": placement.height_m,
        "serial": placement.serial,
        "note": placement.note,
        "maintenance": _windows(device.maintenance),
    }


def _windows(windows: Sequence[Maintenance]) -> list[dict[str, Any]]:
    return [{"from": _when(window.from_ms), "to": _when(window.to_ms), "note": window.note} for window in windows]


def _window_text(window: Mapping[str, Any]) -> str:
    return f"{window['from']} to {window['to'] or 'open'} {window['note']}".rstrip()


def _when(at_ms: int) -> str | None:
    """None: no date is known."""
    return None if abs(at_ms) == EVER_MS else format_instant(at_ms)
