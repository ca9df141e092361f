"""`envgw export` and `envgw import`: options; their work is in the modules beside this one."""

from __future__ import annotations

import sys
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


class ImportFormat(StrEnum):
    """What kind of file `envgw import` reads."""

    CSV = "csv"
    PARQUET = "parquet"


def import_(
    form: Annotated[ImportFormat, typer.Argument(metavar="csv|parquet", help="What kind of file it is.")],
    file: Annotated[Path, typer.Argument(help="Series file.", exists=True, dir_okay=False)],
    map_: Annotated[str, typer.Option("--map", help="How to read it: a shipped map's name, or a YAML file; `envgw` for our own exports.")],
    station: Annotated[str | None, typer.Option(help="Station that it is of; default: the one that each row names.")] = None,
    device: Annotated[str | None, typer.Option(help="Device that measured; default: what the row says, else the map's name.")] = None,
    only: Annotated[str | None, typer.Option(help="Only rows of this station of the file.")] = None,
    doubt_labelled: Annotated[
        bool, typer.Option("--doubt-labelled", help="Values whose label does not count (`usable` of the map) are suspect (flag 3).")
    ] = False,
    refused: Annotated[Path | None, typer.Option(help="Write every refused line here (CSV).", dir_okay=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge, but store nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring an archive of old readings into every history, judged as `envgw quality` judges. Pages nobody and moves nothing live.

    Through the running gateway, else into its ledger, for when it is started. The same file again replaces the same points.
    Exit 1 if nothing of the file could be stored.
    """
    from gateway import coreconfig
    from gateway.commands import import_archive as command
    from gateway.config import ConfigError
    from gateway.imports.archive import Into

    loaded = load(config)
    try:
        core = coreconfig.build(loaded)
    except ConfigError as error:
        problems(error)
    series_map = command.read_map(map_, form.value)
    report = command.run(
        loaded.settings, core, file, series_map, Into(station, device, only, doubt_labelled),
        dry_run=dry_run, refused_to=refused, told=lambda text: print(text, file=sys.stderr),
    )  # fmt: skip
    if as_json:
        print_json(report)
    else:
        for line in command.table(report):
            print(line)
    if report["rows"] and not report["stored"]:
        raise typer.Exit(1)
