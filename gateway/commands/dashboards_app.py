"""`envgw dashboards …`: the Grafana dashboards. Their work is in the package `dashboards`."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cliparts import ConfigOption, JsonOption, instant, print_json, settings_of, usage
from gateway.errors import EnvgwError

if TYPE_CHECKING:
    from dashboards.push import Episode, Source
    from gateway.settings import Settings

dashboards_app = typer.Typer(no_args_is_help=True, help="Grafana dashboards: write their JSON, upload them.")


@dashboards_app.command("build")
def dashboards_build(
    to: Annotated[Path | None, typer.Option(help="Folder to write into; default: where the package keeps them.", file_okay=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the dashboards as JSON: what Grafana's provisioning reads, and `push` uploads. Needs the extra `[dashboards]`."""
    try:
        from dashboards.generate import write, write_all
    except ImportError:
        raise EnvgwError("this needs the library grafana-foundation-sdk: pip install 'envgw[dashboards]'") from None
    changed = write(to) if to else write_all()
    if as_json:
        print_json([str(path) for path in changed])
        return
    for path in changed:
        print(path)
    if not changed:
        print("all dashboards are current")


@dashboards_app.command("push")
def dashboards_push(
    url: Annotated[str, typer.Option(help="Address of Grafana.", envvar="GRAFANA_URL")] = "http://localhost:3000",
    token_file: Annotated[
        Path | None, typer.Option(help="File with a service account's token; else the variable GRAFANA_TOKEN.", exists=True, dir_okay=False)
    ] = None,
    folder: Annotated[str, typer.Option(help="Title of the folder in Grafana.")] = "envgw",
    language: Annotated[list[str] | None, typer.Option(help="vi or en; may be repeated; default both.")] = None,
    from_: Annotated[Path | None, typer.Option("--from", help="Folder with the JSON; default: the shipped dashboards.")] = None,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Also the gateway's dashboard for a Prometheus.")] = False,
    influx_url: Annotated[
        str | None, typer.Option(help="History, as Grafana reaches it; default: the first influxdb of the configuration.")
    ] = None,
    database: Annotated[str | None, typer.Option(help="Database or bucket; default: that of the configuration, else envgw.")] = None,
    influx_user: Annotated[str, typer.Option(help="Login that may only read.")] = "",
    influx_password_file: Annotated[Path | None, typer.Option(help="File with its password.", exists=True, dir_okay=False)] = None,
    influx_token_file: Annotated[
        Path | None, typer.Option(help="Instead (InfluxDB 2, 3): file with a token that may only read.", exists=True, dir_okay=False)
    ] = None,
    alerts_since: Annotated[
        str | None, typer.Option(help="Upload alerts of the ledger since then as annotations (ISO 8601 with zone, or -7d).")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload folder, data source and dashboards to a Grafana (9.4.6 or newer). Needs the extra `[grafana]`. Twice changes nothing."""
    from dashboards import push, stored

    languages = tuple(dict.fromkeys(language or ["vi", "en"]))
    if unknown := [one for one in languages if one not in ("vi", "en")]:
        usage(f"--language is vi or en, not {unknown[0]!r}")
    token = _secret(token_file) or os.environ.get("GRAFANA_TOKEN", "")
    if not token:
        usage("say who you are: --token-file FILE, or the variable GRAFANA_TOKEN (in Grafana: Administration, Service accounts)")
    settings = settings_of(config)
    source = _source(settings, influx_url, database, influx_user, _secret(influx_password_file), _secret(influx_token_file))
    try:
        boards = stored.read(from_ or stored.FOLDER, languages)
        if prometheus:
            boards |= stored.read(stored.PROMETHEUS_FOLDER, languages)
        api = push.connect(url, token)
        episodes = _episodes(settings, instant(alerts_since, "now")) if alerts_since else []
        for result in push.push(api, boards, folder=folder, source=source, episodes=episodes):
            if as_json:
                print_json(result._asdict())
            elif result.what != "annotation" or result.done != "unchanged":
                print(f"{result.done:<10} {result.what} {result.name}")
    except (push.PushError, stored.NoDashboards) as error:
        raise EnvgwError(str(error)) from None


def _secret(path: Path | None) -> str:
    return path.read_text("utf-8").strip() if path else ""


def _source(settings: Settings, url: str | None, database: str | None, user: str, password: str, token: str) -> Source | None:
    """The history that Grafana is to ask; None: what it has already."""
    from dashboards.push import Source

    if url is None and not (database or user or password or token):
        return None
    configured = next((history for history in settings.history if history.kind == "influxdb"), None)
    address = url or (configured.url if configured else None)
    if address is None:
        usage("say where the history is: --influx-url URL (the configuration names no influxdb history)")
    name = database or (configured.bucket if configured else "envgw")
    return Source(url=address, database=name, user=user, password=password, token=token)


def _episodes(settings: Settings, since_ms: int) -> list[Episode]:
    """Alerts of the ledger, as annotations."""
    from dashboards.push import Episode
    from gateway.commands.alerts import fetch

    found = []
    for alert in fetch(settings, "all", None, since_ms, 5000):
        name = alert["names"].get("vi") or alert["names"].get("en") or alert["rule"]
        where = alert["station"] or alert["device"]
        tags = tuple(f"{key}:{alert[key]}" for key in ("rule", "severity", "station") if alert[key])
        over = alert["state"] == "resolved"
        found.append(Episode(alert["episode"], f"{name}: {where}", tags, _ms(alert["since"]), _ms(alert["time"]) if over else None))
    return found


def _ms(time: Any) -> int:
    return round(datetime.fromisoformat(str(time)).timestamp() * 1000)
