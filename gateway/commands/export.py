"""`envgw export`: what is asked for, where from, and what is said of it; the work is in `gateway.export`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from devices.stations import Registry, area_fits
from gateway.api.times import parse_instant
from gateway.commands.progress import Told, bar
from gateway.commands.query import Where, check_parameters, unit_of, where
from gateway.errors import EnvgwError
from gateway.export.files import Order, csv_file, parquet_file, parquet_folder
from gateway.export.manifest import NOT_STATED
from gateway.export.points import geojson_file
from gateway.export.stretches import Stretch
from gateway.history.base import StoredReading
from gateway.version import VERSION

if TYPE_CHECKING:
    from gateway.coreconfig import CoreConfig
    from gateway.settings import Settings

Format = Literal["parquet", "csv", "geojson"]
EVER = Stretch(-1, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command."""

    form: Format
    output: Path
    stations: Sequence[str] = ()
    parameters: Sequence[str] = ()
    area: str | None = None
    since: str | None = None
    until: str | None = None
    again: bool = False


async def export(settings: Settings, core: CoreConfig, wanted: Wanted) -> dict[str, Any]:
    """Do it; returns the manifest. Raises EnvgwError."""
    check_parameters(wanted.parameters)
    async with where(settings) as found:
        whole = period(wanted, found.now_ms)
        with bar("exporting") as told:
            order = Order(
                ask=_ask(found, wanted),
                whole=whole,
                asked=_asked(wanted),
                about=provenance(settings, core, found),
                unit_of=unit_of,
                now_ms=found.now_ms,
                keep=_filter(wanted),
                told=_part(told, whole),
            )
            return await _write(order, wanted, core.interpreter.registry)


def _prepare(wanted: Wanted) -> bool:
    """Make the folder; returns whether the output is one."""
    output = wanted.output
    folder = wanted.form == "parquet" and output.suffix != ".parquet"
    if not folder and output.is_dir():
        raise EnvgwError(f"{output} is a folder: --format {wanted.form} writes one file, such as {output / ('readings.' + wanted.form)}")
    (output if folder else output.parent).mkdir(parents=True, exist_ok=True)
    return folder


async def _write(order: Order, wanted: Wanted, registry: Registry) -> dict[str, Any]:
    output = wanted.output
    try:
        if _prepare(wanted):
            return await parquet_folder(order, output, again=wanted.again)
        if wanted.form == "geojson":
            return await geojson_file(order, output, registry)
        return await (csv_file if wanted.form == "csv" else parquet_file)(order, output)
    except OSError as error:
        raise EnvgwError(f"{error.filename or output}: {error.strerror or error}") from error


def period(wanted: Wanted, now_ms: int) -> Stretch:
    """since < time <= until. Left out: everything, for a map the last 24 hours. Raises EnvgwError."""
    since = wanted.since or ("-24h" if wanted.form == "geojson" else None)
    try:
        since_ms = EVER.since_ms if since is None else parse_instant(since, now_ms)
        until_ms = parse_instant(wanted.until or "now", now_ms)
    except ValueError as error:
        raise EnvgwError(str(error)) from None
    if since_ms >= until_ms:
        raise EnvgwError(f"--since {since} is not before --until {wanted.until or 'now'}: exchange them")
    return Stretch(since_ms, until_ms)


def provenance(settings: Settings, core: CoreConfig, found: Where) -> dict[str, Any]:
    """Who measured, under which licence, and by which history and gateway the readings come."""
    gateway, history = settings.gateway, found.history
    return {
        "source": gateway.source or gateway.city or NOT_STATED,
        "licence": gateway.licence or NOT_STATED,
        "gateway": {"id": gateway.id, "version": VERSION, "configuration": core.digest},
        "history": {"name": history.name, "kind": history.kind, "asked": "the running gateway" if found.running else "the history itself"},
    }


def _ask(found: Where, wanted: Wanted) -> Callable[[int, int], AsyncIterator[StoredReading]]:
    only = wanted.stations[0] if len(wanted.stations) == 1 else None
    parameters = list(wanted.parameters) or None
    return lambda since_ms, until_ms: found.rows(only, parameters, since_ms, until_ms)


def _filter(wanted: Wanted) -> Callable[[StoredReading], bool] | None:
    """What the history cannot be asked: several stations, an area with all that lies in it."""
    stations = frozenset(wanted.stations) if len(wanted.stations) > 1 else None
    pattern = None if wanted.area is None else f"{wanted.area.removesuffix('/*')}/*"
    if stations is None and pattern is None:
        return None
    return lambda row: (stations is None or row.station in stations) and (pattern is None or area_fits(pattern, row.area))


def _asked(wanted: Wanted) -> dict[str, Any]:
    """For the manifest. The period is not part of it: a later one may go on with what an earlier one left."""
    return {
        "format": wanted.form,
        "stations": sorted(wanted.stations),
        "parameters": sorted(wanted.parameters),
        "area": wanted.area,
    }


def _part(told: Told, whole: Stretch) -> Callable[[int, int], None]:
    """What is done of the period, counted from where the first reading was found."""
    begin: int | None = None

    def passed(rows: int, until_ms: int) -> None:
        nonlocal begin
        if begin is None and rows:
            begin = until_ms
        told(rows, None if begin is None or whole.until_ms <= begin else (until_ms - begin) / (whole.until_ms - begin))

    return passed


def summary(manifest: dict[str, Any], output: Path) -> str:
    """For people."""
    files, spans = manifest["files"], manifest["period"]
    if not manifest["rows"]:
        return f"{output}: no reading in this period"
    flags = ", ".join(f"{entry['rows']} flag {flag}" for flag, entry in manifest["flags"].items() if entry["rows"])
    size = sum(entry["bytes"] for entry in files)
    what = "1 file" if len(files) == 1 else f"{len(files)} files"
    return (
        f"{output}: {manifest['rows']} readings of {len(manifest['parameters'])} parameters, {spans['first']} to {spans['last']}, "
        f"{what}, {size:,} bytes; {flags}; licence: {manifest['licence']}"
    )
