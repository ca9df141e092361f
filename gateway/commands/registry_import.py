"""`envgw stations import`: stations and devices from a table or a map into a registry file.

    CSV or GeoJSON ──▶ entries, each knowing its line ──▶ merged with the registry ──▶ checked as a whole ──▶ written

New stations are appended and the file's comments stay. An entry that is there and would change is refused without `force`;
with it the file is written anew from its data, and what it was stands beside it as `.bak`. Nothing is written if anything is
wrong anywhere. CSV: see `registry_export` for the columns; `name` alone stands for both languages, `,` `;` and tab separate.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from devices.problems import ConfigError as DataError
from devices.problems import did_you_mean
from devices.registry import parse as parse_registry
from gateway.commands.registry_export import DEVICE_COLUMNS, STATION_COLUMNS, yaml_text
from gateway.config import ConfigError, LoadedConfig, yamlfile
from gateway.config.yamlfile import Document, PathTuple, Problem
from gateway.coreconfig import CoreConfig
from gateway.errors import EnvgwError

_ALIASES = {
    "station": "id",
    "latitude": "lat",
    "longitude": "lon",
    "lng": "lon",
    "device_id": "device",
    "device_type": "type",
    "topic": "topics",
}
_NUMBERS = frozenset(("lat", "lon", "elevation_m", "height_m"))
_NAMES = {"name_vi": "vi", "name_en": "en"}
MAX_BYTES = 50_000_000


@dataclass(slots=True)
class Entry:
    """One station as it came, and where each part of it stands: `problem(path in the station, message)`."""

    data: dict[str, Any]
    problem: Callable[[PathTuple, str], Problem]


@dataclass(slots=True)
class Result:
    """What is, or would be, done."""

    target: Path
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    devices: int = 0
    """In the stations added or changed."""
    rewritten: bool = False
    text: str = ""
    """The whole file as it will be."""

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "target": str(self.target),
            "added": self.added,
            "changed": self.changed,
            "same": self.same,
            "devices": self.devices,
            "rewritten": self.rewritten,
        }


def prepare(loaded: LoadedConfig, core: CoreConfig, source: Path, target: Path, *, force: bool) -> Result:
    """Read `source` and work out what `target` becomes; writes nothing. Raises ConfigError with every problem, EnvgwError."""
    entries = read(source)
    here = yamlfile.read(target) if target.exists() else Document(str(target), {"stations": []}, 0, [])
    if here.problems:
        raise ConfigError(here.problems)
    existing = (here.data or {}).get("stations") if isinstance(here.data, dict | None) else None
    if existing is not None and not isinstance(existing, list):
        raise EnvgwError(f"{target} is no registry file: `stations:` must be a list")
    existing = existing or []
    merged, result = _merge(existing, entries, target)
    if result.changed and not force:
        known = {entry.data["id"]: entry for entry in entries}
        told = "is in the registry and would change: --force writes the file anew (comments go, a .bak stays)"
        raise ConfigError([known[name].problem(("id",), f"station {name!r} {told}") for name in result.changed])
    _check(loaded, core, here, merged, entries)
    if not result.added and not result.changed:
        return result
    new = merged[len(existing) :]
    appended = _appended(target, here, new) if not result.changed else None
    if appended is None and target.exists() and existing and not force:
        raise EnvgwError(f"{target} is not written as a plain list under `stations:`; --force writes it anew (comments go, a .bak stays)")
    result.rewritten = appended is None and target.exists()
    result.text = yaml_text(merged) if appended is None else appended
    written = yamlfile.parse(result.text, str(target))
    if written.problems or written.data != {"stations": merged}:
        raise EnvgwError(f"{target}: what would be written does not read back as it should; use --into with a new file")
    return result


def write(result: Result) -> None:
    """Replace the file in one step; a file that is written anew is kept as `.bak`."""
    target = result.target
    if result.rewritten:
        target.with_name(target.name + ".bak").write_bytes(target.read_bytes())
    fresh = target.with_name(target.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(result.text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)


# --- reading


def read(source: Path) -> list[Entry]:
    """The stations in a CSV or GeoJSON file. Raises ConfigError with file, line and column of every problem."""
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise EnvgwError(f"cannot read {source}: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise EnvgwError(f"{source} has more than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(source), line, 0, f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file in UTF-8")]) from None
    if source.suffix.lower() in (".geojson", ".json") or text.lstrip()[:1] in ("{", "["):
        return _geojson(source, text)
    return _csv(source, text)


def _csv(source: Path, text: str) -> list[Entry]:
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    problems: list[Problem] = []
    try:
        columns = [_ALIASES.get(name.strip().lower(), name.strip().lower()) for name in next(rows, [])]
        known = (*STATION_COLUMNS, *DEVICE_COLUMNS, "name")
        for number, name in enumerate(columns, 1):
            if name not in known:
                problems.append(
                    Problem(str(source), 1, number, f"unknown column {name!r}{did_you_mean(name, known)} (known: {', '.join(known)})")
                )
            elif columns.index(name) < number - 1:
                problems.append(Problem(str(source), 1, number, f"column `{name}` is there twice"))
        problems += [Problem(str(source), 1, 0, f"column `{name}` is missing") for name in ("id", "lat", "lon") if name not in columns]
        if problems:
            raise ConfigError(problems)
        table = _Table(source, columns, "," if separator == ";" else ".")
        line = rows.line_num + 1
        for row in rows:
            if any(cell.strip() for cell in row):
                table.row(line, row)
            line = rows.line_num + 1
    except csv.Error as error:
        raise ConfigError([Problem(str(source), rows.line_num, 0, f"not CSV: {error}")]) from None
    if table.problems:
        raise ConfigError(table.problems)
    return list(table.entries.values())


class _Table:
    """Rows of a CSV file gathered into stations."""

    def __init__(self, source: Path, columns: Sequence[str], comma: str) -> None:
        self.entries: dict[str, Entry] = {}
        self.problems: list[Problem] = []
        self._source, self._columns, self._comma = str(source), columns, comma
        self._lines: dict[str, list[int]] = {}
        """Station → its line, then the lines of its devices."""

    def row(self, line: int, row: Sequence[str]) -> None:
        if len(row) > len(self._columns):
            self.problems.append(Problem(self._source, line, len(self._columns) + 1, f"{len(row)} cells, but {len(self._columns)} columns"))
            return
        cells = {name: cell.strip() for name, cell in zip(self._columns, row, strict=False) if cell.strip()}
        values = {name: self._value(line, name, cell) for name, cell in cells.items()}
        name = str(values.get("id", ""))
        if not name:
            self.problems.append(self._at(line, "id", "is empty: every row names its station"))
            return
        station = self._station(values)
        known = self.entries.get(name)
        if known is None:
            lines = self._lines[name] = [line]
            known = self.entries[name] = Entry(station, lambda path, message: self._problem(lines, path, message))
            known.data["devices"] = []
        else:
            for key, value in station.items():
                if known.data.setdefault(key, value) != value:
                    first = self._lines[name][0]
                    column = "name_vi" if key == "name" and "name_vi" in self._columns else key
                    self.problems.append(self._at(line, column, f"differs from what line {first} says of station {name!r}"))
        device = {("id" if key == "device" else key): value for key, value in values.items() if key in DEVICE_COLUMNS}
        if device:
            if "id" not in device:
                self.problems.append(self._at(line, "device", "is empty, but the row says something of a device"))
            known.data["devices"].append(device)
            self._lines[name].append(line)

    def _station(self, values: Mapping[str, Any]) -> dict[str, Any]:
        station = {key: value for key, value in values.items() if key in STATION_COLUMNS and key not in _NAMES}
        names = {language: values.get(column, values.get("name")) for column, language in _NAMES.items()}
        if any(names.values()):
            station["name"] = {language: text for language, text in names.items() if text}
        return station

    def _value(self, line: int, name: str, cell: str) -> Any:
        if name == "topics":
            return cell.split()
        if name in _NUMBERS:
            try:
                return float(cell.replace(",", ".") if self._comma == "," else cell)
            except ValueError:
                self.problems.append(self._at(line, name, f"{cell[:40]!r} is not a number"))
                return 0.0
        return cell

    def _at(self, line: int, column: str, message: str) -> Problem:
        number = self._columns.index(column) + 1 if column in self._columns else 0
        return Problem(self._source, line, number, f"column `{column}`: {message}")

    def _problem(self, lines: Sequence[int], path: PathTuple, message: str) -> Problem:
        """A problem of the registry's model, at the row and column that it came from."""
        if len(path) >= 2 and path[0] == "devices" and isinstance(path[1], int):
            key = str(path[2]) if len(path) > 2 else "device"
            return self._at(lines[min(path[1] + 1, len(lines) - 1)], "device" if key == "id" else key, message)
        key = str(path[0]) if path else "id"
        if key == "name":
            key = next((column for column in ("name_vi", "name_en", "name") if column in self._columns), "name_vi")
        return self._at(lines[0], key, message)


