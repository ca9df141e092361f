"""Alert rules: what a rules file may say, and what it is compiled to when loaded.

A rule of this release compares one parameter with a number, per severity level, each level with its own `for`
and its own clear line:

    rules:
      - id: pm25-smoke
        name: {vi: "Khói bụi PM2,5", en: "PM2.5 smoke"}
        where: {medium: air, area: "hai-chau/*"}
        levels:
          warning:  {when: "pm25 > 100", for: 10m, clear: "pm25 < 80"}
          critical: {when: "pm25 > 200", for: 10m, clear: "pm25 < 150"}
        advice: {vi: "…", en: "…"}

Numbers are in the parameter's canonical unit (`devices/parameters.yaml`). A condition is compiled to the closed
interval of values for which it is true, so that "true now?" is two comparisons and "can `clear` and `when` both be
true?" is an intersection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SEVERITIES = ("info", "warning", "critical")
"""From the least to the worst."""

Severity = Literal["info", "warning", "critical"]
Language = Literal["vi", "en"]

_CONDITION = re.compile(r"^\s*([a-z][a-z0-9_]*)\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*$")
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$")
_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(value: Any) -> int:
    """`"10m"` → 600000; a bare number is seconds. ValueError says what to write."""
    match = None if isinstance(value, bool) else _DURATION.match(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write for example 90s, 10m or 2h")
    return round(float(match[1]) * _DURATION_MS[match[2] or "s"])


DurationMs = Annotated[int, BeforeValidator(duration_ms)]


class Condition(NamedTuple):
    """`parameter op limit`, with the closed interval [low, high] of values that make it true."""

    parameter: str
    op: str
    limit: float
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Condition:
        """`"pm25 > 100"` → Condition. ValueError says what is expected."""
        match = _CONDITION.match(text)
        if match is None:
            raise ValueError(f"{text!r} is not a condition: write `parameter > number` (or >=, <, <=), for example `pm25 > 100`")
        parameter, op, limit = match[1], match[2], float(match[3])
        if not math.isfinite(limit):
            raise ValueError(f"the limit in {text!r} is too large for a number")
        low, high = {
            ">": (math.nextafter(limit, math.inf), math.inf),
            ">=": (limit, math.inf),
            "<": (-math.inf, math.nextafter(limit, -math.inf)),
            "<=": (-math.inf, limit),
        }[op]
        return cls(parameter, op, limit, low, high)

    def negated(self) -> Condition:
        """The condition that is true exactly when this one is false (for numbers; unknown is neither)."""
        op = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}[self.op]
        return Condition.parse(f"{self.parameter} {op} {self.limit!r}")


def _condition(value: Any) -> Condition:
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise ValueError('write a condition in quotes, for example "pm25 > 100"')
    return Condition.parse(value)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LevelModel(_Model):
    """One severity of a rule."""

    when: Annotated[Condition, BeforeValidator(_condition)] = Field(description="Condition that starts it, e.g. `pm25 > 100`.")
    for_ms: DurationMs = Field(0, alias="for", description="How long it must hold in event time before it fires.")
    clear: Annotated[Condition, BeforeValidator(_condition)] | None = Field(
        None, description="Condition that ends it; without it, `when` no longer true."
    )
    confirm: int | None = Field(
        None, ge=1, le=100, description="Consecutive samples needed when there is no `for`; default 2 (semantics D3)."
    )
    immediate: bool = Field(False, description="One sample is enough (levels, rain).")

    @model_validator(mode="after")
    def _consistent(self) -> LevelModel:
        if self.immediate and (self.for_ms or self.confirm not in (None, 1)):
            raise ValueError("`immediate: true` excludes `for` and `confirm`")
        if self.clear is None:
            return self
        if self.clear.parameter != self.when.parameter:
            raise ValueError(
                f"`clear` speaks of {self.clear.parameter!r}, `when` of {self.when.parameter!r}: both must be the same parameter"
            )
        if self.clear.low <= self.when.high and self.when.low <= self.clear.high:
            raise ValueError("`clear` and `when` can both be true: the alert would flip at every reading")
        return self


class WhereModel(_Model):
    """Which stations a rule watches. Everything given must fit."""

    station: list[str] | None = Field(None, description="Station ids.")
    medium: Literal["air", "water"] | None = Field(None, description="air or water.")
    area: str | None = Field(None, description="Area path; `hai-chau/*` is the ward and all below it.")


class SilenceModel(_Model):
    """When the data stop while the alert is firing."""

    after: DurationMs = Field(description="Silence after which an open episode is marked unknown.")


class RuleModel(_Model):
    """One rule of a rules file."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Identity of the rule; part of every episode's id.")
    name: dict[Language, str] = Field(min_length=1, description="Name in Vietnamese and English.")
    where: WhereModel = WhereModel()
    levels: dict[Severity, LevelModel] = Field(min_length=1, description="Severities, each with its own condition, `for` and clear line.")
    silence: SilenceModel | None = Field(None, description="Default: 3 reporting intervals.")
    mode: Literal["shadow", "exercise", "live"] = Field("live", description="shadow: record only. exercise: marked as a drill.")
    advice: dict[Language, str] = Field({}, description="What people should do, in Vietnamese and English.")

    @model_validator(mode="after")
    def _one_parameter(self) -> RuleModel:
        parameters = sorted({level.when.parameter for level in self.levels.values()})
        if len(parameters) > 1:
            raise ValueError(f"all levels of a rule must watch one parameter, not {' and '.join(parameters)}: write two rules")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A compiled level: severity index into SEVERITIES, true-intervals of `when` and `clear`, `for` in ms."""

    severity: int
    when_low: float
    when_high: float
    clear_low: float
    clear_high: float
    for_ms: int
    confirm: int
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A compiled rule. `identity` changes when its open episodes may not be continued by the new version."""

    id: str
    parameter: str
    levels: tuple[Level, ...]
    silence_ms: int | None
    mode: str
    names: dict[str, str]
    advice: dict[str, str]
    where: WhereModel
    identity: str

    def watches(self, *, station: str, area: str, media: frozenset[str]) -> bool:
        """Whether this rule applies to a station in this area whose devices measure these media."""
        where = self.where
        if where.station is not None and station not in where.station:
            return False
        if where.medium is not None and where.medium not in media:
            return False
        return where.area is None or area_fits(where.area, area)


