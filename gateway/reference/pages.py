"""Writes what is generated in `docs/`: the references of configuration and commands, and JSON Schemas for editors (`make schemas`).

`generated()` gives every file with its text, so that a test can say which is stale.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticUndefined

from devices.device_type import TypeModel
from devices.registry import StationModel
from gateway import metrics
from gateway.api import reference as api_reference
from gateway.config.messages import shape
from gateway.reference import quality as reference_quality
from gateway.reference import rules as reference_rules
from gateway.settings import Duration, Settings, Size
from rules import transitions
from rules.loader import library
from rules.model import RuleModel

DOCS = Path(__file__).parents[2] / "docs"

_HEAD = """# Configuration

<!-- Made by `make schemas` from gateway/settings.py: change that file, not this one. -->

Everything stands in one YAML file, `--config FILE` (default `./envgw.yaml`; if there is none, the defaults below hold). `envgw check`
reads it and the files it names, and prints `file:line: what is wrong, and what to write instead`. Editors complete and check it
with the schemas in [docs/schema](../schema/): put `# yaml-language-server: $schema=…/envgw.schema.json` into the first line.

| Written | Means |
| --- | --- |
| `90s` `10m` `2h` `7d` `2w`, `250ms` | a duration; a bare number is seconds |
| `64KB` `200MB` `10GB` | a size in powers of 1024; a bare number is bytes |
| `!env NAME` | the value of the environment variable NAME; an error if it is not set or empty |
| `!file PATH` | the content of a file without its last line end: for secrets |
| a relative path | from the folder of the configuration file; `ledger.file` and `history.path` from `gateway.data_dir` |

**YAML.** The dialect is YAML 1.2's core schema, made stricter: unquoted `no`, `on`, `007`, `0x1F`, `12:30` and dates are text. Numbers
that are names (a bucket called `2026`) need quotes. A key given twice, `<<` and unknown tags are errors.

**Environment.** `ENVGW_SECTION__KEY=value` overrides the file: `ENVGW_API__PORT=9000`. Lists and whole sections are written as JSON:
`ENVGW_GATEWAY__LANGUAGES='["vi"]'`. An item of a list is named by its `name` (with `_` for `-`) or its number from 0:
`ENVGW_BROKERS__CITY__URL`, `ENVGW_BROKERS__0__URL`. A variable that begins with `ENVGW_` and is no setting is an error, unless the
file names it in `!env`.
"""

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def _with_inline(schema: dict[str, Any]) -> dict[str, Any]:
    """Stations, rules and types may be written out in the main file, beside names of files (`gateway.config`)."""
    for key in ("types", "stations", "rules"):
        schema["properties"][key]["items"] = {"anyOf": [{"type": "string"}, {"type": "object"}]}
    return schema


def generated() -> dict[Path, str]:
    """Every generated file (relative to `docs/`) and its text."""
    return {
        Path("reference/configuration.md"): configuration_page(),
        Path("reference/cli.md"): cli_page(),
        Path("reference/metrics.md"): metrics.reference(),
        Path("reference/api.md"): api_reference.reference(),
        Path("reference/alert-states.md"): alert_states_page(),
        Path("reference/quality.md"): reference_quality.page(),
        Path("reference/rule-language.md"): reference_rules.page(),
        **reference_rules.pictures(),
        Path("schema/envgw.schema.json"): _json(_with_inline(_schema(Settings, "envgw configuration"))),
        Path("schema/stations.schema.json"): _json(_list_schema("stations", StationModel, "envgw registry: stations and their devices")),
        Path("schema/rules.schema.json"): _json(_with_use(_list_schema("rules", RuleModel, "envgw alert rules"))),
        Path("schema/type.schema.json"): _json(_schema(TypeModel, "envgw device type")),
    }


_STATES_HEAD = """# States of an alert

<!-- Made by `make schemas` from rules/transitions.py: change that file, not this one. -->

An *episode* is open while any level of its rule is on; its severity is the worst level that is on. Every step below is a transition,
with its time at the station (`event_ms`), the time at which the gateway noticed (`processed_ms`), the values that caused it and a reason
(in brackets). *Acknowledged*, *silenced*, *flapping*, *calmed*, *members*, *caught-up* and *late-data* are marks beside the state:
they change nothing in it. What a rule means for a reader of rules files is told in [the rule engine](../explanation/rule-engine.md).

Each level is a machine of its own (first picture); together they make up the episode (second picture).

"""


def alert_states_page() -> str:
    """The tables of the rule machines, drawn."""
    return _STATES_HEAD + transitions.diagram()


def configuration_page() -> str:
    """One table a section, one row a setting."""
    parts = [_HEAD]
    parts += [f"## {title}\n\n{_about(model)}\n\n{_table(model)}" for title, model in sections(Settings)]
    return "\n".join(parts)


_CLI_HEAD = """# Commands

<!-- Made by `make schemas` from gateway/cli.py: change that file, not this one. -->

Every listing has `--json`: one JSON document, or JSON Lines where it streams. Errors go to stderr. Exit codes: 0 done, 1 what was asked
for failed, 2 wrong usage.
"""


def cli_page() -> str:
    """The help of every command, as it is printed."""
    from gateway.cli import app

    parts = [_CLI_HEAD]
    parts += [f"## envgw {name}\n\n```\n{_help(app, name)}\n```\n" for name in commands(app)]
    return "\n".join(parts)


def commands(app: typer.Typer) -> list[str]:
    """All commands, those of groups with the group's name before them, in the order of `--help`."""
    own = [_command_name(command) for command in app.registered_commands]
    grouped = [f"{group.name} {name}" for group in app.registered_groups if group.typer_instance for name in commands(group.typer_instance)]
    return own + grouped


