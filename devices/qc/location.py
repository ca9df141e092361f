"""Location: coordinates that cannot be, and a device that moved (`ioos_qc.qartod.location_test`).

    |latitude| > 90 or |longitude| > 180, or only one of them given      fail
    further than `moved_m` from where the registry says it stands        suspect
    neither given                                                        missing

ioos_qc measures from point to point (`range_max`, haversine); a station does not travel, so here it is measured from its place.
The point-to-point form is the same function with the point before as the place.
"""

from __future__ import annotations

from math import asin, cos, isfinite, radians, sin, sqrt

from devices.quality import FAIL, GOOD, MISSING, SUSPECT

_EARTH_M = 6_371_000.0


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great circle (haversine), of (latitude, longitude) in degrees."""
    lat, lon, other_lat, other_lon = (radians(number) for number in (*one, *other))
    half = sin((other_lat - lat) / 2) ** 2 + cos(lat) * cos(other_lat) * sin((other_lon - lon) / 2) ** 2
    return 2 * _EARTH_M * asin(min(1.0, sqrt(half)))


def verdict(lat: float | None, lon: float | None, place: tuple[float, float] | None = None, moved_m: float | None = None) -> int:
    """Of one position, degrees WGS 84."""
    lat = lat if lat is not None and isfinite(lat) else None
    lon = lon if lon is not None and isfinite(lon) else None
    if lat is None and lon is None:
        return MISSING
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return FAIL
    if place is not None and moved_m is not None and distance_m((lat, lon), place) > moved_m:
        return SUSPECT
    return GOOD
