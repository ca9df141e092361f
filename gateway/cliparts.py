"""What the commands share: options, reading the configuration, telling errors, printing JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from gateway.config import LoadedConfig
    from gateway.coreconfig import CoreConfig
    from gateway.settings import Settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file; default ./envgw.yaml, else built-in defaults.", dir_okay=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for scripts: one document, or a line each.")]


def load(config: Path | None) -> LoadedConfig:
    """The configuration, or exit 1 with every problem as `file:line: …`."""
    from gateway.config import ConfigError
    from gateway.config import load as read

    if config is not None and not config.is_file():
        usage(f"no configuration file {config}")
    try:
        return read(config)
    except ConfigError as error:
        problems(error)


def core_of(config: Path | None) -> CoreConfig:
    """The core's configuration, or exit 1 with every problem."""
    from gateway import coreconfig
    from gateway.config import ConfigError

    try:
        return coreconfig.build(load(config))
    except ConfigError as error:
        problems(error)


def settings_of(config: Path | None) -> Settings:
    """The settings, or exit 1 with every problem."""
    return load(config).settings


def problems(error: Any) -> NoReturn:
    """Exit 1 with each problem on a line of its own."""
    for problem in error.problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(1)


def usage(text: str) -> NoReturn:
    """Exit 2: the command was used wrongly."""
    print(f"envgw: {text}", file=sys.stderr)
    raise typer.Exit(2)


def instant(text: str | None, default: str) -> int:
    """An instant that a person wrote (ISO 8601 with zone, `-24h`, `now`) in ms, or exit 2."""
    from gateway.api.times import parse_instant

    try:
        return parse_instant(text if text is not None else default, int(datetime.now(UTC).timestamp() * 1000))
    except ValueError as error:
        usage(str(error))


def print_json(value: Any) -> None:
    """One line."""
    print(json.dumps(value, ensure_ascii=False))
