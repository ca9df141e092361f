"""The words of the language: what each function is called with and gives. Messages and the reference page are made of this table."""

from __future__ import annotations

from typing import NamedTuple


class Function(NamedTuple):
    """How a function is written, an example of it, and what it gives."""

    written: str
    example: str
    gives: str


def _window(name: str, gives: str) -> Function:
    return Function(f"{name}(parameter, duration)", f"{name}(pm25, 1h)", gives)


STATISTICS: dict[str, Function] = {
    "avg": _window("avg", "their mean"),
    "min": _window("min", "the least"),
    "max": _window("max", "the greatest"),
    "sum": _window("sum", "their sum (rain)"),
    "count": _window("count", "how many there are"),
    "median": _window("median", "their median"),
    "p95": _window("p95", "the 95th percentile"),
    "stddev": _window("stddev", "their standard deviation"),
    "rate": _window("rate", "the change per hour: (last - first) / time between them; in the parameter's unit per hour"),
    "delta": _window("delta", "last - first"),
    "first": _window("first", "the oldest"),
    "last": _window("last", "the newest"),
}
"""Of the usable readings in `(now - duration, now]`."""

QUANTIFIERS: dict[str, Function] = {
    "any_of": Function("any_of(stations, condition)", "any_of(area, pm25 > 50)", "true if it is true at one station at least"),
    "all_of": Function("all_of(stations, condition)", "all_of(area, pm25 > 50)", "true if it is true at every station"),
    "count_of": Function("count_of(stations, condition)", "count_of(area, pm25 > 50) >= 3", "at how many stations it is true"),
    "median_of": Function("median_of(stations, number)", "median_of(area, pm25)", "the median over the stations that know it"),
    "avg_of": Function("avg_of(stations, number)", "avg_of(area, pm25)", "the mean over the stations that know it"),
    "min_of": Function("min_of(stations, number)", "min_of(medium('water'), do)", "the least at the stations that know it"),
    "max_of": Function("max_of(stations, number)", "max_of(stations, avg(pm25, 1h))", "the greatest at the stations that know it"),
}

FUNCTIONS: dict[str, Function] = {
    "abs": Function("abs(number)", "abs(delta(level, 1h)) > 0.5", "the number without its sign"),
    "min": Function("min(number, number, …)", "min(pm25, pm10) > 50", "the least of them"),
    "max": Function("max(number, number, …)", "max(pm25, pm10 / 2) > 50", "the greatest of them"),
    "age": Function("age(parameter)", "age(pm25) > 30m", "the time since the newest usable reading, a duration"),
    "flag": Function("flag(parameter)", "flag(pm25) in (3, 4)", "QARTOD flag of the newest reading, usable or not"),
    "limit": Function(
        "limit('standard', parameter, 'averaging')",
        "avg(pm25, 24h) > limit('QCVN 05:2023', pm25, '24h')",
        "the value in force on that day, in the parameter's unit; a fourth text names the class, where the standard has classes",
    ),
}

SELECTORS: dict[str, Function] = {
    "stations": Function("stations", "any_of(stations, pm25 > 50)", "every station of the registry"),
    "stations(…)": Function("stations('id', 'id', …)", "all_of(stations('a', 'b'), pm25 > 50)", "these stations"),
    "area": Function("area", "median_of(area, pm25) > 50", "the stations of the same area as the station that the rule is looking at"),
    "area(…)": Function("area('path')", "count_of(area('hai-chau/*'), pm25 > 50) >= 3", "an area; with `/*` also all below it"),
    "medium(…)": Function("medium('air')", "any_of(area and medium('water'), do < 2)", "stations of one medium, `air` or `water`"),
    "tag(…)": Function("tag('name')", "any_of(tag('school'), pm25 > 50)", "stations with a tag"),
}

CLOCK: dict[str, Function] = {
    "time": Function("time", "time >= 22:00 or time < 06:00", "time of day, compared with `hh:mm`"),
    "hour": Function("hour", "hour in (7, 8, 17)", "0 to 23"),
    "minute": Function("minute", "minute < 30", "0 to 59"),
    "weekday": Function("weekday", "weekday in (sat, sun)", "mon tue wed thu fri sat sun, in this order"),
    "day": Function("day", "day == 1", "of the month, 1 to 31"),
    "month": Function("month", "month in (10, 11, 12)", "1 to 12"),
}

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

CALLS = {**STATISTICS, **QUANTIFIERS, **FUNCTIONS, "station": Function("station('id').parameter", "station('cau-rong').pm25 > 50", "")}
"""All that is written with parentheses. `min` and `max` of numbers win over those of windows."""

RESERVED = frozenset(CALLS) | frozenset(CLOCK) | frozenset(WEEKDAYS) | {"and", "or", "not", "in", "complete"}
"""Words that cannot be parameters."""
