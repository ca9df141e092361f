"""A coastal city in central Viet Nam as formulas: what each station measures at an instant.

    hour, weekday ──▶ traffic ──┐
    season, sun ──▶ weather ────┼──▶ dust and gases at a station (its share of traffic, industry, sea air)
    rain bursts ────────────────┼──▶ river: level, turbidity, oxygen
    M2 + K1 + O1 tide ──────────┘──▶ river: level, salt water coming in

Everything is a pure function of (seed, site, time), in local time UTC+7, and deliberately simple: it has to look right
to somebody who knows the city (rush hours, sea breeze, wet autumn, mixed tide), not to forecast anything. Sizes follow
published climate means of Da Nang and ordinary urban levels; they are not measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from gateway.simulate.noise import gauss, key, smooth, uniform

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
_LOCAL = 7 * HOUR
_HOUR_ANGLE = math.tau / 24

Reading = dict[str, float]
"""Parameter id → value in the catalogue's canonical unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is special about a place. Shares are 0 … about 1.5."""

    id: str
    traffic: float = 0.6
    industry: float = 0.1
    coast: float = 0.5
    """How much the sea breeze reaches it, and how clean the air is when it blows."""
    sea: float = 0.3
    """Water only: how far the tide and its salt reach (1 at the mouth)."""
    level_m: float = 1.0
    """Water only: mean level above the gauge's zero, m."""
    tide_lag_h: float = 0.0


