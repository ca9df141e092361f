"""The command `envgw`. Each command is a few lines here and its work elsewhere; heavy imports wait until they are needed.

Exit codes: 0 done, 1 what was asked for failed, 2 wrong usage. Errors go to stderr; listings have `--json`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from gateway.cliparts import ConfigOption, JsonOption
from gateway.cliparts import instant as _instant
from gateway.cliparts import load as _load
from gateway.cliparts import print_json as _print_json
from gateway.cliparts import problems as _problems
from gateway.cliparts import settings_of as _settings
from gateway.cliparts import usage as _usage
from gateway.commands import data_app, series_app, upkeep_app
from gateway.commands.dashboards_app import dashboards_app
from gateway.commands.rebuild import history_rebuild
from gateway.commands.rules_app import rules_app
from gateway.commands.stations_app import stations_app
from gateway.commands.types_app import types_app
from gateway.errors import EnvgwError
from gateway.version import VERSION

app = typer.Typer(name="envgw", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)
alerts_app = typer.Typer(no_args_is_help=True, help="Alerts: what is open, what was, and who takes care.")
history_app = typer.Typer(no_args_is_help=True, help="Histories: where readings are kept.")
app.add_typer(alerts_app, name="alerts")
app.add_typer(stations_app, name="stations")
app.add_typer(types_app, name="types")
app.add_typer(rules_app, name="rules")
app.add_typer(history_app, name="history")
app.add_typer(dashboards_app, name="dashboards")


class QueryFormat(StrEnum):
    """Output formats of `envgw query`."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class QueryResolution(StrEnum):
    """What `envgw query` answers with: `gateway.history.base.Resolution`."""

    RAW = "raw"
    HOURS = "1h"
    DAYS = "1d"


class AlertState(StrEnum):
    """Which alerts to list."""

    OPEN = "open"
    FIRING = "firing"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    ALL = "all"


