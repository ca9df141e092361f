"""Location: is the device where the registry has it? (`ioos_qc.qartod.location_test` without its range.)

Impossible coordinates, or only one of the two, are 4; none is 9. Unlike `range_max` there, which is the distance between two
messages, the distance here is that from the registered place: a station that crept away is found too.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from devices.qc.stream import present
from devices.quality import FAIL, GOOD, MISSING, SUSPECT

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""


class Place(NamedTuple):
    """Settings: the registered place in degrees (WGS 84), and how far from it the device may say it is."""

    latitude: float
    longitude: float
    suspect_m: float

    def flag(self, latitude: float | None, longitude: float | None) -> int:
        """The verdict on the place that a message gives."""
        latitude, longitude = present(latitude), present(longitude)
        if latitude is None and longitude is None:
            return MISSING
        if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
            return FAIL
        return SUSPECT if distance_m(self.latitude, self.longitude, latitude, longitude) > self.suspect_m else GOOD


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance in m on a sphere (haversine; within 0.6 % of the ellipsoid)."""
    one, other = radians(latitude), radians(other_latitude)
    half = sin((other - one) / 2) ** 2 + cos(one) * cos(other) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(min(1.0, half)))
