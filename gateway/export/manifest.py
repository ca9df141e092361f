"""The manifest beside an export: what it is, from which history, made by what, under which licence, and how to check it.

A single file gets `<name>.manifest.json`; a folder gets `manifest.json`, which is also how an interrupted export goes on: it
names every finished month with its digest.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from devices.indices.derived import Derived
from devices.loader import catalogue, derived_table
from devices.parameters import Parameter
from devices.times import iso
from gateway.errors import EnvgwError
from gateway.export.stretches import Stretch
from gateway.history.base import StoredReading

VERSION = 1
"""Of the manifest's layout."""
NOT_STATED = "not stated"
_FLAGS = {"1": "good", "2": "not evaluated", "3": "suspect", "4": "fail", "9": "missing"}
_COLUMNS = (
    ("time", "Instant of the reading, ISO 8601, UTC (Parquet: timestamp with time zone)."),
    ("station", "Station id of the registry."),
    ("device", "Device id."),
    ("area", "Area of the station that was valid at that time."),
    ("medium", "air, water, device or index."),
    ("parameter", "Parameter id; its row in `parameters` says more."),
    ("value", "Number in `unit`; empty (null) where flag is 9."),
    ("unit", "UCUM code of the value's unit."),
    ("flag", "Quality (QARTOD, IOC 54:V3): see `flags`."),
)


@dataclass(slots=True)
class Tally:
    """What was counted of readings."""

    rows: int = 0
    flags: Counter[int] = field(default_factory=Counter)
    parameters: set[str] = field(default_factory=set)
    stations: set[str] = field(default_factory=set)
    first_ms: int | None = None
    last_ms: int | None = None

    def add(self, rows: Sequence[StoredReading]) -> None:
        """Count these."""
        if not rows:
            return
        self.rows += len(rows)
        self.flags.update([row[7] for row in rows])
        self.parameters.update([row[5] for row in rows])
        self.stations.update([row[1] for row in rows])
        times = [row[0] for row in rows]
        self.first_ms = min(times) if self.first_ms is None else min(self.first_ms, *times)
        self.last_ms = max(times) if self.last_ms is None else max(self.last_ms, *times)

    def document(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "rows": self.rows,
            "first": None if self.first_ms is None else iso(self.first_ms),
            "last": None if self.last_ms is None else iso(self.last_ms),
            "flags": {str(flag): count for flag, count in sorted(self.flags.items())},
            "parameters": sorted(self.parameters),
            "stations": sorted(self.stations),
        }


def file_entry(path: Path, covers: Stretch, tally: Mapping[str, Any]) -> dict[str, Any]:
    """One finished file. `covers`: the period that was asked for in it."""
    return {
        "name": path.name,
        "covers": {"after": iso(covers.since_ms), "until": iso(covers.until_ms)},
        "bytes": path.stat().st_size,
        "sha256": digest_of(path),
        **tally,
    }


def manifest(
    asked: Mapping[str, Any], about: Mapping[str, Any], whole: Stretch, files: Sequence[Mapping[str, Any]], *, complete: bool, at_ms: int
) -> dict[str, Any]:
    """The whole document. `asked`: format and filters; `about`: what `provenance` says; `files`: see `file_entry`."""
    flags: Counter[str] = Counter()
    for entry in files:
        flags.update(entry["flags"])
    firsts, lasts = ([entry[key] for entry in files if entry[key] is not None] for key in ("first", "last"))
    parameters = sorted({name for entry in files for name in entry["parameters"]})
    return {
        "envgw_export": VERSION,
        "complete": complete,
        "what": dict(asked),
        **about,
        "created": iso(at_ms),
        "period": {
            "after": iso(whole.since_ms) if whole.since_ms > 0 else None,
            "until": iso(whole.until_ms),
            "first": min(firsts, default=None),
            "last": max(lasts, default=None),
        },
        "rows": sum(entry["rows"] for entry in files),
        "flags": {flag: {"meaning": meaning, "rows": flags[flag]} for flag, meaning in _FLAGS.items()},
        "columns": [{"name": name, "description": text} for name, text in _COLUMNS],
        "parameters": parameter_table(parameters),
        "files": list(files),
    }


def parameter_table(names: Iterable[str]) -> list[dict[str, Any]]:
    """What the catalogue says of these parameters: names, units, and their URIs in public vocabularies."""
    return [{"id": name, **_described(name)} for name in names]


def _described(name: str) -> dict[str, Any]:
    known: Parameter | Derived | None = catalogue().get(name) or derived_table().get(name)
    if known is None:
        return {"unit": "", "display": "", "name": {}, "cf": None, "uri": None}
    cf, eea = (known.cf, known.eea) if isinstance(known, Parameter) else (None, None)
    return {
        "unit": known.unit,
        "display": known.display,
        "name": dict(known.name),
        "cf": cf,
        "uri": eea,
    }


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(path: Path, entry: Mapping[str, Any]) -> bool:
    """Whether the file is what its entry says."""
    return path.is_file() and path.stat().st_size == entry["bytes"] and digest_of(path) == entry["sha256"]


def save(document: Mapping[str, Any], path: Path) -> None:
    """Write a manifest: whole or not at all."""
    beside = part_of(path)
    beside.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    put_in_place(beside, path)


def load(path: Path) -> dict[str, Any] | None:
    """The manifest there; None if there is none. Raises `EnvgwError` if something else stands there."""
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise EnvgwError(f"{path}: this manifest cannot be read ({error}): remove it, or choose another folder") from None
    if not isinstance(found, dict) or found.get("envgw_export") != VERSION:
        raise EnvgwError(f"{path} is not a manifest of this envgw: choose another folder")
    return found


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(f".{path.name}.part")


def put_in_place(part: Path, path: Path) -> None:
    """Give a finished file its name, durably."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