def area_fits(pattern: str, area: str) -> bool:
    """`hai-chau/*` fits `hai-chau` and all below it; a pattern without `/*` fits that path only."""
    if pattern.endswith("/*"):
        base = pattern[:-2]
        return area == base or area.startswith(base + "/")
    return pattern == "*" or area == pattern


def compile_rule(model: RuleModel) -> Rule:
    """The compiled form of a validated rule; levels from the least to the worst severity."""
    levels = []
    for severity in sorted(model.levels, key=SEVERITIES.index):
        level = model.levels[severity]
        clear = level.clear or level.when.negated()
        confirm = 1 if level.immediate or level.for_ms else (level.confirm or 2)
        levels.append(
            Level(
                severity=SEVERITIES.index(severity),
                when_low=level.when.low,
                when_high=level.when.high,
                clear_low=clear.low,
                clear_high=clear.high,
                for_ms=level.for_ms,
                confirm=confirm,
                limit=level.when.limit,
            )
        )
    parameter = next(iter(model.levels.values())).when.parameter
    return Rule(
        id=model.id,
        parameter=parameter,
        levels=tuple(levels),
        silence_ms=model.silence.after if model.silence else None,
        mode=model.mode,
        names={str(k): v for k, v in model.name.items()},
        advice={str(k): v for k, v in model.advice.items()},
        where=model.where,
        identity=f"{parameter}:{','.join(SEVERITIES[level.severity] for level in levels)}:{model.mode}",
    )


class RuleProblem(NamedTuple):
    """Something wrong in a rule, with its path in the parsed file."""

    path: tuple[str | int, ...]
    message: str


def check_rules(models: list[RuleModel], *, known_parameter: Callable[[str], str | None]) -> list[RuleProblem]:
    """What pydantic cannot know: ids used twice, parameters that the catalogue lacks.

    `known_parameter(id)` answers None when the parameter exists, else a sentence that says what to write instead.
    """
    problems: list[RuleProblem] = []
    seen: dict[str, int] = {}
    for index, model in enumerate(models):
        if model.id in seen:
            problems.append(RuleProblem(("rules", index, "id"), f"rule id {model.id!r} is used twice"))
        seen.setdefault(model.id, index)
        for severity, level in model.levels.items():
            complaint = known_parameter(level.when.parameter)
            if complaint is not None:
                problems.append(RuleProblem(("rules", index, "levels", severity, "when"), complaint))
    return problems


def canonical(models: list[RuleModel]) -> list[Mapping[str, Any]]:
    """Plain data that `RuleModel.model_validate` reads back to the same rules (for the journalled configuration)."""
    return [_plain(model) for model in models]


def _plain(model: RuleModel) -> dict[str, Any]:
    def text(condition: Condition) -> str:
        return f"{condition.parameter} {condition.op} {condition.limit!r}"

    plain: dict[str, Any] = {
        "id": model.id,
        "name": dict(model.name),
        "where": model.where.model_dump(exclude_none=True),
        "levels": {
            severity: {
                "when": text(level.when),
                "for": f"{level.for_ms}ms",
                **({"clear": text(level.clear)} if level.clear else {}),
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
    return plain
