"""Loads the configuration: `envgw.yaml`, the files that it names, and the environment over both.

    loaded = load(Path("envgw.yaml"))        raises ConfigError with *all* problems, each with file, line and column
    loaded.settings                          what is configured, all paths absolute
    loaded.stations                          the registry's files as plain data with positions (also types, rules)
    problems_in(document, [(path, text)])    what a pure package found wrong in such data → file:line
    loaded.place(path, text)                 the same for the main file

What is legal is said in `gateway.settings`; how the text is read in `gateway.config.yamlfile`.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config import checks as configchecks
from gateway.config import env as configenv
from gateway.config import yamlfile
from gateway.config.messages import explain, shape
from gateway.config.yamlfile import Document, PathTuple, Problem
from gateway.errors import EnvgwError
from gateway.settings import Settings

DEFAULT = Path("envgw.yaml")
_FILE_LISTS = ("types", "stations", "rules")
_SUFFIXES = (".yaml", ".yml")


class ConfigError(EnvgwError):
    """The configuration cannot be used. `problems` are all that was found, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Places:
    """Says where a value of the merged data came from: a line of the main file, or a variable."""

    main: Document
    given: configenv.Overridden

    def problems(self, found: Iterable[tuple[PathTuple, str]]) -> list[Problem]:
        """`problem` for each."""
        return [self.problem(path, message) for path, message in found]

    def problem(self, path: PathTuple, message: str) -> Problem:
        """The problem at `path`: with its line, or named after the variable that gave the value."""
        variable = self.given.variable(path)
        return Problem(variable, 0, 0, message) if variable else self.main.problem(path, message)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration that was read. `path` is None if there was no file and the built-in defaults are used."""

    settings: Settings
    path: Path | None
    types: tuple[Document, ...]
    stations: tuple[Document, ...]
    rules: tuple[Document, ...]
    places: Places

    def place(self, path: PathTuple, message: str) -> Problem:
        """A problem that somebody else found in the main file's data (`("brokers", 0, "url")`), with its line."""
        return self.places.problem(path, message)


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> LoadedConfig:
    """Read the configuration at `path` (default: `./envgw.yaml` if it is there, else the built-in defaults).

    Raises ConfigError with everything that is wrong in it and in reading the files it names. What those files mean is
    judged by `devices` and `rules`, whose findings `problems_in` places.
    """
    environ = os.environ if environ is None else environ
    if path is None and DEFAULT.exists():
        path = DEFAULT
    folder = path.parent if path is not None else Path()
    main = yamlfile.read(path, tags=True, environ=environ) if path is not None else Document("built-in defaults", {}, 0, [])
    if main.problems and main.data is None:
        raise ConfigError(main.problems)  # nothing could be read: to complain about what is missing would hide the reason
    if not isinstance(main.data, dict | None):
        raise ConfigError([*main.problems, main.problem((), "the file must be a section: lines `key: value`, such as `gateway:`")])

    data = copy.deepcopy(main.data or {})
    given, wrong = configenv.override(data, Settings, environ, ignore=main.variables)
    data = _tidied(data, Settings)
    places = Places(main._replace(data=None), given)  # without the data: it holds secrets
    inline = _inline(main, data)
    files, unreadable = _files(data, folder)
    settings, found = _validated(_without_inline(data), folder)
    problems = [
        *sorted([*main.problems, *places.problems(found)], key=lambda problem: (problem.line == 0, problem.line, problem.column)),
        *(Problem(variable, 0, 0, message) for variable, message in wrong),
        *places.problems(unreadable),
        *(problem for documents in files.values() for document in documents for problem in document.problems),
    ]
    if problems or settings is None:
        raise ConfigError(dict.fromkeys(problems))
    stations, rules, types = (inline[key] + files[key] for key in ("stations", "rules", "types"))
    return LoadedConfig(_absolute(settings, folder), path, types, stations, rules, places)


def problems_in(document: Document, found: Iterable[tuple[PathTuple, str]]) -> list[Problem]:
    """Problems found in a document's data, as (path, message) pairs (`devices.problems.ConfigProblem`), with file and line."""
    return [document.problem(path, message) for path, message in found]


def _validated(data: dict[str, Any], folder: Path) -> tuple[Settings | None, list[tuple[PathTuple, str]]]:
    found = configchecks.check(data, folder)
    try:
        return Settings.model_validate(data), found
    except ValidationError as error:
        # What the root's own validator says has no place; configchecks said the same with one.
        explained = explain(error, Settings, data)
        return None, found + [(path, message) for path, message in explained if path or not found]


