"""How the gateway stands: the colour of each part with its reason, and the accounting (invariant 2).

Cheap, and the same for the API, the metrics, the `gateway` measurement and the demo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.health import GREEN, RED, YELLOW, HealthPart, overall
from gateway.ledger import Ledger
from gateway.version import VERSION

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.mqtt.source import Source

SESSION_LOST_SHOWN_MS = 3_600_000
"""How long health stays yellow after a broker forgot our session."""

SHED_SHOWN_MS = 60_000
"""How long it stays red after messages were shed."""


class Standing:
    """See the module's docstring."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._sessions_lost: dict[str, tuple[int, int]] = {}
        """Source → (sessions lost so far, when the last loss was noticed, ms)."""

    def parts(self) -> list[HealthPart]:
        """Every part with its colour and reason; cheap."""
        gateway = self._gateway
        parts = [self._ledger()]
        inbox = gateway.inbox
        shed = sum(inbox.shed_total.values())
        if inbox.shed_at_ms is not None and gateway.clock.now_ms() - inbox.shed_at_ms < SHED_SHOWN_MS:
            parts.append(HealthPart("inbox", RED, f"{shed} QoS 0 messages were shed: subscribe with qos 1, or raise limits.qos0_queue"))
        for source in gateway.sources:
            health = source.health
            if not health.connected:
                parts.append(HealthPart(f"source {source.name}", RED, health.reason or "not connected"))
            elif health.reason:
                parts.append(HealthPart(f"source {source.name}", YELLOW, health.reason))
            else:
                parts.append(HealthPart(f"source {source.name}", GREEN))
            parts += self._session(source)
        for lane in gateway.history_lanes:
            parts.append(lane.health_part())
        for out in gateway.receiver_lanes:
            parts.append(out.health_part())
        for state in gateway.tasks.states.values():
            if state.reason:
                parts.append(HealthPart(f"task {state.name}", YELLOW, f"crashed {state.crashes} times: {state.reason}; see the log"))
        if gateway.reloader.trouble:
            parts.append(HealthPart("configuration", YELLOW, gateway.reloader.trouble))
        internal = gateway.shown.internal
        if internal:
            parts.append(
                HealthPart("core", YELLOW, f"{internal} messages made the gateway itself stumble: `envgw rejections --reason internal`")
            )
        return parts

    def _session(self, source: Source) -> list[HealthPart]:
        """A session that a broker forgot may have cost messages: somebody should know, for `SESSION_LOST_SHOWN_MS`."""
        lost, now = source.health.sessions_lost, self._gateway.clock.now_ms()
        if not lost:
            return []
        known = self._sessions_lost.get(source.name)
        if known is None or known[0] != lost:
            known = self._sessions_lost[source.name] = (lost, now)
        if now - known[1] >= SESSION_LOST_SHOWN_MS:
            return []
        times = "" if lost == 1 else f" {lost} times"
        reason = (
            f"the broker forgot our session{times}: messages it had not delivered by then are lost; "
            "turn on its persistence, and give sessions an expiry of at least session_expiry"
        )
        return [HealthPart(f"session {source.name}", YELLOW, reason)]

    def _ledger(self) -> HealthPart:
        if self._gateway.pipeline.trouble:
            return HealthPart("ledger", RED, self._gateway.pipeline.trouble)
        return HealthPart("ledger", GREEN)

    async def status(self) -> dict[str, Any]:
        """The accounting identity (invariant 2), what waits, what fires, how it is.

        The counts are the ledger's: a batch that is not committed yet is not visible here either (semantics A3).
        """

        def committed(ledger: Ledger) -> dict[str, Any]:
            totals, rejected = ledger.accounting()
            episodes = ledger.episodes("open", None, 100_000)
            return {
                "received": totals.received,
                "stored": totals.stored,
                "rejected": {reason: count.rejected for reason, count in sorted(rejected.items())},
                "duplicate": totals.duplicate,
                "shed": totals.shed,
                "revisions": totals.revisions,
                "pending": {
                    **{lane.name: lane.backlog_lines for lane in ledger.lane_states()},
                    **{name: ledger.waiting_intents(name) for name in sorted(ledger.receivers())},
                },
                "alerts": {
                    "firing": len(episodes),
                    "unknown": sum(1 for episode in episodes if episode.latest.state == "unknown"),
                },
            }

        found = await self._gateway.ledger.read(committed)
        return {**found, "health": str(overall(self.parts())), "version": VERSION}