@lru_cache(maxsize=4096)
def _minute(seed: int, minute: int) -> tuple[float, float, float, float, float]:
    """City-wide drivers of one minute: traffic 0…1, sun 0…1, breeze −1 (land) … 1 (sea), rain mm/h, season −1 … 1."""
    time_ms = minute * MINUTE
    local = time_ms + _LOCAL
    hour = local % DAY / HOUR
    weekday = (local // DAY + 3) % 7  # 1 January 1970 was a Thursday
    working = 1.0 if weekday < 5 else 0.75 if weekday == 5 else 0.55
    traffic = working * (_bell(hour, 8.0, 0.9) + 1.05 * _bell(hour, 18.0, 1.1)) + 0.35 * _bell(hour, 13.0, 4.0) + 0.04
    season = math.sin(math.tau * ((local / DAY) % 365.2425 - 110) / 365.2425)  # highest late in July
    rain = rain_mm_h(seed, time_ms)
    height = max(0.0, math.sin(math.pi * (hour - 5.6) / 12.4)) if 5.6 < hour < 18.0 else 0.0
    sun = height * (1.0 - 0.75 * min(1.0, rain / 4.0)) * (0.86 + 0.12 * math.tanh(smooth(key(seed, "cloud"), time_ms, 25 * MINUTE)))
    breeze = math.tanh(2.4 * math.sin(math.tau * (hour - 8.8) / 24))  # from sea between about 9 and 21 h, strongest at 15 h
    return min(1.0, traffic), max(0.0, sun), breeze, rain, season


def _bell(hour: float, middle: float, width: float) -> float:
    return math.exp(-(((hour - middle) / width) ** 2) / 2)


@lru_cache(maxsize=4096)
def _shower(seed: int, slot: int) -> tuple[float, float, float]:
    """At most one shower in each three hours: (start in the slot 0…1, length in hours, peak mm/h). Peak 0: dry."""
    stream = key(seed, "shower")
    month = (slot * 3 * HOUR + _LOCAL) / DAY % 365.2425 / 30.44
    wet = 0.07 + 0.28 * _bell(month, 9.9, 1.3)  # October and November bring the rain of half a year
    if uniform(stream, slot * 4) > wet:
        return 0.0, 1.0, 0.0
    peak = 1.5 + 22.0 * uniform(stream, slot * 4 + 1) ** 3 * (0.4 + wet * 2)
    return uniform(stream, slot * 4 + 2) * 0.6, 0.3 + 1.3 * uniform(stream, slot * 4 + 3), peak


def rain_mm_h(seed: int, time_ms: int) -> float:
    """Rain intensity over the city, mm/h. Showers rise and fall within 20 minutes to 1.6 hours."""
    slot, rest = divmod(time_ms, 3 * HOUR)
    start, length, peak = _shower(seed, slot)
    if peak == 0.0:
        return 0.0
    at = (rest / HOUR - start * 3) / length
    return peak * math.sin(math.pi * at) ** 2 if 0.0 < at < 1.0 else 0.0


@lru_cache(maxsize=512)
def runoff_mm(seed: int, hour: int) -> float:
    """Rain still on its way down the rivers at an hour, mm: the last 30 hours, halved every seven."""
    total = 0.0
    for back in range(30):
        at = (hour - back) * HOUR
        depth = sum(rain_mm_h(seed, at - quarter * 15 * MINUTE) for quarter in range(4)) / 4
        total += depth * 0.5 ** (back / 7.0)
    return total


def tide_m(time_ms: int, lag_h: float = 0.0) -> float:
    """Height over mean sea level, m: M2, K1 and O1 at sizes usual for Da Nang (mixed tide, spring range about 1 m)."""
    hours = time_ms / HOUR - lag_h
    return (
        0.21 * math.cos(math.tau * hours / 12.4206)
        + 0.19 * math.cos(math.tau * (hours - 3.1) / 23.9345)
        + 0.14 * math.cos(math.tau * (hours + 5.4) / 25.8193)
    )


def weather(seed: int, site: Site, time_ms: int) -> Reading:
    """air_temp Cel, rh %, pressure hPa, wind_speed m/s, wind_dir deg, rain mm/h, solar W/m2."""
    _, sun, breeze, rain, season = _minute(seed, time_ms // MINUTE)
    own = key(seed, site.id, "weather")
    hour = (time_ms + _LOCAL) % DAY / HOUR
    swing = math.sin(_HOUR_ANGLE * (hour - 8.2)) * (3.6 - 1.0 * site.coast)
    noise = gauss(own, time_ms // 1000)
    cooled = min(rain, 8.0)
    temperature = 25.6 + 3.9 * season + swing - 0.35 * cooled + 0.5 * smooth(own, time_ms, 2 * HOUR) + 0.05 * noise
    humidity = 80.0 - 3.4 * swing + 1.6 * cooled + 2.0 * smooth(own + 1, time_ms, 3 * HOUR) - 0.2 * noise
    speed = 1.1 + (2.9 * site.coast + 0.8) * max(0.0, breeze) + 0.4 * max(0.0, -breeze) + 0.16 * rain
    speed *= 1.0 + 0.22 * math.tanh(smooth(own + 2, time_ms, 4 * MINUTE))
    direction = (70.0 if breeze > 0 else 245.0) + 16.0 * smooth(own + 3, time_ms, 20 * MINUTE)
    half_day = math.cos(math.tau * (hour - 10.0) / 12)  # the atmosphere's own tide: highest at 10 and 22 h
    pressure = 1010.5 - 5.5 * season + 1.3 * half_day + 1.5 * smooth(key(seed, "pressure"), time_ms, 18 * HOUR)
    return {
        "air_temp": temperature,
        "rh": min(99.5, max(32.0, humidity)),
        "pressure": pressure,
        "wind_speed": max(0.0, speed),
        "wind_dir": direction % 360.0,
        "rain": rain,
        "solar": 985.0 * sun,
    }


def air(seed: int, site: Site, time_ms: int) -> Reading:
    """pm1, pm25, pm10, no2, o3, co, all ug/m3, with air_temp and rh inside the node's housing."""
    traffic, sun, breeze, rain, season = _minute(seed, time_ms // MINUTE)
    own = key(seed, site.id, "air")
    climate = weather(seed, site, time_ms)
    mixing = 1.0 / (0.55 + 0.13 * climate["wind_speed"] + 0.5 * sun)  # calm nights keep everything near the ground
    clean_sea = 1.0 - 0.35 * site.coast * max(0.0, breeze)
    washed = 1.0 / (1.0 + 0.12 * rain)
    load = 9.0 + 7.0 * (1 - season) / 2 + 19.0 * site.traffic * traffic + 14.0 * site.industry
    wander = math.exp(0.16 * smooth(own, time_ms, 40 * MINUTE))
    pm25 = max(1.0, load * mixing * clean_sea * washed * wander + 0.35 * gauss(own, time_ms // 1000))
    coarse = (5.0 + 10.0 * site.traffic * traffic + 0.9 * climate["wind_speed"]) * washed * math.exp(0.12 * smooth(own + 1, time_ms, HOUR))
    no2 = (6.0 + 52.0 * site.traffic * traffic + 8.0 * site.industry) * mixing * clean_sea + 0.4 * gauss(own + 2, time_ms // 1000)
    ozone = 34.0 + 62.0 * sun * (1 + 0.15 * season) + 12.0 * site.coast - 0.45 * no2 + 2.0 * smooth(own + 3, time_ms, HOUR)
    co = (210.0 + 880.0 * site.traffic * traffic + 150.0 * site.industry) * mixing + 6.0 * gauss(own + 4, time_ms // 1000)
    return {
        "pm1": pm25 * (0.63 + 0.02 * math.tanh(smooth(own + 5, time_ms, HOUR))),
        "pm25": pm25,
        "pm10": pm25 + coarse,
        "no2": max(0.5, no2),
        "o3": max(2.0, ozone),
        "co": max(60.0, co),
        "air_temp": climate["air_temp"] + 0.6 + 1.2 * sun,
        "rh": max(30.0, climate["rh"] - 2.5),
    }


def water(seed: int, site: Site, time_ms: int) -> Reading:
    """water_temp Cel, ph, do mg/L, ec uS/cm, turbidity NTU, level m."""
    season = _minute(seed, time_ms // MINUTE)[4]
    own = key(seed, site.id, "water")
    hour = (time_ms + _LOCAL) % DAY / HOUR
    run = runoff_mm(seed, time_ms // HOUR)
    tide = tide_m(time_ms, site.tide_lag_h)
    temperature = 26.2 + 3.0 * season + 0.7 * math.sin(_HOUR_ANGLE * (hour - 10.5)) + 0.15 * smooth(own, time_ms, HOUR)
    algae = math.sin(_HOUR_ANGLE * (hour - 10.0))  # oxygen and pH are highest in the afternoon, lowest before dawn
    # Salt water comes in with the flood tide; the river's own flow after rain pushes it out again.
    intrusion = site.sea / (1.0 + math.exp(0.9 + 2.8 * (1 - site.sea) - 7.0 * tide + 0.05 * run))
    noise = gauss(own, time_ms // 1000)
    oxygen = 14.6 - 0.39 * temperature + 0.0057 * temperature**2 - 1.35 + 0.7 * algae - 0.015 * min(run, 40.0) - 0.5 * intrusion
    return {
        "water_temp": temperature + 0.01 * noise,
        "ph": 7.25 + 0.18 * algae + 0.55 * intrusion - 0.006 * min(run, 40.0) + 0.005 * noise,
        "do": max(0.4, oxygen + 0.12 * smooth(own + 1, time_ms, HOUR) + 0.02 * noise),
        "ec": 150.0 + 60.0 * (1 - site.sea) + 31_000.0 * intrusion + 2.0 * noise,
        "turbidity": max(0.5, 7.0 + 2.6 * run + 3.0 * abs(tide) + 1.2 * smooth(own + 2, time_ms, HOUR) + 0.15 * noise),
        "level": site.level_m + tide * (0.35 + 0.65 * site.sea) + 0.016 * run * (1.2 - site.sea) + 0.003 * noise,
    }