def _command_name(command: typer.models.CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def _help(app: typer.Typer, name: str) -> str:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}, prog_name="envgw")
    if result.exit_code:
        raise RuntimeError(f"envgw {name} --help: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines())


def sections(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections below `model` with their names as in the file: the top level first, `brokers[]` for a list's items."""
    if not prefix:
        yield "Top level", model
    for name, field in model.model_fields.items():
        kind = shape(field.annotation)
        inner = kind.section or (shape(kind.item).section if kind.item is not None else None)
        if inner is not None:
            title = f"{prefix}{name}" + ("" if kind.section else "[]")
            yield f"`{title}`", inner
            yield from sections(inner, f"{title}.")


def _about(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(model: type[BaseModel]) -> str:
    rows = ["| Setting | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        rows.append(f"| `{name}` | {_type(field)} | {_default(field)} | {_cell(field.description or _inner_about(field))} |")
    return "\n".join(rows) + "\n"


def _inner_about(field: FieldInfo) -> str:
    section = shape(field.annotation).section
    return _about(section) if section is not None else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _type(field: FieldInfo) -> str:
    """The type in a reader's words. Durations and sizes are known by their converters, which stand in the field's metadata."""
    return _words(field.annotation, field.metadata)


_CONVERTERS = {get_args(Duration)[1].func: "duration", get_args(Size)[1].func: "size"}


def _words(annotation: Any, metadata: typing.Sequence[Any] = ()) -> str:
    converter = next((_CONVERTERS[item.func] for item in metadata if getattr(item, "func", None) in _CONVERTERS), None)
    if converter is not None:
        return converter
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return _words(parts[0], parts[1:])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(part) for part in parts if part is not type(None))
    if origin is list:
        return f"list of {_words(parts[0])}"
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names = {str: "text", int: "whole number", float: "number", bool: "true, false", Path: "path", SecretStr: "secret"}
    return names[annotation]


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.is_required() or default is PydanticUndefined:
        return "**required**"
    if default is None or default == "":
        return "none"
    if isinstance(default, BaseModel):
        return "see below"
    if isinstance(default, list):
        return ", ".join(_item_default(item) for item in default) or "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def _item_default(item: Any) -> str:
    if not isinstance(item, BaseModel):
        return f"`{item}`"
    given = {key: value for key, value in item.model_dump(mode="json").items() if key in item.model_fields_set}
    return "`{" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}`"


class _AsWritten(GenerateJsonSchema):
    """Describes values as people write them (`10m`, `pm25 > 100`), where a converter turns them into something else."""

    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        written = _WRITTEN.get(getattr(schema["function"]["function"], "__name__", ""))
        if written is None:
            return super().function_before_schema(schema)
        return written(super().function_before_schema(schema)) if callable(written) else dict(written)


_DURATION = {"type": ["string", "number"], "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)?\s*$", "examples": ["90s", "10m", "2h", "7d"]}
_SIZE = {"type": ["string", "number"], "pattern": r"^\s*\d+(\.\d+)?\s*([KkMmGgTt]?[Bb])?\s*$", "examples": ["64KB", "200MB", "10GB"]}
_CONDITION = {"type": "string", "examples": ["pm25 > 100"]}
_WRITTEN: dict[str, Any] = {
    "parse_duration": _DURATION,
    "duration_ms": _DURATION,
    "parse_size": _SIZE,
    "_condition": _CONDITION,
    "_one_shape": lambda schema: {"anyOf": [{"type": "string"}, schema]},  # a station's area: one path, or a list with dates
}
"""By the converter's name: what stands in the file. `tests/docs/test_schemas.py` holds every shipped file against it."""


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    return {"$schema": _SCHEMA, **TypeAdapter(model).json_schema(schema_generator=_AsWritten), "title": title}


def _list_schema(key: str, model: type[BaseModel], title: str) -> dict[str, Any]:
    """A file whose only key holds a list of `model`."""
    inner = TypeAdapter(model).json_schema(schema_generator=_AsWritten)
    definitions = {**inner.pop("$defs", {}), model.__name__: inner}
    return {
        "$schema": _SCHEMA,
        "title": title,
        "type": "object",
        "properties": {key: {"type": "array", "items": {"$ref": f"#/$defs/{model.__name__}"}}},
        "required": [key],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _with_use(schema: dict[str, Any]) -> dict[str, Any]:
    """A rule may begin with one of the library (`rules.loader`): then nothing else must be written, and `off` takes a level away."""
    whole = schema["$defs"]["RuleModel"]
    level = {"anyOf": [{"type": "object"}, {"enum": ["off", False]}]}
    properties = {**whole["properties"], "levels": {"type": "object", "additionalProperties": level}}
    used = {"use": {"enum": sorted(library()), "description": "Id of a rule of the library."}}
    schema["$defs"]["UsedRule"] = {
        "type": "object", "properties": {**used, **properties}, "required": ["use"], "additionalProperties": False,
    }  # fmt: skip
    schema["properties"]["rules"]["items"] = {"anyOf": [{"$ref": "#/$defs/RuleModel"}, {"$ref": "#/$defs/UsedRule"}]}
    return schema


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(docs: Path = DOCS) -> list[Path]:
    """Write the files that changed; returns them."""
    changed = []
    for name, text in generated().items():
        path = docs / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            changed.append(path)
    return changed
