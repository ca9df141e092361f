"""`envgw backup` and `envgw restore`: what they print; the work is in `gateway.commands.ledger`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cliparts import ConfigOption, settings_of


def backup(
    to: Annotated[Path, typer.Argument(help="File to write; it must not exist.", dir_okay=False)],
    config: ConfigOption = None,
) -> None:
    """Copy the ledger while the gateway runs: a consistent, checked file."""
    from gateway.commands.ledger import backup as work

    print(f"{work(settings_of(config), to)}: checked")


def restore(
    source: Annotated[Path, typer.Argument(help="A backup; with --salvage: the damaged ledger.", exists=True, dir_okay=False)],
    salvage: Annotated[bool, typer.Option(help="Save what can still be read of a damaged ledger.")] = False,
    force: Annotated[bool, typer.Option(help="Replace the ledger that is there.")] = False,
    config: ConfigOption = None,
) -> None:
    """Put a backup back as the ledger. Refused while a gateway runs on it."""
    from gateway.commands.ledger import restore as work

    for line in work(settings_of(config), source, salvage=salvage, force=force):
        print(line)
