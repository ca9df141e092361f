"""`envgw rules list`, `check`, `explain` and `diff`: what they find; `rules_app` prints it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from devices.interpret import Interpreter
from devices.times import iso
from gateway import coreconfig, prehistory
from gateway.commands.client import Api, NotRunning
from gateway.commands.rules_hints import hints
from gateway.config import ConfigError, LoadedConfig
from gateway.config.yamlfile import Document, Problem
from gateway.core import Core
from gateway.core.conditions import vocabulary
from gateway.core.inputs import Config
from gateway.core.outcomes import Transition
from gateway.coreconfig import CoreConfig
from gateway.errors import EnvgwError
from gateway.explaining import NothingToExplain, explained, shown
from gateway.hydrate import Hydrating, known
from gateway.ledger import LedgerReader
from gateway.recovery import look
from gateway.rulefiles import documents
from gateway.settings import Settings
from rules.language.writing import duration_text
from rules.loader import library
from rules.model import Conditions, RuleModel, compile_rule, duration_ms

Row = dict[str, Any]
_MS = re.compile(r"\d+ms$")


def rows(core: CoreConfig) -> list[Row]:
    """One row a rule, in the order of the files, with the stations it watches."""
    registry = core.interpreter.registry
    condition = Conditions(vocabulary(core.interpreter.catalogue))
    found = []
    for plain in core.plain["rules"]:
        rule = compile_rule(RuleModel.model_validate(plain), condition)
        stations = [name for name, station in sorted(registry.stations.items()) if rule.watches(station, station.area)]
        found.append({**plain, "stations": stations})
    return found


def shipped() -> list[Row]:
    """The rules of the library as they stand in its files."""
    return list(library().values())


# ---------------------------------------------------------------- check


class Checked(NamedTuple):
    """How many rules there are, everything that is wrong in them, and if nothing is, what is hardly meant so."""

    rules: int
    problems: list[Problem]
    hints: list[Problem]


def check(loaded: LoadedConfig | None, paths: Sequence[Path]) -> Checked:
    """These files. Without: those of the configuration."""
    problems: list[Problem] = []
    files: Sequence[Document] = documents(paths, problems) if paths else loaded.rules if loaded else ()
    stations: list[Any] = []
    for document in loaded.stations if loaded else ():
        if isinstance(document.data, dict) and isinstance(document.data.get("stations"), list):
            stations += document.data["stations"]
    models = coreconfig.read_rules(files, stations if loaded else None, problems)
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column))
    return Checked(len(models), ordered, [] if problems else hints(models, files, _interpreter(loaded)))


def _interpreter(loaded: LoadedConfig | None) -> Interpreter | None:
    """Which stations there are, and what their devices may say; None where the configuration says nothing of it, or is wrong."""
    try:
        return None if loaded is None else coreconfig.build(dataclasses.replace(loaded, rules=())).interpreter
    except ConfigError:
        return None


# ---------------------------------------------------------------- explain


def explain(settings: Settings, rule: str, station: str) -> Row:
    """Through the running gateway; without one as the ledger left it, which is as of its last input. Raises EnvgwError."""
    try:
        found: Row = Api(settings).get(f"/api/v1/rules/{rule}/explain", station=station)
        return found
    except NotRunning:
        path = settings.gateway.data_dir / settings.ledger.file
        if not path.is_file():
            raise
    with LedgerReader(path) as ledger:
        core = look(ledger)
        try:
            return explained(core, rule, station, core.state.last_received_ms)
        except NothingToExplain as error:
            raise EnvgwError(str(error)) from None


def explanation(found: Row) -> list[str]:
    """The same as lines to read."""
    head = f"{found['rule']} at {found['station']}, {found['time']}: {found['state']}"
    lines = [head + (f" ({found['severity']} since {found['since']}, {found['episode']})" if found["since"] else "")]
    lines += [f"  {sentence}" for sentence in found["why"]]
    for level in found["levels"]:
        for name in ("when", "clear"):
            if level[name] is not None:
                lines += ["", f"  {level['severity']} {name}:", *_tree(level[name], 2)]
    return lines


def _tree(part: Row, depth: int) -> list[str]:
    where = f"{part['station']}: " if part.get("station") else ""
    lines = [f"{'  ' * depth}{where}{part['text']}  =  {shown(part)}"]
    for inner in part["parts"]:
        lines += _tree(inner, depth + 1)
    return lines


# ---------------------------------------------------------------- diff


def diff(settings: Settings, new: CoreConfig, old: CoreConfig) -> Row:
    """What these rules would do in place of those in force: rules, open episodes, new windows. Changes nothing.

    `old` is what the files of the configuration say: it counts where no gateway has run yet.
    """
    path = settings.gateway.data_dir / settings.ledger.file
    if not path.is_file():
        return {**_rules(old.plain["rules"], new), "in_force": "configuration", "time": None, "kept": [], "ended": [], "windows": []}
    with LedgerReader(path) as ledger:
        core = look(ledger)
        now_ms = core.state.last_received_ms  # beside a running gateway that is a moment ago
        in_force = _in_force(ledger, core)
        work = Hydrating(new.plain, known(core), now_ms)
        coverage = []
        if work.needed:
            from gateway.commands.query import AnyHistory  # DuckDB takes longer to import than the rest of the command to run

            work.take_in(ledger)
            asyncio.run(prehistory.fill(work, AnyHistory(settings), now_ms))
            coverage = work.result().coverage
        before = {
            episode.latest.episode: episode.latest
            for episode in ledger.episodes("open", None, 100_000)
            if episode.latest.kind == "threshold"
        }
        out = core.step([Config(now_ms, new.digest, new.text)])
    ended = {item.episode: item for item in out.transitions if item.state == "resolved"}
    return {
        **_rules(in_force if in_force is not None else old.plain["rules"], new),
        "in_force": "ledger" if in_force is not None else "configuration",
        "time": iso(now_ms),
        "kept": [_episode(item) for name, item in before.items() if name not in ended],
        "ended": [_episode(item) for name, item in ended.items() if item.kind == "threshold"],
        "windows": [
            {"window": item.window, "stations": item.stations, "length_s": item.length_ms / 1000, "covered_s": item.covered_ms / 1000}
            for item in coverage
        ],
    }


def _in_force(ledger: LedgerReader, core: Core) -> list[Mapping[str, Any]] | None:
    text = ledger.config_text(core.state.config) if core.state.config else None
    return None if text is None else json.loads(text)["rules"]


def _rules(before: Sequence[Mapping[str, Any]], new: CoreConfig) -> Row:
    old = {rule["id"]: rule for rule in before}
    now = {rule["id"]: rule for rule in new.plain["rules"]}
    condition = Conditions(vocabulary(new.interpreter.catalogue))

    def identity(rule: Mapping[str, Any]) -> str:
        return compile_rule(RuleModel.model_validate(rule), condition).identity

    changed = []
    for name in now:
        if name in old and old[name] != now[name]:
            fields = list(_changes("", old[name], now[name]))
            changed.append({"rule": name, "fields": fields, "keeps_episodes": identity(old[name]) == identity(now[name])})
    return {"added": [name for name in now if name not in old], "removed": [name for name in old if name not in now], "changed": changed}


def _changes(path: str, old: Any, new: Any) -> list[Row]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for key in dict.fromkeys([*old, *new]):
            found += _changes(f"{path}.{key}" if path else str(key), old.get(key), new.get(key))
        return found
    return [] if old == new else [{"field": path, "old": old, "new": new}]


def _episode(item: Transition) -> Row:
    return {
        "episode": item.episode,
        "rule": item.rule,
        "station": item.station,
        "area": item.area,
        "severity": item.severity,
        "state": item.state,
    }


def difference(found: Row) -> list[str]:
    """A diff as lines to read."""
    lines = [f"+ {name}" for name in found["added"]] + [f"- {name}" for name in found["removed"]]
    for rule in found["changed"]:
        keeps = (
            "its open alerts go on"
            if rule["keeps_episodes"]
            else "its open alerts end (rule changed), because what identifies them changes"
        )
        lines.append(f"~ {rule['rule']}: {keeps}")
        lines += [f"    {item['field']}: {_word(item['old'])} -> {_word(item['new'])}" for item in rule["fields"]]
    if not lines:
        lines.append("the rules are the same")
    for key, what in (("ended", "would end: rule changed"), ("kept", "goes on")):
        lines += [f"  {item['episode']}  {item['severity']}  {what}" for item in found[key]]
    for item in found["windows"]:
        reach = f"{item['covered_s'] / 3600:.3g} of {item['length_s'] / 3600:.3g} h in the journal"
        lines.append(f"  new window {item['window']}: {reach}, {item['stations']} stations")
    if found["in_force"] == "configuration":
        lines.append("  (compared with the configuration's files: no gateway has run here yet, so there are no alerts and no windows)")
    return lines


def _word(value: Any) -> str:
    return "(nothing)" if value is None else lasting(value) if _MS.match(str(value)) else str(value)


def lasting(value: Any) -> str:
    """A duration of a rule as people write it: `600000ms` → `10m`."""
    return duration_text(duration_ms(value))
