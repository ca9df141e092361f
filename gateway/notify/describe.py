"""Names for people: what a station, an area, a parameter and a unit are called in Vietnamese and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

Names = Mapping[str, str]
"""Language (`vi`, `en`) → name."""

# UCUM codes that do not read well as they are. Everything else (mg/L, m, hPa, %) is shown as it is written.
_UNITS = {
    "1": "",
    "ug/m3": "µg/m³",
    "mg/m3": "mg/m³",
    "Cel": "°C",
    "deg": "°",
    "[pH]": "",
    "[ppb]": "ppb",
    "[ppm]": "ppm",
    "[NTU]": "NTU",
    "{NTU}": "NTU",
    "{FNU}": "FNU",
    "uS/cm": "µS/cm",
    "m3/s": "m³/s",
    "W/m2": "W/m²",
    "umol/(m2.s)": "µmol/(m²·s)",
}
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class ParameterText:
    """What a parameter is called, and its unit as people write it (empty: show the UCUM code of the reading)."""

    names: Names
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Describer:
    """Looks names up for texts. Unknown ids stand for themselves: a missing name never hinders an alert."""

    stations: Mapping[str, Names] = field(default_factory=dict)
    parameters: Mapping[str, ParameterText] = field(default_factory=dict)
    areas: Mapping[str, Names] = field(default_factory=dict)
    timezone: str = "Asia/Ho_Chi_Minh"

    def station(self, station: str, language: str) -> str:
        """Name of a station in `language`, else in any language, else its id."""
        return pick(self.stations.get(station, {}), language) or clean(station)

    def area(self, area: str, language: str) -> str:
        """Name of an area, else its id."""
        return pick(self.areas.get(area, {}), language) or clean(area)

    def parameter(self, parameter: str, language: str) -> str:
        """Name of a parameter, else its id."""
        known = self.parameters.get(parameter)
        return (pick(known.names, language) if known else "") or clean(parameter)

    def unit(self, parameter: str, unit: str) -> str:
        """Unit as people write it: the catalogue's, else a readable form of the UCUM code `unit`."""
        known = self.parameters.get(parameter)
        if known and known.unit and unit:
            return known.unit
        return _UNITS.get(unit, clean(unit))

    def local(self, time_ms: int) -> datetime:
        """Milliseconds since the epoch → wall time in the city's zone."""
        return datetime.fromtimestamp(time_ms / 1000, ZoneInfo(self.timezone))


def pick(names: Names, language: str) -> str:
    """The name in `language`, else the first that there is, else nothing."""
    text = names.get(language) or next((name for name in names.values() if name), "")
    return clean(text)


def clean(text: str) -> str:
    """Text from outside on one bounded line: control characters (which could forge lines or headers) become blanks."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text[: _LONGEST_NAME + 1])
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
