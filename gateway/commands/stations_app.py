"""`envgw stations …`: the commands; their work is in the modules beside this one."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cliparts import ConfigOption, JsonOption, core_of, instant, load, print_json, problems, usage

stations_app = typer.Typer(no_args_is_help=True, help="The station registry.")


class ExportFormat(StrEnum):
    """Output formats of `envgw stations export`."""

    GEOJSON = "geojson"
    CSV = "csv"
    YAML = "yaml"


@stations_app.command("list")
def stations_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Stations and devices of the registry."""
    from gateway.commands.stations import rows

    found = rows(core_of(config).interpreter.registry)
    if as_json:
        print_json(found)
        return
    for row in found:
        print(f"{row['id']:<20} {row['medium']:<6} {row['area']:<28} {row['name'].get('vi', '')}  [{', '.join(row['devices'])}]")


@stations_app.command("show")
def stations_show(
    station: Annotated[str, typer.Argument(help="Station id.")], config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """One station: where it is, who owns it, which devices stood there when; their counts and clocks if the gateway runs."""
    from devices.problems import did_you_mean
    from gateway.commands.stations import running, show, text

    core = core_of(config)
    registry = core.interpreter.registry
    found = show(registry, station)
    if found is None:
        usage(f"there is no station {station!r}{did_you_mean(station, registry.stations)}")
    health = running(load(config).settings, station)
    if as_json:
        print_json({**found, "device_health": list(health.values())})
    else:
        print("\n".join(text(found, health)))


@stations_app.command("check")
def stations_check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the registry: errors (exit 1), and warnings of what will not work as it was meant; `file:line: …`."""
    from gateway import coreconfig
    from gateway.commands.registry_check import warnings
    from gateway.config import ConfigError

    loaded = load(config)
    try:
        core = coreconfig.build(loaded)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "problems": [problem._asdict() for problem in error.problems], "warnings": []})
            raise typer.Exit(1) from None
        problems(error)
    found = warnings(loaded, core)
    if as_json:
        print_json({"ok": True, "problems": [], "warnings": [problem._asdict() for problem in found]})
        return
    for problem in found:
        print(f"warning: {problem}")
    registry = core.interpreter.registry
    print(f"{len(registry.stations)} stations, {len(registry.devices)} devices: no errors, {len(found)} warnings")


@stations_app.command("import")
def stations_import(
    file: Annotated[Path, typer.Argument(help="CSV (one row a device) or GeoJSON.", exists=True, dir_okay=False)],
    into: Annotated[Path | None, typer.Option(help="Registry file to extend or make; default the only one configured.")] = None,
    force: Annotated[bool, typer.Option(help="Let entries that are there change: the file is written anew, a .bak stays.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add stations and devices from a table or a map to the registry. Nothing is written if anything is wrong.

    CSV columns: id, name_vi, name_en (or name), lat, lon, area, medium, elevation_m, owner, department, site, photo; and of the
    device: device, type, topics (separated by blanks), broker, from, to, interval, height_m, serial, note. A station with
    several devices has several rows; its own columns may be left empty after the first.
    """
    from gateway import coreconfig
    from gateway.commands.registry_import import prepare, write
    from gateway.config import ConfigError

    loaded = load(config)
    if into is None:
        files = sorted({document.file for document in loaded.stations if document.file != str(loaded.path)})
        if len(files) != 1:
            usage(f"{len(files)} registry files are configured: say which one with --into FILE")
        into = Path(files[0])
    try:
        result = prepare(loaded, coreconfig.build(loaded), file, into, force=force)
    except ConfigError as error:
        problems(error)
    if result.text and not dry_run:
        write(result)
    if as_json:
        print_json({**result.document(), "written": bool(result.text) and not dry_run})
        return
    will = "would be " if dry_run else ""
    for what, names in (("added", result.added), ("changed", result.changed)):
        for name in names:
            print(f"{name}: {will}{what}")
    print(f"{into}: {len(result.added)} stations {will}added, {len(result.changed)} changed, {len(result.same)} already there")
    if into.resolve() not in {Path(document.file).resolve() for document in loaded.stations}:
        print(f"name {into} under `stations:` in the configuration", file=sys.stderr)
    if result.text and not dry_run:
        print("restart the gateway; then `envgw replay --reason unknown-device` takes in what came before", file=sys.stderr)


@stations_app.command("export")
def stations_export(
    format_: Annotated[ExportFormat, typer.Option("--format", help="Output format.")] = ExportFormat.GEOJSON, config: ConfigOption = None
) -> None:
    """The registry as GeoJSON (RFC 7946), CSV or YAML, on standard output."""
    from gateway.commands.registry_export import geojson, table, yaml_text

    stations = core_of(config).plain["stations"]
    if format_ is ExportFormat.CSV:
        text, lost = table(stations)
        for line in lost:
            print(f"envgw: CSV has no place for this of {line}; use --format yaml or geojson", file=sys.stderr)
    else:
        text = geojson(stations) if format_ is ExportFormat.GEOJSON else yaml_text(stations)
    print(text, end="")


@stations_app.command("acl")
def stations_acl(
    broker: Annotated[str | None, typer.Option(help="For this broker; default the only one configured.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help='Somebody else: "USER read|write FILTER", such as "boards read envgw/alerts/#"; may be repeated.'),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write it there instead of to standard output.", dir_okay=False)] = None,
    config: ConfigOption = None,
) -> None:
    """The access list for mosquitto (`acl_file`), from the registry: each device may write its own topics and nothing else.

    Each device is a user named like the device; the gateway reads what it subscribes to and writes its alerts. Give the users
    passwords, and have mosquitto read both files again (SIGHUP).
    """
    from gateway.commands import acl

    registry = core_of(config).interpreter.registry
    found = acl.logins(load(config).settings, registry, broker, allow or (), instant(None, "now"))
    for line in acl.shared_topics([login for login in found if login.user in registry.devices]):
        print(f"warning: {line}", file=sys.stderr)
    if output is None:
        print(acl.text(found), end="")
        return
    output.write_text(acl.text(found), "utf-8")  # in place: who owns and who may read it stays, and a mounted file is the same file
    print(f"{output}: {len(found)} users", file=sys.stderr)


@stations_app.command("unknown")
def stations_unknown(
    device: Annotated[str | None, typer.Option(help="Only of this device id.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many devices, those with most messages first.", min=1)] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Devices that speak and are not registered: since when, on which topics, what they seem to be and what they say."""
    from gateway.commands.unknown import fetch, text

    loaded = load(config)
    found = fetch(loaded.settings, core_of(config).interpreter, device, limit)
    if as_json:
        print_json(found)
        return
    for row in found:
        print("\n".join(text(row)))
    if not found:
        print("no unknown devices", file=sys.stderr)
