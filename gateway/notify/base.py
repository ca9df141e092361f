"""What every receiver of alerts can do: be told about one episode's state.

A receiver is driven by exactly one lane (`gateway.delivery.ReceiverLane`), which owns order, retry, back-off and
giving up; the receiver itself tries once and says what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from gateway.core.outcomes import Intent, Transition


class Receiver(Protocol):
    """Somebody, or something, that is told about alerts."""

    name: str

    async def send(self, intent: Intent) -> None:
        """Tell about `intent.transition` once, within the configured timeout.

        Returns when the other side has taken it. Raises `errors.Retryable` (down, busy, not allowed yet) or
        `errors.Permanent` (this message will never be accepted), never anything else. The same intent may be sent
        twice when the process died between sending and marking: receivers key on `transition.episode` and state.
        """
        ...

    async def close(self) -> None:
        """Release connections; idempotent."""
        ...


@runtime_checkable
class Keeper(Protocol):
    """A receiver that holds state where it may be forgotten (retained topics at a broker), and sees to it that it stays."""

    def recall(self, open_alerts: Sequence[Transition]) -> None:
        """Before `keep`: the open alerts that an earlier process told, in their newest state."""
        ...

    async def keep(self) -> None:
        """Tell again whatever the other side may have forgotten; returns only when cancelled."""
        ...
