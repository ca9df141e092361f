"""`envgw status`: the accounting, what waits, what fires; from the running gateway, else from its ledger."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.commands.client import Api, NotRunning
from gateway.ledger import LedgerReader
from gateway.settings import Settings


def fetch(settings: Settings) -> dict[str, Any]:
    """The document of `/api/v1/status` with `running` and, when it runs, the health parts. Raises EnvgwError."""
    api = Api(settings)
    try:
        status = dict(api.get("/api/v1/status"))
    except NotRunning as absence:
        return offline(settings, str(absence))
    parts = api.get("/readyz", accept=(503,))["parts"]
    return {**status, "running": True, "parts": parts}


def offline(settings: Settings, why: str) -> dict[str, Any]:
    """The same from the ledger's file, of a gateway that is down: health is red for that reason."""
    with LedgerReader(settings.gateway.data_dir / settings.ledger.file) as ledger:
        totals, found = ledger.accounting()
        rejected = {reason: count.rejected for reason, count in sorted(found.items())}
        open_ = ledger.episodes("open", None, 100_000)
        pending = {lane.name: lane.backlog_lines for lane in ledger.lane_states()}
        pending |= {name: ledger.waiting_intents(name) for name in ledger.receivers()}
    return {
        "received": totals.received,
        "stored": totals.stored,
        "rejected": rejected,
        "duplicate": totals.duplicate,
        "shed": totals.shed,
        "revisions": totals.revisions,
        "pending": pending,
        "alerts": {"firing": len(open_), "unknown": sum(1 for episode in open_ if episode.latest.state == "unknown")},
        "health": "red",
        "running": False,
        "parts": [{"name": "gateway", "colour": "red", "reason": why}],
    }


def show(status: dict[str, Any], console: Console) -> None:
    """For people."""
    rejected = sum(status["rejected"].values())
    console.print(
        f"received {status['received']} = stored {status['stored']} + rejected {rejected} "
        f"+ duplicate {status['duplicate']} + shed {status['shed']}",
        style="bold",
    )
    for reason, count in status["rejected"].items():
        console.print(f"  rejected {reason}: {count}")
    alerts = status["alerts"]
    console.print(f"alerts open: {alerts['firing']} (of these, data stopped: {alerts['unknown']})")
    table = Table("lane", "waiting", box=None)
    for name, waiting in status["pending"].items():
        table.add_row(name, str(waiting))
    console.print(table)
    style = {"green": "green", "yellow": "yellow", "red": "bold red"}[status["health"]]
    console.print(f"health: {status['health']}", style=style)
    for part in status["parts"]:
        if part["colour"] != "green":
            console.print(f"  {part['name']}: {part['reason']}", style=style, soft_wrap=True)
