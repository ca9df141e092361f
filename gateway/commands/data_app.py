"""`envgw export` and `envgw import`: options; their work is in the modules beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cliparts import ConfigOption, JsonOption, load, print_json, problems


class ExportFormat(StrEnum):
    """Formats of `envgw export`."""

    PARQUET = "parquet"
    CSV = "csv"
    GEOJSON = "geojson"


def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="File, or for Parquet a folder: a file a month.")],
    format_: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.PARQUET,
    station: Annotated[list[str] | None, typer.Option(help="Station id; may be repeated; default all.")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="Parameter id; may be repeated; default all.")] = None,
    area: Annotated[str | None, typer.Option(help="Only readings of this area and all that lies in it, e.g. hai-chau.")] = None,
    since: Annotated[str | None, typer.Option(help="ISO 8601 with zone, or -24h; exclusive; default all (geojson: -24h).")] = None,
    until: Annotated[str | None, typer.Option(help="The same, inclusive; default now.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Parquet folder: make months again that an earlier export finished.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write readings to files that last, with a manifest: what, from which history, licence, units, rows, SHA-256.

    Through the running gateway, else from the history itself. A Parquet folder gets a file a month and can be gone on with: call it
    again after an interruption, or every month. GeoJSON: each station with its newest reading of every parameter in the period.
    """
    import uvloop

    from gateway import coreconfig
    from gateway.commands import export as command
    from gateway.config import ConfigError

    loaded = load(config)
    try:
        core = coreconfig.build(loaded)
    except ConfigError as error:
        problems(error)
    wanted = command.Wanted(format_.value, output, station or (), parameter or (), area, since, until, again)
    manifest = uvloop.run(command.export(loaded.settings, core, wanted))
    if as_json:
        print_json(manifest)
    else:
        print(command.summary(manifest, output))
