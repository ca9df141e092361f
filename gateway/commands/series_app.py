"""`envgw quality` and `envgw index`: options; their work is in the modules beside this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cliparts import ConfigOption, JsonOption, load, problems, usage

if TYPE_CHECKING:
    from gateway.commands.source import Sources
    from gateway.series.hourly import Found

FileArgument = Annotated[Path | None, typer.Argument(help="Series file: CSV, Parquet or USGS JSON.", exists=True, dir_okay=False)]
MapOption = Annotated[str | None, typer.Option("--map", help="How to read it: a shipped map's name, or a YAML file.")]
SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="With FILE: a YAML file with a `quality:` section.", exists=True, dir_okay=False)
]
StationOption = Annotated[str | None, typer.Option(help="Instead of a file: this station, from the configured history.")]
SinceOption = Annotated[str | None, typer.Option(help="With --station: readings after this (ISO 8601 with zone, or -24h).")]
UntilOption = Annotated[str | None, typer.Option(help="With --station: up to this; default now.")]
PictureOption = Annotated[Path | None, typer.Option(help="Write a picture here too: out.png or out.html.", dir_okay=False)]


class Language(StrEnum):
    """Languages of pictures."""

    VI = "vi"
    EN = "en"


LanguageOption = Annotated[Language, typer.Option(help="Language of the picture.")]


class IndexName(StrEnum):
    """Indices that `envgw index` computes."""

    VN_AQI = "vn_aqi"
    US_AQI = "us_aqi"
    VN_WQI = "vn_wqi"


class UsEdition(StrEnum):
    """Editions of the US AQI's breakpoints."""

    OF_2012 = "2012"
    OF_2024 = "2024"


def quality(
    file: FileArgument = None, map_: MapOption = None, settings: SettingsOption = None,
    station: StationOption = None, since: SinceOption = None, until: UntilOption = None,
    picture: PictureOption = None, language: LanguageOption = Language.VI, config: ConfigOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Judge a series with the quality tests: flags by test and day; --json: a line a value with its flag and each test's verdict.

    A file (with --map) is judged with the shipped defaults, and with --settings by what a `quality:` section says beyond them; a
    station of the history (with --station and --since) with what its type and the station say. Flags: 1 good, 2 not evaluated,
    3 suspect, 4 fail, 9 missing.
    """
    from gateway.commands import quality as command

    _check_picture(picture)
    sources = _sources(file, map_, station, since, until, config, said=settings)
    if picture is not None:
        sources = command.judged_once(sources)
    if as_json:
        command.write_lines(sources, sys.stdout.buffer)
    else:
        for line in command.table(sources):
            print(line)
    if picture is not None:
        from gateway.commands.quality_picture import draw

        draw(sources, picture, language.value)


def _check_picture(picture: Path | None) -> None:
    if picture is not None and picture.suffix not in (".png", ".html"):
        usage(f"--picture {picture}: the name must end in .png or .html")


def _sources(
    file: Path | None,
    map_name: str | None,
    station: str | None,
    since: str | None,
    until: str | None,
    config: Path | None,
    before_h: int = 0,
    said: Path | None = None,
) -> Sources:
    """A file through its map, or a station of the history; exit 2 for anything between."""
    from gateway.commands.source import of_file, of_history, settings_of

    if said is not None and file is None:
        usage("--settings goes with FILE: a station is judged as its type and the registry say")
    if (file is None) == (station is None):
        usage("say what: FILE with --map, or --station with --since")
    if file is not None:
        if since is not None or until is not None:
            usage("--since and --until go with --station")
        if map_name is None:
            from gateway.series.maps import shipped_maps

            usage(f"FILE needs --map: a shipped map ({', '.join(shipped_maps())}) or a YAML file")
        return of_file(file, map_name, None if said is None else settings_of(said))
    if map_name is not None or since is None:
        usage("--station goes with --since (and --until), not with --map")
    import uvloop

    from gateway import coreconfig
    from gateway.config import ConfigError

    loaded = load(config)
    try:
        core = coreconfig.build(loaded)
    except ConfigError as error:
        problems(error)
    return uvloop.run(of_history(loaded.settings, core, station or "", since, until, before_h=before_h))


def index(
    file: FileArgument = None, map_: MapOption = None,
    name: Annotated[IndexName, typer.Option("--index", help="Which index.")] = IndexName.VN_AQI,
    edition: Annotated[UsEdition | None, typer.Option(help="us_aqi: this edition, whatever the day.")] = None,
    daily: Annotated[bool, typer.Option("--daily", help="One line a day instead of one an hour.")] = False,
    station: StationOption = None, since: SinceOption = None, until: UntilOption = None,
    picture: PictureOption = None, language: LanguageOption = Language.VI, config: ConfigOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Air or water quality index of a series, hour by hour, with the reason where there is none; --picture: a calendar.

    Hourly means of a file count as published if their label allows it (`usable` in the map); readings more often than hourly pass
    the quality tests and are averaged where 75 % of an hour is there. Of the history, readings flagged 1 or 2 count.
    """
    from gateway.cliparts import instant
    from gateway.commands import index as command

    _check_picture(picture)
    if edition is not None and name is not IndexName.US_AQI:
        usage("--edition goes with --index us_aqi")
    if daily and name is IndexName.VN_WQI:
        usage("--daily goes with vn_aqi and us_aqi: Decision 1460 has no daily index")
    sources = _sources(file, map_, station, since, until, config, before_h=48)
    since_ms = None if since is None else instant(since, "now")

    def rows(by_day: bool) -> Iterator[Found]:
        return command.found(sources, name.value, None if edition is None else edition.value, daily=by_day, since_ms=since_ms)

    if as_json:
        command.write_lines(rows(daily), sys.stdout.buffer, several=sources.several)
    else:
        for line in command.table(rows(daily)):
            print(line)
    if picture is not None:
        from gateway.commands.index_picture import draw

        draw(list(rows(name is not IndexName.VN_WQI)), name.value, picture, language.value)
