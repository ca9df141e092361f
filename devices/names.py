"""Which parameter a field's name means, and in which unit: a guess for `envgw types new`, never used on messages.

A name is cut into words (`pm2_5`, `PM2.5`, `tempOutC`), compared with the usual names below, and what is left over may be a
unit. A guess is shown to a person, who decides.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from devices.parameters import Catalogue
from devices.units import UnitError, conversion


class Guess(NamedTuple):
    """A parameter of the catalogue and a unit that can become its own."""

    parameter: str
    unit: str


_NAMES: dict[str, str] = {
    # parameter: names, joined words without separators, in small letters
    "pm1": "pm1 pm01 pm10um1 p0 mc1p0 pm1p0 pm010",
    "pm25": "pm25 pm2p5 p2 sdsp2 mc2p5 pm02 pm025 pm250 pm25atm atmp25 pm25value pm25concentration pm25avg dust25",
    "pm4": "pm4 pm04 mc4p0 pm4p0 pm40",
    "pm10": "pm10 p1 sdsp1 mc10p0 pm10p0 pm100 pm10atm pm10value pm10concentration pm10avg dust10",
    "tsp": "tsp totaldust",
    "o3": "o3 ozone",
    "no2": "no2 nitrogendioxide",
    "no": "no nitricoxide",
    "nox": "nox",
    "so2": "so2 sulphurdioxide sulfurdioxide",
    "co": "co carbonmonoxide",
    "co2": "co2 rco2 eco2 carbondioxide scd30co2 co2concentration",
    "h2s": "h2s",
    "nh3": "nh3 ammonia",
    "tvoc": "tvoc voc",
    "hcho": "hcho formaldehyde ch2o",
    "air_temp": "temp temperature t airtemp airtemperature tempc temperaturec tmp outdoortemp tempout outtemp tempair bme280temperature "
    "dhttemperature ambienttemperature atmp tempf temperaturef ta",
    "rh": "rh hum humidity h relativehumidity airhumidity rhum humi bme280humidity outhumidity ambienthumidity hr",
    "pressure": "pressure press p baro barometer barometricpressure airpressure atmosphericpressure baromrelin baromabsin pres qnh "
    "bme280pressure pa",
    "wind_speed": "windspeed wind ws windspd windspeedmph windavg vwind ff",
    "wind_gust": "windgust gust windgustmph gustspeed wg",
    "wind_dir": "winddir winddirection wd winddeg windbearing winddirdeg dd",
    "rain": "rain rainfall precipitation precip raininc rainmm",
    "solar": "solar solarradiation solarrad radiation irradiance ghi pyranometer",
    "uvi": "uv uvi uvindex",
    "laeq": "laeq noise noiselevel sound soundlevel spl leq dba",
    "illuminance": "lux light illuminance lightlevel lightintensity",
    "soil_temp": "soiltemp soiltemperature tempsoil",
    "soil_moisture": "soilmoisture moisture soilhumidity vwc watersoil",
    "soil_ec": "soilec conductsoil soilconductivity",
    "water_temp": "watertemp watertemperature tempwater twater wtemp",
    "ph": "ph phvalue waterph",
    "do": "do dissolvedoxygen o2 oxygen domgl odo",
    "do_sat": "dosat dosaturation dopercent oxygensaturation",
    "ec": "ec conductivity cond spcond specificconductance",
    "salinity": "salinity sal",
    "turbidity": "turbidity turb ntu",
    "tss": "tss suspendedsolids",
    "tds": "tds dissolvedsolids",
    "cod": "cod",
    "bod5": "bod bod5",
    "toc": "toc",
    "nh4_n": "nh4n nh4 ammonium",
    "no3_n": "no3n no3 nitrate",
    "orp": "orp redox",
    "chla": "chla chlorophyll chl",
    "level": "level waterlevel stage wl",
    "flow": "flow flowrate discharge q",
    "distance": "distance dist range",
    "battery_voltage": "battv batv vbat vbatt batteryvoltage battvolt batvolt batvoltage voltage batteryv",
    "battery": "battery batt bat batterylevel batterypercent soc batterypct",
    "rssi": "rssi signal wifirssi wifi signalstrength",
    "snr": "snr lorasnr",
    "device_temp": "devicetemp boardtemp internaltemp chiptemp mcutemp cputemp indoortemp",
    "uptime": "uptime uptimesec",
}
_BY_NAME = {name: parameter for parameter, names in _NAMES.items() for name in names.split()}
_UNIT_WORDS = {
    "ppb": "ppb", "ppm": "ppm",
    "ugm3": "µg/m³", "mgm3": "mg/m³", "c": "°C", "degc": "°C", "celsius": "°C", "f": "°F", "degf": "°F",
    "hpa": "hPa", "pa": "Pa", "kpa": "kPa", "mbar": "mbar", "inhg": "inHg", "mmhg": "mmHg", "pct": "%", "percent": "%",
    "mv": "mV", "v": "V",
    "mm": "mm", "cm": "cm", "m": "m", "in": "in", "mph": "mph", "kmh": "km/h", "kph": "km/h", "ms": "m/s", "kn": "kn", "lux": "lux",
    "mgl": "mg/L", "ugl": "µg/L", "uscm": "µS/cm", "mscm": "mS/cm",
    "ntu": "NTU", "dbm": "dBm", "db": "dB", "deg": "deg", "wm2": "W/m²", "k": "K",
}  # fmt: skip
_NOISE = frozenset((
    "value", "val", "reading", "raw", "data", "sensor", "avg", "mean", "current", "last", "measured", "out", "outdoor", "ambient", "env",
    "now", "air", "sts", "sample",
))  # fmt: skip
_USUAL_UNITS = {
    "tempf": "°F",
    "temperaturef": "°F",
    "windspeedmph": "mph",
    "windgustmph": "mph",
    "baromrelin": "inHg",
    "baromabsin": "inHg",
}


def guess(name: str, value: float, catalogue: Catalogue) -> Guess | None:
    """What a field called `name` that says `value` may be; None when the name says nothing."""
    ways = [way for words in (_words(name), _words(name.lower())) for way in _readings_of(words)]
    for kept, unit in ways:
        found = _BY_NAME.get("".join(kept))
        if found == "battery" and unit in ("V", "mV"):
            found = "battery_voltage"
        if found is not None and found in catalogue:
            return Guess(found, _unit(found, "".join(kept), unit, value, catalogue))
    return None


def by_value(value: float, catalogue: Catalogue) -> Guess:
    """Any parameter that could have this value: for a file that must load before a person has looked at it."""
    for name in ("air_temp", "pm25", "pressure", "ec"):
        known = catalogue[name]
        if known.plausible[0] <= value <= known.plausible[1]:
            return Guess(name, known.display)
    return Guess("air_temp", catalogue["air_temp"].display)


def _words(name: str) -> list[str]:
    # PM2.5, pm2_5 and pm2p5 are one word.
    text = re.sub(r"(?i)pm[ _]?(\d+)[._,](\d)(?!\d)", r"pm\1\2", name)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return re.sub(r"[^A-Za-z0-9]+", " ", text).lower().split()


def _readings_of(words: list[str]) -> list[tuple[list[str], str]]:
    """The words in the ways in which they may be read: as they are, without a unit at the end, without filling words."""
    ways: list[tuple[list[str], str]] = [(words, "")]
    if len(words) > 1 and words[-1] in _UNIT_WORDS:
        ways.append((words[:-1], _UNIT_WORDS[words[-1]]))
    ways += [([word for word in kept if word not in _NOISE], unit) for kept, unit in list(ways)]
    ways += [(kept[-1:], unit) for kept, unit in list(ways) if len(kept) > 1]
    return [(kept, unit) for kept, unit in ways if kept]


def _unit(parameter: str, name: str, said: str, value: float, catalogue: Catalogue) -> str:
    known = catalogue[parameter]
    for unit in (said, _USUAL_UNITS.get(name, ""), _by_size(parameter, value), known.display):
        if unit:
            try:
                conversion(unit, known)
            except UnitError:
                continue
            return unit
    return known.unit  # an index is written without a unit


def _by_size(parameter: str, value: float) -> str:
    if parameter == "pressure":
        return "Pa" if value > 20_000 else "kPa" if 50 < value < 120 else "inHg" if 25 < value < 35 else ""
    if parameter == "battery_voltage":
        return "mV" if value > 500 else ""
    return ""