def main() -> NoReturn:
    """Entry point of the command."""
    try:
        app()
    except EnvgwError as error:
        print(f"envgw: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    sys.exit(0)


def _run(work: Callable[[], Any]) -> Any:
    """Run a coroutine function on the fast event loop."""
    import uvloop

    return uvloop.run(work())


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """The gateway between a city's air and water sensors and the people who must act on them."""
    if version:
        print(f"envgw {VERSION}")
        raise typer.Exit(0)


# ---------------------------------------------------------------- running


@app.command()
def run(config: ConfigOption = None) -> None:
    """Run the gateway until SIGTERM or Ctrl-C."""
    from gateway import app as gateway_app
    from gateway import coreconfig, logs
    from gateway.config import ConfigError
    from gateway.reload import Reader

    loaded = _load(config)
    logs.setup(loaded.settings.log, logs.secrets_of(loaded.settings))
    try:
        core = coreconfig.build(loaded)
    except ConfigError as error:
        _problems(error)
    settings, reader = loaded.settings, Reader(loaded)
    del loaded  # files with the place of every value in them: some 4 KB a device
    raise typer.Exit(_run(lambda: gateway_app.run(settings, core, reader)))


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(help="Run unattended for so long, print a summary, exit 0.", min=1)] = None,
    speed: Annotated[
        float, typer.Option(help="How fast the demo's clock runs; 1 for real sensors of your own.", min=0.1, max=2000)
    ] = 240.0,
    data: Annotated[Path, typer.Option(help="Folder that keeps the demo between runs.", file_okay=False)] = Path("demo-data"),
    port: Annotated[int, typer.Option(help="Port of the API.", min=0, max=65535)] = 8080,
    mqtt_port: Annotated[int, typer.Option(help="Port on which the embedded broker takes sensors (MQTT 3.1.1).", min=0, max=65535)] = 1883,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="A demo configuration of your own.", dir_okay=False)] = None,
) -> None:
    """Show everything on a laptop: broker, 12 simulated stations of Da Nang, gateway, history, alerts."""
    from gateway.demo.run import DemoOptions, run_demo

    options = DemoOptions(seconds=seconds, speed=speed, data=data, port=port, mqtt_port=mqtt_port, config=config)
    raise typer.Exit(_run(lambda: run_demo(options)))


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the configuration and every file it names; prints `file:line: what is wrong, and what to write`."""
    from gateway import coreconfig
    from gateway.config import ConfigError, load

    if config is not None and not config.is_file():
        _usage(f"no configuration file {config}")
    try:
        loaded = load(config)
        core = coreconfig.build(loaded)
    except ConfigError as error:
        if as_json:
            _print_json({"ok": False, "problems": [problem._asdict() for problem in error.problems]})
            raise typer.Exit(1) from None
        _problems(error)
    registry = core.interpreter.registry
    found = {
        "config": str(loaded.path) if loaded.path else None,
        "stations": len(registry.stations),
        "devices": len(registry.devices),
        "types": len(core.interpreter.types),
        "rules": len(core.plain["rules"]),
        "brokers": len(loaded.settings.brokers),
    }
    if as_json:
        _print_json({"ok": True, **found})
        return
    what = ", ".join(f"{count} {name}" for name, count in found.items() if name != "config")
    print(f"{loaded.path or 'built-in defaults (no envgw.yaml here)'}: all right: {what}")


# ---------------------------------------------------------------- messages


@app.command()
def decode(
    file: Annotated[Path | None, typer.Argument(help="File with the message's bytes; `-` or nothing: standard input.")] = None,
    type_: Annotated[str, typer.Option("--type", help="Device type, or `auto`.")] = "auto",
    topic: Annotated[str, typer.Option(help="Topic on which the message came.")] = "",
    received_at: Annotated[str | None, typer.Option("--received-at", help="When it came (ISO 8601 with zone); default now.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what one message says: its readings, or the reason why it is rejected (then exit 1)."""
    from devices.decode import UnknownType
    from devices.decode import decode as decode_message
    from gateway import coreconfig
    from gateway.config import ConfigError

    if file is None or str(file) == "-":
        payload = sys.stdin.buffer.read()
    else:
        try:
            payload = file.read_bytes()
        except OSError as error:
            _usage(f"cannot read {file}: {error.strerror}")
    try:
        interpreter = coreconfig.build(_load(config)).interpreter
    except ConfigError as error:
        _problems(error)
    try:
        answer = decode_message(
            interpreter.types,
            interpreter.catalogue,
            type_id=type_,
            payload=payload,
            received_ms=_instant(received_at, "now"),
            topic=topic,
            registry=interpreter.registry,
        )
    except UnknownType as error:
        _usage(str(error))
    if type_ == "auto" and answer.why:
        print(answer.why, file=sys.stderr)
    for row in answer.rows:
        if as_json:
            _print_json(row)
        elif "reason" in row:
            print(f"refused {row['parameter']}: " if "parameter" in row else "rejected: ", f"{row['reason']}: {row['detail']}", sep="")
        else:
            value = "missing" if row["value"] is None else f"{row['value']:g}"
            where = row["station"] or "(not registered)"
            print(f"{row['time']}  {where}  {row['device']}  {row['parameter']:<14} {value:>10} {row['unit']:<8} flag {row['flag']}")
    if not answer.ok:
        raise typer.Exit(1)


