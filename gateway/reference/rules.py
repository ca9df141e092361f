"""The reference page of the language of rule conditions, made of the language's own tables and grammar, and its railroad pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from devices.loader import catalogue
from gateway.reference.railroad import railroads
from rules.language.compiling import compile_condition
from rules.language.condition import read_condition
from rules.language.errors import ConditionError
from rules.language.parser import LONGEST, grammar, parse
from rules.language.vocabulary import FIELDS, NoLimits, Vocabulary
from rules.language.words import CLOCK, FUNCTIONS, QUANTIFIERS, SELECTORS, STATISTICS, Function

_NOT_DRAWN = frozenset({"start", "misspelt", "argument"})
"""What is only there for lark, and for errors."""

_UNKNOWN = """## Unknown

What is not known (no reading yet, a held value that ran out, a window with too little in it, a registry field that is not given, a
limit not in force) is unknown, and so is what is calculated from it: a sum, a comparison, a division by zero, a result too large
for a number. Conditions are joined as Kleene joined them:

"""

_UNKNOWN_MORE = """
Unknown is neither true nor false: it never starts an alarm and never ends one. It pauses a `for` timer, and resets it after
`silence.after`.

**The trap of `or`.** At a station that does not measure ozone, `pm25 > 100 or o3 > 180` is true or unknown, and never false. An alert that
begins there ends when `when` is false: never. Write one rule for each parameter, or give the level a `clear` over what every station of
the rule measures (`clear: "pm25 < 80"`). `envgw rules check` gives a hint where it sees this; `envgw rules explain` shows at a
station which part is unknown, and why.

Across stations the same holds, station by station:

- `any_of` is their `or`, `all_of` their `and`.
- `count_of(…) >= 3` is true as soon as three are true, false when three could not be reached even if all unknown ones were true, else
  unknown; likewise with the other comparisons. In a calculation (`count_of(…) / 10`) a count with unknown stations is unknown.
- `median_of`, `avg_of`, `min_of` and `max_of` go over the stations whose value is known, if these are at least half of the selected ones;
  else they are unknown.
- Where no station is selected everything is unknown: nobody looked.

## Windows

`avg(pm25, 1h)` is about the usable readings of the last hour, `(now - 1h, now]`. `complete=0.75` makes it unknown while less than 75 % of
the readings that were due are there; without it one reading is enough. Windows are kept in at most 128 buckets each. Of a direction
(`wind_dir`) only `count`, `first` and `last` mean something.

"""

_ACROSS = """## Across stations

Each station's held values count, whenever they came; nothing waits for a station. One such function does not stand within another.

"""

_SELECTORS = """
The stations: everything that is joined by `and` must fit. The station that the rule is looking at is one of them if it fits.

"""


def page() -> str:
    """The whole page."""
    parts = [
        _head(),
        _UNKNOWN,
        _truth_tables(),
        _UNKNOWN_MORE,
        _table("Written", STATISTICS.values()),
        "\n## Functions\n\n",
        _table("Written", FUNCTIONS.values()),
        "\n`min` and `max` of a parameter and a duration are windows.\n\n",
        _ACROSS,
        _table("Written", QUANTIFIERS.values()),
        _SELECTORS,
        _table("Stations", SELECTORS.values()),
        "\n## The clock\n\nLocal time in the city's zone (`gateway.timezone`).\n\n",
        _table("Written", CLOCK.values()),
        "\n## Registry fields\n\nAs they were valid at the reading's time.\n\n| Field | Means |\n| --- | --- |\n",
        *(f"| `station.{name}` | {info.about} |\n" for name, info in FIELDS.items()),
        "\n## Grammar\n\nFor [lark](https://lark-parser.readthedocs.io), LALR: `rules/language/grammar.lark`.\n\n",
        *(f"**{name}**\n\n![{name}](railroad/{name}.svg)\n\n" for name in _pictures()),
        f"```lark\n{grammar()}```\n",
    ]
    return "".join(parts)


def _head() -> str:
    return f"""# The language of rule conditions

<!-- Made by `make schemas` from gateway/reference/rules.py, rules/language/words.py and rules/language/grammar.lark: change those. -->

What may stand behind `when:` and `clear:` of a rule. A condition looks at one station at one instant, and is true, false or *unknown*.

