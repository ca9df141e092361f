"""From the loaded configuration to the core's: types, registry, topics and rules, checked as a whole, without secrets.

The result is plain data with a digest: it goes into the journal, so that a restart, a replay or a backtest runs under
exactly the configuration that was valid then. `envgw check` calls the same function.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from devices import loader
from devices.device_type import parse as parse_type
from devices.interpret import Interpreter, build_interpreter
from devices.problems import ConfigError as DataError
from devices.problems import ConfigProblem, did_you_mean
from devices.topics import filter_problem
from gateway.config import ConfigError, LoadedConfig, problems_in
from gateway.config.messages import explain
from gateway.config.yamlfile import Document, Problem
from gateway.core import config_digest, config_text
from gateway.core.conditions import vocabulary
from gateway.settings import Settings
from rules.builtin import BUILTINS
from rules.language.errors import ConditionError
from rules.loader import UseError, expand
from rules.model import Conditions, RuleModel, canonical, check_rules

VERSION = 1
"""Of the layout of the plain data."""


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """What the core runs with, compiled once (`interpreter`) and as journalled text."""

    packed: bytes
    """The text, compressed: it is needed once or twice in the life of a gateway, and would be half a kilobyte a device."""
    digest: str
    interpreter: Interpreter

    @classmethod
    def of(cls, text: str, interpreter: Interpreter) -> CoreConfig:
        """The configuration that stands in `text`, and what was compiled from it."""
        return cls(zlib.compress(text.encode(), 1), config_digest(text), interpreter)

    @property
    def text(self) -> str:
        """Canonical JSON."""
        return zlib.decompress(self.packed).decode()

    @property
    def plain(self) -> Mapping[str, Any]:
        """The data that `text` holds (a fresh copy)."""
        found: Mapping[str, Any] = json.loads(self.text)
        return found


def build(loaded: LoadedConfig) -> CoreConfig:
    """Check everything that the core needs. Raises ConfigError with all problems, each with file and line."""
    settings = loaded.settings
    problems: list[Problem] = []
    types = _types(loaded, problems)
    stations = _items(loaded.stations, "stations", problems)
    rules = read_rules(loaded.rules, [item for _, _, item in stations], problems)
    routes = _routes(settings, {str(data.get("id")) for data in types}, loaded, problems)
    plain = {
        "version": VERSION,
        "types": types,
        "stations": [item for _, _, item in stations],
        "routes": routes,
        "rules": canonical(rules),
        "max_payload": settings.limits.max_payload,
        "timezone": settings.gateway.timezone,
        "time": {
            "ahead_ms": settings.time.accept_ahead,
            "past_ms": None if settings.time.accept_past == "unlimited" else settings.time.accept_past,
        },
    }
    if problems:
        raise ConfigError(problems)
    try:
        interpreter = build_interpreter(
            {**plain, "types": _as_journalled(types), "stations": (_as_journalled(item) for _, _, item in stations)}
        )
    except DataError as error:
        raise ConfigError([_place(problem, loaded, stations) for problem in error.problems]) from None
    return CoreConfig.of(config_text(plain), interpreter)


def _as_journalled(data: Any) -> Any:
    """As the core will read it from the journal. What cannot be written as JSON is named by the interpreter."""
    try:
        return orjson.loads(config_text(data))
    except (TypeError, ValueError):
        return data


_Placed = tuple[Document, int, Any]
"""A list entry, the document it stands in and its index there."""


def _items(documents: Sequence[Document], key: str, problems: list[Problem]) -> list[_Placed]:
    """The entries of `key:` of all files, in order, each with its place."""
    found: list[_Placed] = []
    for document in documents:
        data = document.data
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            problems.append(document.problem((), f"the file must be a list under `{key}:`"))
            continue
        unknown = [name for name in data if name != key]
        problems.extend(document.problem((name,), f"unknown key {name!r}{did_you_mean(str(name), [key])}") for name in unknown)
        found.extend((document, index, item) for index, item in enumerate(data[key]))
    return found


def _types(loaded: LoadedConfig, problems: list[Problem]) -> list[dict[str, Any]]:
    """Shipped types, and the user's own over them by id."""
    by_id = dict(loader.shipped_types())
    for document in loaded.types:
        data = document.data
        if not isinstance(data, dict) or "id" not in data:
            problems.append(document.problem((), "a type file must be a section with `id:`"))
            continue
        try:
            data = loader.with_codec(data, Path(document.file).parent)
            parse_type(data, loader.catalogue())
        except DataError as error:
            problems.extend(problems_in(document, [(item.path, item.message) for item in error.problems]))
            continue
        by_id[str(data["id"])] = data
    return [by_id[name] for name in sorted(by_id)]


