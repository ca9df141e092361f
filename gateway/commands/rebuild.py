"""`envgw history rebuild`: summaries and indices made again by the running gateway, station after station."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cliparts import ConfigOption, JsonOption, print_json, settings_of
from gateway.commands.progress import stages

if TYPE_CHECKING:
    from gateway.commands.client import Api
    from gateway.trial.recording import Progress


def history_rebuild(
    since: Annotated[str, typer.Option(help="From when: ISO 8601 with zone, or -30d. Whole local days are made.")],
    until: Annotated[str, typer.Option(help="Until when. Hours that may still be revised are left to the gateway.")] = "now",
    station: Annotated[list[str] | None, typer.Option(help="Only this station; may be repeated.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make hourly and daily summaries and indices again from the raw readings of the history. Raises no alert; may be repeated."""
    from gateway.commands.client import Api

    api = Api(settings_of(config))
    names = station or sorted(str(row["id"]) for row in api.get("/api/v1/stations"))
    hours = lines = 0
    with stages() as told:
        for row in rebuilt(api, names, since, until, told):
            hours, lines = hours + row["hours"], lines + row["lines"]
            if as_json:
                print_json(row)
            elif row["hours"]:
                print(f"{row['station']:<20} {row['since']} to {row['until']}: {row['hours']} hours, {row['lines']} lines")
    print(f"{len(names)} stations, {hours} hours, {lines} lines on their way to the histories", file=sys.stderr)


def rebuilt(api: Api, stations: list[str], since: str, until: str, told: Progress) -> Iterator[dict[str, Any]]:
    """What the gateway says of each part (31 days of a station). Raises EnvgwError."""
    for number, station in enumerate(stations):
        told(station, number / len(stations))
        start: str | None = since
        first: datetime | None = None
        while start is not None:
            row = api.post("/api/v1/rebuild", {"station": station, "since": start, "until": until})
            yield row
            start, first = row["next"], first or datetime.fromisoformat(row["since"])
            done = _part(first, row)
            told(station, (number + done) / len(stations))


def _part(first: datetime, row: dict[str, Any]) -> float:
    """How much of a station is done. The last part is not known before it comes: what is done against what is there now."""
    if row["next"] is None:
        return 1.0
    until = datetime.fromisoformat(row["until"])
    return (until - first) / max(until - first, datetime.now(until.tzinfo) - first)
