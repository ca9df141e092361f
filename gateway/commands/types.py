"""What `envgw types list|show|test` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from devices import loader
from devices.device_type import DeviceType, parse
from devices.examples import check_example
from devices.problems import ConfigError as DataError
from gateway.config import ConfigError, problems_in, yamlfile
from gateway.coreconfig import CoreConfig


def rows(core: CoreConfig) -> list[dict[str, Any]]:
    """One row a type, by id."""
    shipped = loader.shipped_types()
    plain = {data["id"]: data for data in core.plain["types"]}
    return [
        {
            "id": name,
            "title": dict(kind.title),
            "maker": plain[name].get("maker", ""),
            "product": plain[name].get("product", ""),
            "formats": [each.name for each in kind.formats],
            "parameters": list(kind.media),
            "examples": len(kind.examples),
            "shipped": plain[name] == shipped.get(name),
        }
        for name, kind in sorted(core.interpreter.types.items())
    ]


def show(core: CoreConfig, name: str) -> dict[str, Any] | None:
    """The row, the type's data as the gateway has them, and each field's parameter."""
    row = next((row for row in rows(core) if row["id"] == name), None)
    if row is None:
        return None
    data = next(data for data in core.plain["types"] if data["id"] == name)
    catalogue = core.interpreter.catalogue
    fields = [
        {"field": path, "parameter": entry["parameter"], "unit": entry["unit"], "canonical": catalogue[entry["parameter"]].unit}
        for path, entry in data["fields"].items()
    ]
    return {**row, "fields": fields, "type": data}


def text(found: Mapping[str, Any]) -> str:
    """For people: the fields as a table, then the file."""
    lines = [f"{found['id']}: {found['title'].get('vi', '')} / {found['title'].get('en', '')}", ""]
    lines += [f"  {row['field']:<40} {row['parameter']:<16} {row['unit']} -> {row['canonical']}" for row in found["fields"]]
    return "\n".join(lines) + "\n\n" + yaml.safe_dump(found["type"], allow_unicode=True, sort_keys=False, width=140)


def run_known(core: CoreConfig) -> dict[str, Any]:
    """Every example of all types that the configuration knows."""
    return _report([(kind, "") for _, kind in sorted(core.interpreter.types.items())])


def run_files(files: Sequence[Path]) -> dict[str, Any]:
    """Every example of the types in these files. Raises ConfigError with file and line."""
    kinds, problems = [], []
    for path in files:
        document = yamlfile.read(path)
        if document.problems or not isinstance(document.data, dict):
            problems += document.problems or [document.problem((), "a type file must be a section with `id:`")]
            continue
        try:
            kinds.append((parse(loader.with_codec(document.data, path.parent), loader.catalogue()), str(path)))
        except DataError as error:
            problems += problems_in(document, [(item.path, item.message) for item in error.problems])
    if problems:
        raise ConfigError(problems)
    return _report(kinds)


def _report(kinds: Sequence[tuple[DeviceType, str]]) -> dict[str, Any]:
    types = [_tested(kind, file) for kind, file in kinds]
    return {
        "types": types,
        "green_types": sum(1 for row in types if row["green"] and not row["red"]),
        "red_types": sum(1 for row in types if row["red"]),
        "without": sum(1 for row in types if not row["green"] and not row["red"]),
        "examples": sum(row["green"] + row["red"] for row in types),
    }


def _tested(kind: DeviceType, file: str) -> dict[str, Any]:
    failures = []
    for number, example in enumerate(kind.examples):
        differences = check_example(kind, example)
        if differences:
            failures.append({"example": number, "differences": differences, "source": example.source})
    formats = ", ".join(each.name for each in kind.formats)
    green = len(kind.examples) - len(failures)
    return {"id": kind.id, "file": file, "format": formats, "green": green, "red": len(failures), "failures": failures}
