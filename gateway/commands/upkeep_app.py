"""`envgw doctor` and `envgw history setup`: what they print; the work is in `gateway.commands.doctor` and `gateway.history.upkeep`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cliparts import ConfigOption, JsonOption, print_json, settings_of, usage
from gateway.errors import EnvgwError
from gateway.findings import Finding, State, Topic, all_right

if TYPE_CHECKING:
    from gateway.settings import Settings


def doctor(
    topic: Annotated[
        Topic | None, typer.Argument(metavar="[TOPIC]", help="config, ledger, gateway, brokers or history; default all.")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this broker or history.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at everything that the gateway needs, and say what is wrong and what to do. Exit 1 if something is wrong.

    A history is asked for its version, rights (one point is written and read back), retention, clock and what it lacks.
    """
    from gateway.commands.doctor import examine

    if name is not None and topic not in (Topic.BROKERS, Topic.HISTORY):
        usage("a NAME goes with `brokers` or `history`")
    if config is not None and not config.is_file():
        usage(f"no configuration file {config}")
    _tell(asyncio.run(examine(config, topic, name)), as_json)


def setup(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this history; default every one.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make what histories need: file, database or bucket, mapping for InfluxQL. May be run again: what is there stays as it is.

    Needs more rights than the gateway itself: run it with an administrator's token, for example
    ENVGW_HISTORY__CITY__TOKEN=… envgw history setup city.
    """
    _tell(asyncio.run(_prepared(settings_of(config), name)), as_json)


async def _prepared(settings: Settings, name: str | None) -> list[Finding]:
    from gateway.commands.doctor import chosen
    from gateway.history.upkeep import make_upkeep

    findings: list[Finding] = []
    for section in chosen(settings, name):
        try:
            upkeep = make_upkeep(section, settings.gateway.data_dir)
        except EnvgwError as error:
            findings.append(Finding(f"history {section.name}", "settings", State.WRONG, str(error), "mend its section"))
            continue
        try:
            findings += await upkeep.prepare()
        finally:
            await upkeep.close()
    return findings


def _tell(findings: Sequence[Finding], as_json: bool) -> None:
    if as_json:
        print_json({"ok": all_right(findings), "findings": [{**found._asdict(), "state": str(found.state)} for found in findings]})
    else:
        for found in findings:
            print(f"{found.state:<8} {found.part:<20} {found.check:<16} {found.says}")
            if found.do:
                print(f"{'':<9}→ {found.do}")
    if not all_right(findings):
        raise typer.Exit(1)