```
avg(pm25, 1h) > 50
o3 > 200 ppb and not (time >= 22:00 or time < 06:00)
avg(pm25, 24h, complete=0.75) > limit('QCVN 05:2023', pm25, '24h')
rate(level, 1h) > 20 cm/h or level > 3.5 m
do < 4 and water_temp > 30 °C and delta(do, 3h) < -1
count_of(area('hai-chau/*') and medium('air'), pm25 > 100) >= 3
pm25 > 2 * median_of(area, pm25)
station('cau-rong').level > 2 m and sum(rain, 3h) > 60 mm
age(pm25) < 30m and flag(pm25) not in (3, 4)
weekday in (sat, sun) and station.site == 'traffic'
```

What is wrong is told before a rule runs, with its place: names, kinds and units all at once, of syntax the first mistake.

```
{_errors("avg(pm52, 1h) > 50 and level > 10m")}
```

## Values

| Written | Means |
| --- | --- |
| `pm25` | the parameter's held value: that of the newest usable reading, until it is older than 2.5 reporting intervals |
| `pm25_1h`, `vn_aqi` … | derived parameters: hourly means, indices |
| `station('cau-rong').pm25` | a named station's value |
| `station.elevation` | a field of the registry, see below |
| `50`, `0.5`, `1e3` | a number, in the unit of what it meets: `pm25 > 50` is 50 µg/m³ |
| `200 ppb`, `0.5 mg/m3`, `30 °C`, `20 cm/h`, `50 %` | a quantity: converted to the unit of what it meets |
| `90s` `10m` `1h` `2d` `1w` `250ms` | a duration, without a blank: `10 m` is ten metres |
| `22:00` | a time of day |
| `'river'` or `"river"` | a text |

**Units** are those of the parameter catalogue, in UCUM or as people write them. A gas is converted between mole fraction and mass
concentration at 25 °C and 101 325 Pa (200 ppb of ozone are 392.4 µg/m³). What does not fit is an error: `pm25 > 10 °C`, `pm25 > level`,
`age(pm25) > 30`. Differences are converted as such: `delta(air_temp, 1h) < -9 °F` is a fall of 5 °C.
A rate is per hour: `20 cm/h`, `5 mm/min`. Products of units are compared with plain numbers only.

## Operators

From the loosest to the tightest: `or`; `and`; `not`; `> >= < <= == !=` and `in (…)`, `not in (…)`; `+ -`; `* /`; the sign `-`. Brackets
as usual. Comparisons are not chained: `20 < pm25 and pm25 < 50`, not `20 < pm25 < 50`. `in (…)` lists constants. Texts are compared
with `==`, `!=` and `in`. Words are written in small letters. Line ends are blanks. A condition has at most {LONGEST:,} characters and
50 operations within each other.

"""


def _errors(text: str) -> str:
    """What is said of a condition that is wrong."""
    try:
        read_condition(text, Vocabulary(catalogue=catalogue()))
    except ConditionError as error:
        return error.pictures()
    raise AssertionError(f"nothing is wrong with {text}")


def pictures() -> dict[Path, str]:
    """The railroad pictures, by their place below `docs/`."""
    return {Path(f"reference/railroad/{name}.svg"): text for name, text in _pictures().items()}


def _pictures() -> Mapping[str, str]:
    return railroads(grammar(), _NOT_DRAWN)


def _table(head: str, functions: Iterable[Function]) -> str:
    rows = [f"| `{function.written}` | {function.gives} | `{function.example}` |" for function in functions]
    return "\n".join([f"| {head} | Means | For example |", "| --- | --- | --- |", *rows]) + "\n"


def _truth_tables() -> str:
    """Written out by the compiled language itself."""
    truths = ("true", "false", "unknown")
    rows = [
        f"| {one} | {other} | {_joined('x == 1 and y == 1', one, other)} | {_joined('x == 1 or y == 1', one, other)} |"
        for one in truths
        for other in truths
    ]
    negations = [f"| {one} | {_joined('not x == 1', one, one)} |" for one in truths]
    return "\n".join(
        ["| a | b | a and b | a or b |", "| --- | --- | --- | --- |", *rows, "", "| a | not a |", "| --- | --- |", *negations, ""]
    )


def _joined(text: str, x: str, y: str) -> str:
    answer = compile_condition(parse(text), NoLimits()).evaluate(_Held({"x": x, "y": y}))  # type: ignore[arg-type]
    return {True: "true", False: "false", None: "unknown"}[answer]  # type: ignore[index]


class _Held:
    """As much of a view as two values need."""

    def __init__(self, truths: Mapping[str, str]) -> None:
        self._truths = truths

    def value(self, parameter: str) -> float | None:
        return {"true": 1.0, "false": 0.0, "unknown": None}[self._truths[parameter]]
