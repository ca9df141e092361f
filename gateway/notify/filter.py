"""Which intents a receiver wants: a pure function of its settings, asked before an outbox entry is made for it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.outcomes import Intent, Transition
from gateway.settings import ReceiverSection

SEVERITIES = {"info": 0, "warning": 1, "critical": 2}


def wanted(settings: ReceiverSection, intent: Intent) -> bool:
    """True if this receiver is to be told about this intent.

    A late episode is recorded and nobody is told (invariant 8). An `mqtt` receiver always gets the resolution, even
    with `send_resolved: false`, because it must withdraw the retained message that it left at the broker. An unknown
    severity (a newer ledger) counts as critical: rather one message too many. Whoever was told of an episode at its worst
    is told how it goes on, though it be milder now. A quiet intent is for receivers that hold a state, not for people.
    """
    transition = intent.transition
    if transition.late:
        return False
    if intent.quiet and settings.kind not in ("mqtt", "webhook"):
        return False
    if SEVERITIES.get(intent.peak or transition.severity, 2) < SEVERITIES[settings.min_severity]:
        return False
    return transition.state != "resolved" or settings.send_resolved or settings.kind == "mqtt"


def told(settings: ReceiverSection, history: Sequence[Transition]) -> bool:
    """True if this receiver was, or is about to be, told about an open episode with these transitions (oldest first)."""
    latest = history[-1]
    worst = max((item.severity for item in history), key=lambda severity: SEVERITIES.get(severity, 2))
    return latest.mode != "shadow" and wanted(settings, Intent(due_ms=0, transition=latest, quiet=True, peak=worst))