def _geojson(source: Path, text: str) -> list[Entry]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError([Problem(str(source), error.lineno, error.colno, f"not JSON: {error.msg}")]) from None
    except RecursionError:
        raise ConfigError([Problem(str(source), 0, 0, "nested too deep")]) from None
    document = yamlfile.parse(text, str(source))  # JSON is YAML: this knows where everything stands
    if document.problems:
        document = document._replace(position=0)
    if not isinstance(data, dict) or data.get("type") != "FeatureCollection" or not isinstance(data.get("features"), list):
        raise ConfigError([document.problem((), 'a GeoJSON FeatureCollection is due: {"type": "FeatureCollection", "features": […]}')])
    problems: list[Problem] = []
    entries = []
    for index, feature in enumerate(data["features"]):
        where: PathTuple = ("features", index)
        told = _point(feature)
        if isinstance(told, str):
            problems.append(_numbered(document, where, told))
            continue
        properties = {key: value for key, value in (feature.get("properties") or {}).items() if value is not None}
        name = {language: properties.pop(key) for key, language in _NAMES.items() if key in properties}
        if "name" in properties:
            said = properties.pop("name")
            name = dict(said) if isinstance(said, dict) else {"vi": said, "en": said, **name}
        station = {"id": feature.get("id", properties.pop("id", None)), "name": name, "lat": told[1], "lon": told[0], **properties}
        if not isinstance(station["id"], str):
            problems.append(_numbered(document, where, "has no `id` (of the Feature, or among its properties) that is a text"))
            continue
        station.setdefault("devices", [])
        if not isinstance(station["devices"], list) or not all(
            isinstance(device, dict) and "id" in device for device in station["devices"]
        ):
            problems.append(_numbered(document, (*where, "properties", "devices"), "must be a list of {id, type, topics}"))
            continue
        entries.append(Entry(station, _feature_problem(document, where)))
    if problems:
        raise ConfigError(problems)
    return entries