@app.command()
def simulate(
    broker: Annotated[str, typer.Option(help="Broker to publish to: mqtt://host:port or mqtts://…")] = "mqtt://127.0.0.1:1883",
    protocol: Annotated[str, typer.Option(help="3.1.1 or 5.")] = "3.1.1",
    qos: Annotated[int, typer.Option(help="QoS.", min=0, max=1)] = 1,
    username: Annotated[str | None, typer.Option(help="User name.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password.", exists=True, dir_okay=False)] = None,
    ca_file: Annotated[Path | None, typer.Option(help="CA of the broker's certificate (PEM).", exists=True, dir_okay=False)] = None,
    stations: Annotated[int, typer.Option(help="Simulated stations (and devices) sim-00001 ….", min=1)] = 12,
    registry: Annotated[Path | None, typer.Option(help="Simulate the devices of this registry instead.", exists=True)] = None,
    type_: Annotated[str, typer.Option("--type", help="Device type of simulated stations.")] = "air-node",
    rate: Annotated[float | None, typer.Option(help="Messages per second over all devices; default: each at its own interval.")] = None,
    interval: Annotated[str, typer.Option(help="Reporting interval of simulated stations.")] = "60s",
    count: Annotated[int | None, typer.Option(help="Stop after so many messages.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed and same --start, same messages.")] = 1,
    start: Annotated[
        str | None, typer.Option(help="Time that the simulated devices' clocks start from (ISO 8601 with zone, or -24h); default now.")
    ] = None,
    scenario: Annotated[Path | None, typer.Option(help="Scenario file with faults and episodes.", exists=True)] = None,
    connections: Annotated[int, typer.Option(help="MQTT connections to spread the devices over.", min=1, max=100)] = 1,
    replay: Annotated[Path | None, typer.Option(help="Publish a real series from this file instead.", exists=True, dir_okay=False)] = None,
    map_: Annotated[str | None, typer.Option("--map", help="How to read it: a shipped map's name, or a YAML file.")] = None,
    speed: Annotated[str, typer.Option(help="Replay: how much faster than it was measured, or `max`.")] = "1",
    shift_to_now: Annotated[bool, typer.Option(help="Replay: move the series so that it starts now.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish simulated sensors, or a real series (--replay FILE --map M), to a broker."""
    from dataclasses import asdict

    from pydantic import SecretStr

    from gateway.settings import parse_duration
    from gateway.simulate.options import BrokerOptions, SimulateOptions
    from gateway.simulate.publisher import simulate as publish

    if protocol not in ("3.1.1", "5"):
        _usage("--protocol is 3.1.1 or 5")
    if replay is not None and map_ is None:
        _usage("--replay needs --map: a shipped map (airnow, lro, sensorcommunity, openair, uci-air, beijing, usgs-iv) or a YAML file")
    try:
        pace = "max" if speed == "max" else float(speed)
        interval_ms = parse_duration(interval)
    except ValueError as error:
        _usage(str(error))
    options = SimulateOptions(
        broker=BrokerOptions(
            url=broker,
            protocol=protocol,  # type: ignore[arg-type]
            qos=qos,  # type: ignore[arg-type]
            username=username,
            password=SecretStr(password_file.read_text().strip()) if password_file else None,
            ca_file=ca_file,
            connections=connections,
        ),
        seed=seed, stations=stations, device_type=type_, interval_ms=interval_ms, registry=registry, scenario=scenario, rate=rate,
        count=count, seconds=seconds, start_ms=_instant(start, "now") if start else None,
        replay=replay, map=map_, speed=pace, shift_to_now=shift_to_now,  # type: ignore[arg-type]
    )  # fmt: skip

    async def work() -> Any:
        import signal

        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await publish(options, stop=stop)

    summary = _run(work)
    if as_json:
        _print_json({**asdict(summary), "faults": dict(summary.faults), "rate": summary.rate})
    else:
        print(summary.text())
        for problem in summary.problems:
            print(problem, file=sys.stderr)


# ---------------------------------------------------------------- looking


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """The accounting, what waits in each lane, open alerts, health; of a gateway that is down from its ledger."""
    from gateway.commands import status as command

    found = command.fetch(_settings(config))
    if as_json:
        _print_json(found)
        return
    from rich.console import Console

    command.show(found, Console(highlight=False))


@app.command()
def query(
    station: Annotated[str | None, typer.Option(help="Station id; default all.")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="Parameter id; may be repeated; default all.")] = None,
    since: Annotated[str | None, typer.Option(help="ISO 8601 with zone, or -24h; exclusive; default -24h.")] = None,
    until: Annotated[str | None, typer.Option(help="The same, inclusive; default now.")] = None,
    resolution: Annotated[QueryResolution, typer.Option(help="As measured, or the summaries of hours or days.")] = QueryResolution.RAW,
    format_: Annotated[QueryFormat, typer.Option("--format", help="Output format.")] = QueryFormat.TABLE,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Readings from whichever history is configured: through the running gateway, else from the history itself."""
    from gateway.commands.query import write

    form = "json" if as_json else format_.value
    if form == "parquet" and sys.stdout.isatty():
        _usage("parquet is binary: redirect it into a file")
    _run(lambda: write(_settings(config), station, parameter, since, until, form, sys.stdout.buffer, resolution.value))


app.command()(data_app.export)
app.command("import")(data_app.import_)
app.command()(series_app.quality)
app.command()(series_app.index)


@app.command()
def replay(
    reason: Annotated[str | None, typer.Option(help="Only messages rejected for this reason, e.g. unknown-device.")] = None,
    device: Annotated[str | None, typer.Option(help="Only messages of this device.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, oldest first.", min=1)] = 1_000_000,
    station: Annotated[str | None, typer.Option(help="Instead: read this station's stored messages again.")] = None,
    since: Annotated[str | None, typer.Option(help="With --station: readings after this (ISO 8601 with zone, or -24h).")] = None,
    until: Annotated[str | None, typer.Option(help="With --station: up to this; default now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --station: only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --station: do not ask.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take rejected messages in again, or read a station's stored ones again, after a mend. Raises no alerts.

    --reason or --device: messages that were rejected, after the registry, a type or a topic was mended.
    --station with --since: messages that were stored, after a type, a calibration or the registry was mended. Says what would
    change, asks, and writes what differs to the histories; the journal must reach back to --since.
    """
    from gateway.commands import replay as again
    from gateway.commands.client import Api

    if station is not None:
        if reason is not None or device is not None or since is None:
            _usage("--station goes with --since (and --until), not with --reason or --device")
        if as_json and not (yes or dry_run):
            _usage("--json asks nothing: add --dry-run or --yes")
        raise typer.Exit(again.station(_settings(config), station, since, until, dry_run=dry_run, yes=yes, as_json=as_json))
    if since is not None or until is not None or dry_run or yes:
        _usage("--since, --until, --dry-run and --yes go with --station")
    if reason is None and device is None:
        _usage("say which messages: --reason REASON or --device ID; or --station ID --since TIME")
    found = Api(_settings(config)).post("/api/v1/replay", {"reason": reason, "device": device, "limit": limit})
    if as_json:
        _print_json(found)
    else:
        print(f"stored {found['replayed']}, rejected again {found['rejected']}, not tried {found['left']}")


@app.command()
def rejections(
    reason: Annotated[str | None, typer.Option(help="Only for this reason.")] = None,
    device: Annotated[str | None, typer.Option(help="Only of this device.")] = None,
    limit: Annotated[int, typer.Option(help="Newest so many.", min=1)] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rejected messages with their raw bytes, newest first."""
    from gateway.commands.rejections import fetch

    for row in fetch(_settings(config), reason, device, limit):
        if as_json:
            _print_json(row)
        else:
            print(f"{row['time']}  {row['reason']:<18} {row['device']:<12} {row['topic']}  {row['detail']}")


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

    rows = fetch(_settings(config), state.value, station, _instant(since, "now") if since else None, limit)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        reading = "" if row["value"] is None else f"{row['parameter']} {row['value']:g} {row['unit']}"
        name = row["names"].get("vi") or row["names"].get("en") or row["rule"]
        where = row["station"] or row["device"]
        print(f"{row['since']}  {row['severity']:<8} {row['state']:<8} {where:<18} {name}  {reading}  {row['episode']}")
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

    found = Api(_settings(config)).post(f"/api/v1/alerts/{quote(episode)}/acknowledge", {"operator": operator, "comment": comment})
    if as_json:
        _print_json(found)
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
        _usage(f"--for: {error}")
    body = {"operator": operator, "for_s": for_s, "comment": comment}
    found = Api(_settings(config)).post(f"/api/v1/alerts/{quote(episode)}/silence", body)
    if as_json:
        _print_json(found)
    elif for_s:
        print(f"{episode}: silenced by {found['silenced_by']} until {found['silenced_until']}")
    else:
        print(f"{episode}: no longer silenced")


@history_app.command("rejected")
def history_rejected(
    lane: Annotated[str | None, typer.Option(help="Only of this history.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 1000,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lines that a history refused for good, with its reason (they are kept in the ledger)."""
    from gateway.commands.history import rejected

    for row in rejected(_settings(config), lane, limit):
        if as_json:
            _print_json(row)
        else:
            print(f"{row['time']}  {row['lane']:<12} {row['station']:<18} {row['reason']}")


history_app.command("setup")(upkeep_app.setup)
history_app.command("rebuild")(history_rebuild)


# ---------------------------------------------------------------- keeping


app.command()(upkeep_app.doctor)


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(help="File to write; it must not exist.", dir_okay=False)],
    config: ConfigOption = None,
) -> None:
    """Copy the ledger while the gateway runs: a consistent, checked file."""
    from gateway.commands.ledger import backup as work

    print(f"{work(_settings(config), to)}: checked")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup; with --salvage: the damaged ledger.", exists=True, dir_okay=False)],
    salvage: Annotated[bool, typer.Option(help="Save what can still be read of a damaged ledger.")] = False,
    force: Annotated[bool, typer.Option(help="Replace the ledger that is there.")] = False,
    config: ConfigOption = None,
) -> None:
    """Put a backup back as the ledger. Refused while a gateway runs on it."""
    from gateway.commands.ledger import restore as work

    for line in work(_settings(config), source, salvage=salvage, force=force):
        print(line)