def _tidied(data: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A copy that can be changed, in which what people leave behind means what they think it means.

    An empty section or list (`brokers:` with everything under it commented out) is left out; where one of a few words or
    numbers is due, the quotes do not matter (`protocol: 5`, and a number in a variable, which is always text).
    """
    tidied: dict[str, Any] = {}
    for key, value in data.items():
        field = model.model_fields.get(key)
        kind = shape(field.annotation) if field is not None else shape(None)
        inner = shape(kind.item).section if kind.item is not None else None
        if value is None and (kind.section is not None or kind.item is not None):
            continue
        if kind.section is not None and isinstance(value, dict):
            value = _tidied(value, kind.section)
        elif isinstance(value, list):
            value = [_tidied(item, inner) if inner is not None and isinstance(item, dict) else item for item in value]
        elif kind.literals and isinstance(value, (int, float, str)) and not isinstance(value, bool):
            value = next((literal for literal in kind.literals if str(literal) == str(value)), value)
        tidied[key] = value
    return tidied


def _inline(main: Document, data: dict[str, Any]) -> dict[str, tuple[Document, ...]]:
    """Stations, rules and types written in the main file itself: entries that are sections and not names of files.

    They become documents like those of files, whose positions are lines of the main file.
    """
    found: dict[str, tuple[Document, ...]] = {}
    for key in _FILE_LISTS:
        entries = data.get(key)
        chosen = [n for n, entry in enumerate(entries if isinstance(entries, list) else []) if isinstance(entry, dict)]
        if not chosen:
            found[key] = ()
            continue
        assert isinstance(entries, list)
        places = [main.at((key, n)) for n in chosen]
        if key == "types":
            found[key] = tuple(Document(main.file, entries[n], place, []) for n, place in zip(chosen, places, strict=True))
        else:
            listed = (places[0] if isinstance(places[0], int) else places[0][0], places)
            found[key] = (Document(main.file, {key: [entries[n] for n in chosen]}, (0, {key: listed}), []),)
    return found


def _without_inline(data: dict[str, Any]) -> dict[str, Any]:
    """The data as `Settings` knows them: names of files only."""
    lists = {key: data[key] for key in _FILE_LISTS if isinstance(data.get(key), list)}
    return {**data, **{key: [entry for entry in entries if not isinstance(entry, dict)] for key, entries in lists.items()}}


def _files(data: dict[str, Any], folder: Path) -> tuple[dict[str, tuple[Document, ...]], list[tuple[PathTuple, str]]]:
    """The files named under `types`, `stations` and `rules`, read; and what cannot be found."""
    files: dict[str, tuple[Document, ...]] = {}
    wrong: list[tuple[PathTuple, str]] = []
    for key in _FILE_LISTS:
        named = data.get(key)
        documents: list[Document] = []
        for n, name in enumerate(named if isinstance(named, list) else []):
            if not isinstance(name, str) or not name or "\0" in name:
                continue  # the validation says so
            found = _expanded(folder / name)
            if not found:
                what = "the folder holds no .yaml file" if (folder / name).is_dir() else "there is no such file or folder"
                wrong.append(((key, n), f"{str(folder / name)!r}: {what}; paths are relative to the configuration file"))
            documents += [yamlfile.read(path) for path in found]
        files[key] = tuple(documents)
    return files, wrong


def _expanded(path: Path) -> list[Path]:
    """The file itself, or a folder's YAML files in the order of their names."""
    try:
        if path.is_dir():
            return sorted(child for child in path.iterdir() if child.suffix in _SUFFIXES and child.is_file())
        return [path] if path.exists() else []
    except OSError:  # a name that the file system cannot have, or a folder that may not be read
        return []


def _absolute(settings: Settings, folder: Path) -> Settings:
    """The settings with every path absolute: relative ones are meant from the configuration file's folder, or from `data_dir`."""
    folder = Path(os.path.abspath(folder))
    data_dir = folder / settings.gateway.data_dir
    brokers = [
        broker.model_copy(update={key: folder / path for key in ("ca_file", "cert_file", "key_file") if (path := getattr(broker, key))})
        for broker in settings.brokers
    ]
    histories = [
        history.model_copy(
            update={
                **({"path": data_dir / (history.path or "history.duckdb")} if history.kind == "duckdb" else {}),
                **({"ca_file": folder / history.ca_file} if history.ca_file else {}),
            }
        )
        for history in settings.history
    ]
    return settings.model_copy(
        update={
            "gateway": settings.gateway.model_copy(update={"data_dir": data_dir}),
            "ledger": settings.ledger.model_copy(update={"file": data_dir / settings.ledger.file}),
            "brokers": brokers,
            "history": histories,
            **{key: [folder / path for path in getattr(settings, key)] for key in _FILE_LISTS},
        }
    )