def _feature_problem(document: Document, where: PathTuple) -> Callable[[PathTuple, str], Problem]:
    def problem(path: PathTuple, message: str) -> Problem:
        inside: PathTuple = ("geometry",) if path[:1] in (("lat",), ("lon",)) else ("id",) if path[:1] == ("id",) else ("properties", *path)
        return _numbered(document, (*where, *inside), f"`{'.'.join(str(step) for step in path)}`: {message}" if path else message)

    return problem


def _numbered(document: Document, path: PathTuple, message: str) -> Problem:
    return document.problem(path, f"feature {int(path[1]) + 1}: {message}")


def _point(feature: Any) -> tuple[float, float] | str:
    """(longitude, latitude), or why there is none."""
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return "a Feature with a Point is due"
    place = geometry.get("coordinates")
    if not isinstance(place, list) or len(place) < 2 or not all(isinstance(number, int | float) for number in place[:2]):
        return "`coordinates` must be [longitude, latitude]"
    if not isinstance(feature.get("properties") or {}, dict):
        return "`properties` must be an object"
    return float(place[0]), float(place[1])


# --- merging


def _merge(existing: Sequence[dict[str, Any]], entries: Sequence[Entry], target: Path) -> tuple[list[dict[str, Any]], Result]:
    result = Result(target)
    merged = [dict(station) for station in existing]
    at = {station.get("id"): index for index, station in enumerate(merged)}
    problems = []
    seen: set[str] = set()
    for entry in entries:
        name = entry.data["id"]
        if name in seen:
            problems.append(entry.problem(("id",), f"station {name!r} is there twice"))
            continue
        seen.add(name)
        if name not in at:
            merged.append(entry.data if entry.data["devices"] else {key: value for key, value in entry.data.items() if key != "devices"})
            result.added.append(name)
        else:
            before = merged[at[name]]
            after = {**before, **{key: value for key, value in entry.data.items() if key != "devices"}}
            devices = _devices(before.get("devices") or [], entry.data["devices"])
            if devices:
                after["devices"] = devices
            if after == before:
                result.same.append(name)
                continue
            merged[at[name]] = after
            result.changed.append(name)
        result.devices += len(entry.data["devices"])
    if problems:
        raise ConfigError(problems)
    return merged, result