def read_rules(documents: Sequence[Document], stations: Sequence[Any] | None, problems: list[Problem]) -> list[RuleModel]:
    """The rules of these files, checked against these stations (plain data; None: any). What is wrong is added to `problems`."""
    placed: list[tuple[Document, int, RuleModel]] = []
    condition = Conditions(vocabulary(loader.catalogue(), *(_places(stations) if stations is not None else ())))
    for document, index, item in _items(documents, "rules", problems):
        try:
            item = expand(item)
            model = RuleModel.model_validate(item)
        except UseError as error:
            problems.append(document.problem(("rules", index, error.key), str(error)))
            continue
        except ValidationError as error:
            problems.extend(document.problem(("rules", index, *path), message) for path, message in explain(error, RuleModel, item))
            problems.extend(_readable(document, index, item, condition))
            continue
        if model.id in BUILTINS:
            problems.append(document.problem(("rules", index, "id"), f"{model.id!r} is the id of a built-in alert: choose another"))
        placed.append((document, index, model))
    models = [model for _, _, model in placed]
    for problem in check_rules(models, condition):
        document, index, model = placed[int(problem.path[1])]
        found = document.problem(("rules", index, *problem.path[2:]), problem.message)
        problems.append(_inside(found, _condition_at(model, problem.path[2:]), problem.offset))
    return models


def _readable(document: Document, index: int, item: Any, condition: Conditions) -> Iterator[Problem]:
    """What is wrong in the conditions of a rule whose shape is wrong: everything is told at once."""
    levels = item.get("levels") if isinstance(item, dict) else None
    for severity, level in levels.items() if isinstance(levels, dict) else ():
        for key in ("when", "clear"):
            text = level.get(key) if isinstance(level, dict) else None
            if not isinstance(text, str):
                continue
            try:
                condition(text)
            except ConditionError as error:
                for problem in error.problems:
                    found = document.problem(("rules", index, "levels", severity, key), problem.message)
                    yield _inside(found, text, problem.span.start)


def _places(stations: Sequence[Any]) -> tuple[set[str], set[str], set[str]]:
    """Ids, areas and tags of the registry, as far as it can be read: what conditions may name."""
    ids, areas, tags = set[str](), set[str](), set[str]()
    for item in stations:
        if isinstance(item, dict):
            ids.add(str(item.get("id")))
            named = item.get("area")
            parts = named if isinstance(named, list) else [named]
            areas.update(str(part.get("path") if isinstance(part, dict) else part) for part in parts)
            tags.update(str(tag) for tag in item.get("tags") or ())
    return ids, areas, tags


def _condition_at(model: RuleModel, path: Sequence[str | int]) -> str:
    if len(path) == 3 and path[0] == "levels":
        level = model.levels[path[1]]  # type: ignore[index]
        return (level.when if path[2] == "when" else level.clear) or ""
    return ""


def _inside(problem: Problem, text: str, offset: int) -> Problem:
    """The column of what is wrong inside a condition, where its text stands in one piece on the line."""
    if not text:
        return problem
    with contextlib.suppress(OSError, UnicodeDecodeError, IndexError):
        line = Path(problem.file).read_text("utf-8").splitlines()[problem.line - 1]
        start = line.find(text, problem.column - 1)
        if start >= 0:
            problem = problem._replace(column=start + offset + 1)
    return problem._replace(message=f"{problem.message} (at `{text[offset : offset + 30]}`)" if offset else problem.message)


def _routes(settings: Settings, types: set[str], loaded: LoadedConfig, problems: list[Problem]) -> list[list[str]]:
    routes = []
    for place, broker in enumerate(settings.brokers):
        for index, subscription in enumerate(broker.subscriptions):
            where = f"brokers.{place}.subscriptions.{index}"
            topic = subscription.topic
            if topic.startswith("$share/"):
                topic = topic.split("/", 2)[2] if topic.count("/") >= 2 else ""
            complaint = filter_problem(topic)
            if complaint:
                problems.append(_in_main(loaded, f"{where}.topic", complaint))
            if subscription.type not in types:
                message = f"no device type {subscription.type!r}{did_you_mean(subscription.type, types)}"
                problems.append(_in_main(loaded, f"{where}.type", message))
            routes.append([broker.name, topic, subscription.type])
    return routes


def _in_main(loaded: LoadedConfig, where: str, message: str) -> Problem:
    path = tuple(int(step) if step.isdigit() else step for step in where.split("."))
    return loaded.place(path, message)


def _place(problem: ConfigProblem, loaded: LoadedConfig, stations: Sequence[_Placed]) -> Problem:
    """Where in the files a problem of the joined data is."""
    if len(problem.path) >= 2 and problem.path[0] == "stations" and isinstance(problem.path[1], int):
        document, index, _ = stations[problem.path[1]]
        return document.problem(("stations", index, *problem.path[2:]), problem.message)
    if problem.path[:1] == ("stations",) and stations:
        return stations[0][0].problem((), problem.message)
    return loaded.place((), str(problem))
