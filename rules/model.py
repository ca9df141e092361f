"""Alert rules: what a rules file may say, and what it is compiled to when loaded.

    rules:
      - id: pm25-smoke
        name: {vi: "Khói bụi PM2,5", en: "PM2.5 smoke"}
        where: {medium: air, area: "hai-chau/*"}
        levels:
          warning:  {when: "avg(pm25, 1h) > 50",  for: 10m, clear: "avg(pm25, 1h) < 40"}
          critical: {when: "avg(pm25, 1h) > 150", for: 5m,  clear: "avg(pm25, 1h) < 120"}
        silence: {after: 30m}
        advice: {vi: "…", en: "…"}

Conditions are text in the language of `rules.language`. The model itself only knows shapes; `check_rules` and `compile_rule` read
the conditions, with the vocabulary that they are given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from devices.stations import Station, area_fits
from rules.language.condition import read_condition
from rules.language.errors import ConditionError
from rules.language.moments import Moments, joined
from rules.language.nodes import Reading, Window
from rules.language.overlap import overlap
from rules.language.view import Compiled, WindowKey
from rules.language.vocabulary import Vocabulary
from rules.operands import Elsewhere, Operand, elsewhere, is_raw, lead_of, limit_of, operands, windows_of

SEVERITIES = ("info", "warning", "critical")
"""From the least to the worst."""

Severity = Literal["info", "warning", "critical"]
Language = Literal["vi", "en"]

DEFAULT_LATENESS_MS = 10 * 60_000
"""How late a reading may be and still be evaluated (semantics C4, E4)."""

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?\s*$")
_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def duration_ms(value: Any) -> int:
    """`"10m"` → 600000; a bare number is seconds. ValueError says what to write."""
    match = None if isinstance(value, bool) else _DURATION.match(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write for example 90s, 10m or 2h")
    return round(float(match[1]) * _DURATION_MS[match[2] or "s"])


DurationMs = Annotated[int, BeforeValidator(duration_ms)]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError('write a condition in quotes, for example "pm25 > 100"')
    return value


ConditionText = Annotated[str, BeforeValidator(_text), Field(max_length=2000)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LevelModel(_Model):
    """One severity of a rule."""

    when: ConditionText = Field(description="Condition that starts it, e.g. `avg(pm25, 1h) > 50`.")
    for_ms: DurationMs = Field(0, alias="for", description="How long it must hold in event time before it fires.")
    clear: ConditionText | None = Field(None, description="Condition that ends it; without it, `not when`.")
    confirm: int | None = Field(
        None, ge=1, le=100, description="Consecutive true samples needed when there is no `for`; default 2 on raw readings, else 1."
    )
    immediate: bool = Field(False, description="One sample is enough (levels, rain).")

    @model_validator(mode="after")
    def _consistent(self) -> LevelModel:
        if self.immediate and (self.for_ms or self.confirm not in (None, 1)):
            raise ValueError("`immediate: true` excludes `for` and `confirm`")
        return self


class WhereModel(_Model):
    """Which stations a rule watches. Everything given must fit."""

    station: list[str] | None = Field(None, description="Station ids.")
    medium: Literal["air", "water"] | None = Field(None, description="air or water.")
    area: str | None = Field(None, description="Area path; `hai-chau/*` is the ward and all below it.")
    tag: str | None = Field(None, description="One of the station's tags.")
    owner: str | None = Field(None, description="The station's owner, as the registry has it.")


class SilenceModel(_Model):
    """When the data stop while the alert is firing."""

    after: DurationMs = Field(description="Silence after which an open episode is marked unknown, and timers are reset.")


class FlappingModel(_Model):
    """When a rule counts as flapping at a station: it is said once, and told further only when it has calmed down."""

    flips: int = Field(6, ge=2, le=100, description="So many times on or off …")
    within: DurationMs = Field(3_600_000, description="… within this time.")


class RateModel(_Model):
    """How often receivers are told of one rule."""

    at_most: int = Field(ge=1, le=10_000, description="New alerts of this rule, over all stations …")
    per: DurationMs = Field(3_600_000, description="… within this time. Further ones are recorded and shown, and told once there is room.")


class RuleModel(_Model):
    """One rule of a rules file."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Identity of the rule; part of every episode's id.")
    name: dict[Language, str] = Field(min_length=1, description="Name in Vietnamese and English.")
    where: WhereModel = WhereModel()
    levels: dict[Severity, LevelModel] = Field(min_length=1, description="Severities, each with its own condition, `for` and clear line.")
    silence: SilenceModel | None = Field(None, description="Default: 3 reporting intervals.")
    mode: Literal["shadow", "exercise", "live"] = Field("live", description="shadow: record only. exercise: marked as a drill.")
    advice: dict[Language, str] = Field({}, description="What people should do, in Vietnamese and English.")
    quality: Literal["good", "any"] = Field("good", description="good: flags 1 and 2. any: readings of every flag.")
    lateness: DurationMs = Field(DEFAULT_LATENESS_MS, description="How late a reading may be and still be evaluated.")
    group: Literal["area", "all"] | None = Field(None, description="One episode for each area, or one for all stations, with its members.")
    flapping: FlappingModel | Literal[False] = Field(
        FlappingModel(), description="When it counts as flapping; false: never. Default: 6 times on or off within an hour."
    )
    rate: RateModel | None = Field(None, description="Most alerts that receivers are told of.")
    source: str = Field("", max_length=2000, description="Where its limits come from; for people who read the file.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A compiled level. `clear` None means `not when`."""

    severity: int
    """Index into SEVERITIES."""
    when: Compiled
    clear: Compiled | None
    for_ms: int
    confirm: int
    limit: float | None
    """The number that a plain comparison compares with: for messages."""
    operands: tuple[Operand, ...]
    """What makes `when` true or false: for messages."""
    clear_operands: tuple[Operand, ...]
    elsewhere: tuple[Elsewhere, ...]
    """What `when` asks of each of some stations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A compiled rule. `identity` changes when its open episodes may not be continued by the new version."""

    id: str
    levels: tuple[Level, ...]
    """From the least to the worst severity."""
    silence_ms: int | None
    mode: str
    names: dict[str, str]
    advice: dict[str, str]
    where: WhereModel
    identity: str
    any_quality: bool
    lateness_ms: int
    group: str
    """`area`, `all` or empty."""
    flapping: FlappingModel | None
    rate: RateModel | None
    lead: Reading | Window | None
    """The operand that messages name first."""
    parameters: frozenset[str]
    """Whose readings at the station itself touch it."""
    windows: Mapping[WindowKey, int]
    """Windows at the station itself, each with the parts that it must keep (`rules.windows.parts_of`)."""
    foreign_windows: Mapping[WindowKey, int]
    conditions: tuple[Compiled, ...]
    moments: Moments
    """When time alone can change it."""

    def watches(self, station: Station, area: str) -> bool:
        """Whether this rule applies to the station, which lies in this area."""
        where = self.where
        return (
            (where.station is None or station.id in where.station)
            and (where.medium is None or where.medium == station.medium)
            and (where.area is None or area_fits(where.area, area))
            and (where.tag is None or where.tag in station.tags)
            and (where.owner is None or where.owner == station.owner)
        )

    def limit(self, severity: int) -> float | None:
        """The number that the level of this severity compares with."""
        return next((level.limit for level in self.levels if level.severity == severity), None)


class Conditions:
    """Conditions compiled with one vocabulary, each text once: rules files repeat themselves."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._known: dict[str, Compiled] = {}

    def __call__(self, text: str) -> Compiled:
        """Raises ConditionError."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = read_condition(text, self.vocabulary)
        return found


def compile_rule(model: RuleModel, condition: Conditions) -> Rule:
    """The compiled form of a validated rule. Raises ConditionError."""
    levels = []
    limits = condition.vocabulary.limits
    for severity in sorted(model.levels, key=SEVERITIES.index):
        level = model.levels[severity]
        when = condition(level.when)
        clear = None if level.clear is None else condition(level.clear)
        once = level.immediate or bool(level.for_ms)
        levels.append(
            Level(
                severity=SEVERITIES.index(severity),
                when=when,
                clear=clear,
                for_ms=level.for_ms,
                confirm=1 if once else level.confirm or (2 if is_raw(when, condition.vocabulary) else 1),
                limit=limit_of(when),
                operands=operands(when, limits),
                clear_operands=operands(clear, limits) if clear is not None else operands(when, limits),
                elsewhere=elsewhere(when, limits),
            )
        )
    conditions = tuple(item for level in levels for item in (level.when, level.clear) if item is not None)
    parameters = frozenset(name for item in conditions for name in item.parameters)
    windows = windows_of(conditions)
    near = {key for item in conditions for key in item.windows}
    far = {key for item in conditions for key in item.foreign_windows}
    speaks = ",".join(sorted(parameters) or sorted({name for item in conditions for name in item.foreign_parameters}))
    return Rule(
        id=model.id,
        levels=tuple(levels),
        silence_ms=model.silence.after if model.silence else None,
        mode=model.mode,
        names={str(k): v for k, v in model.name.items()},
        advice={str(k): v for k, v in model.advice.items()},
        where=model.where,
        identity=f"{speaks}:{','.join(SEVERITIES[level.severity] for level in levels)}:{model.mode}"
        + (f":{model.group}" if model.group else ""),
        any_quality=model.quality == "any",
        lateness_ms=model.lateness,
        group=model.group or "",
        flapping=model.flapping or None,
        rate=model.rate,
        lead=next((lead for level in reversed(levels) if (lead := lead_of(level.when)) is not None), None),
        parameters=parameters,
        windows={key: parts for key, parts in windows.items() if key in near},
        foreign_windows={key: parts for key, parts in windows.items() if key in far},
        conditions=conditions,
        moments=joined(item.moments for item in conditions),
    )


class RuleProblem(NamedTuple):
    """Something wrong in a rule, with its path in the parsed file and the offset in the text that is there."""

    path: tuple[str | int, ...]
    message: str
    offset: int = 0


def check_rules(models: Sequence[RuleModel], condition: Conditions) -> list[RuleProblem]:
    """What pydantic cannot know: ids used twice, conditions that cannot be understood, clear lines that overlap."""
    problems: list[RuleProblem] = []
    seen: set[str] = set()
    for index, model in enumerate(models):
        if model.id in seen:
            problems.append(RuleProblem(("rules", index, "id"), f"rule id {model.id!r} is used twice"))
        seen.add(model.id)
        for severity, level in model.levels.items():
            found: dict[str, Compiled] = {}
            for key, text in (("when", level.when), ("clear", level.clear)):
                if text is None:
                    continue
                try:
                    found[key] = condition(text)
                except ConditionError as error:
                    path = ("rules", index, "levels", severity, key)
                    problems.extend(RuleProblem(path, problem.message, problem.span.start) for problem in error.problems)
            if len(found) == 2 and overlap(found["when"], found["clear"]):
                message = "`clear` and `when` can both be true: the alert would flip at every reading"
                problems.append(RuleProblem(("rules", index, "levels", severity, "clear"), message))
    return problems


def canonical(models: Sequence[RuleModel]) -> list[Mapping[str, Any]]:
    """Plain data that `RuleModel.model_validate` reads back to the same rules (for the journalled configuration)."""
    return [_plain(model) for model in models]


def _plain(model: RuleModel) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": model.id,
        "name": dict(model.name),
        "where": model.where.model_dump(exclude_none=True),
        "levels": {
            severity: {
                "when": level.when,
                "for": f"{level.for_ms}ms",
                **({"clear": level.clear} if level.clear else {}),
                **({"confirm": level.confirm} if level.confirm else {}),
                **({"immediate": True} if level.immediate else {}),
            }
            for severity, level in model.levels.items()
        },
        "mode": model.mode,
        "advice": dict(model.advice),
    }
    if model.silence:
        plain["silence"] = {"after": f"{model.silence.after}ms"}
    if model.quality != "good":
        plain["quality"] = model.quality
    if model.lateness != DEFAULT_LATENESS_MS:
        plain["lateness"] = f"{model.lateness}ms"
    if model.group:
        plain["group"] = model.group
    if model.flapping is False:
        plain["flapping"] = False
    elif model.flapping != FlappingModel():
        plain["flapping"] = {"flips": model.flapping.flips, "within": f"{model.flapping.within}ms"}
    if model.rate:
        plain["rate"] = {"at_most": model.rate.at_most, "per": f"{model.rate.per}ms"}
    return plain