def _devices(before: Sequence[dict[str, Any]], incoming: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of the same device from the same date are one; others are added."""
    devices = [dict(device) for device in before]
    for device in incoming:
        same = next((known for known in devices if (known["id"], known.get("from")) == (device["id"], device.get("from"))), None)
        if same is None:
            devices.append(device)
        else:
            same.update(device)
    return devices


def _check(loaded: LoadedConfig, core: CoreConfig, here: Document, merged: Sequence[dict[str, Any]], entries: Sequence[Entry]) -> None:
    """The registry as it would be, whole."""
    others = [
        (document, index, station)
        for document in loaded.stations
        if not _same_file(document.file, here.file)
        for index, station in enumerate((document.data or {}).get("stations") or ())
    ]
    incoming = {entry.data["id"]: entry for entry in entries}
    everything = [station for _, _, station in others] + list(merged)
    try:
        parse_registry(everything, core.interpreter.types, core.interpreter.catalogue, core.plain["timezone"])
    except DataError as error:
        problems = []
        for problem in error.problems:
            number, path = int(problem.path[1]), problem.path[2:]
            if number < len(others):
                document, index, _ = others[number]
                problems.append(document.problem(("stations", index, *path), problem.message))
                continue
            station = merged[number - len(others)]
            entry = incoming.get(station["id"])
            if entry is None:
                problems.append(here.problem(("stations", number - len(others), *path), problem.message))
            else:
                problems.append(entry.problem(_in_entry(station, entry, path), problem.message))
        raise ConfigError(problems) from None


def _in_entry(station: Mapping[str, Any], entry: Entry, path: PathTuple) -> PathTuple:
    """The path in the merged station as one in what came: devices may have other places there."""
    if len(path) >= 2 and path[0] == "devices" and isinstance(path[1], int):
        wanted = station["devices"][path[1]]
        for number, device in enumerate(entry.data["devices"]):
            if (device["id"], device.get("from")) == (wanted["id"], wanted.get("from")):
                return ("devices", number, *path[2:])
        return ("id",)
    return path


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


# --- writing


def _appended(target: Path, here: Document, new: Sequence[Mapping[str, Any]]) -> str | None:
    """The file's text with the new stations at its end; None if it is not a plain block list."""
    if not target.exists():
        return None
    text = target.read_text("utf-8-sig")
    if not (here.data or {}).get("stations"):
        return None
    line, column = here.where(("stations", 0, next(iter(here.data["stations"][0]))))
    begins = re.fullmatch(r"(\s*)-\s+", text.splitlines()[line - 1][: column - 1])
    if begins is None:
        return None
    block = yaml.safe_dump([dict(station) for station in new], allow_unicode=True, sort_keys=False, width=140)
    indented = "".join(f"{begins[1]}{row}\n" for row in block.splitlines())
    return text.rstrip("\n") + "\n" + indented
