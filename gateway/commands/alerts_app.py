"""`envgw alerts list|ack`: what they print; the work is in `gateway.commands.alerts` and the running gateway."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from devices.times import iso
from gateway.cliparts import ConfigOption, JsonOption, instant, print_json, settings_of, usage

alerts_app = typer.Typer(no_args_is_help=True, help="Alerts: what is open, what was, and who takes care.")


class AlertState(StrEnum):
    """Which alerts to list."""

    OPEN = "open"
    FIRING = "firing"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    ALL = "all"


@alerts_app.command("list")
def alerts_list(
    state: Annotated[AlertState, typer.Option(help="open is firing or unknown (data stopped).")] = AlertState.OPEN,
    station: Annotated[str | None, typer.Option(help="Only of this station.")] = None,
    since: Annotated[str | None, typer.Option(help="Changed since: ISO 8601 with zone, or -24h.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 1000,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Alerts, the one that changed last first."""
    from gateway.commands.alerts import fetch

    rows = fetch(settings_of(config), state.value, station, instant(since, "now") if since else None, limit)
    if as_json:
        print_json(rows)
        return
    now = iso(int(time.time() * 1000))
    for row in rows:
        reading = "" if row["value"] is None else f"{row['parameter']} {row['value']:g} {row['unit']}"
        name = row["names"].get("vi") or row["names"].get("en") or row["rule"]
        where = row["station"] or row["device"]
        marks = [f"[{row['acknowledged_by']} takes care]"] if row["acknowledged_by"] else []
        marks += [f"[silenced until {row['silenced_until']}]"] if row["state"] != "resolved" and (row["silenced_until"] or "") > now else []
        print("  ".join([f"{row['since']}  {row['severity']:<8} {row['state']:<8} {where:<18} {name}", reading, row["episode"], *marks]))
    if not rows:
        print("no alerts", file=sys.stderr)


@alerts_app.command("ack")
def alerts_ack(
    episode: Annotated[str, typer.Argument(help="The alert's id, as `envgw alerts list` shows it.")],
    operator: Annotated[str, typer.Option(help="Who takes care.")],
    comment: Annotated[str, typer.Option(help="What is being done.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Acknowledge an open alert: somebody takes care."""
    from urllib.parse import quote

    from gateway.commands.client import Api

    found = Api(settings_of(config)).post(f"/api/v1/alerts/{quote(episode)}/acknowledge", {"operator": operator, "comment": comment})
    if as_json:
        print_json(found)
    else:
        print(f"{episode}: acknowledged by {found['acknowledged_by']}")


@alerts_app.command("silence")
def alerts_silence(
    episode: Annotated[str, typer.Argument(help="The alert's id, as `envgw alerts list` shows it.")],
    duration: Annotated[str, typer.Option("--for", help="How long from now, such as 30m, 2h or 1d; 0s lifts an earlier silence.")],
    operator: Annotated[str, typer.Option(help="Who wants it.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell people nothing of an open alert for a while, unless it becomes worse."""
    from urllib.parse import quote

    from gateway.commands.client import Api
    from gateway.settings import parse_duration

    try:
        for_s = parse_duration(duration) / 1000
    except ValueError as error:
        usage(f"--for: {error}")
    body = {"operator": operator, "for_s": for_s, "comment": comment}
    found = Api(settings_of(config)).post(f"/api/v1/alerts/{quote(episode)}/silence", body)
    if as_json:
        print_json(found)
    elif for_s:
        print(f"{episode}: silenced by {found['silenced_by']} until {found['silenced_until']}")
    else:
        print(f"{episode}: no longer silenced")
