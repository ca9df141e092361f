"""What the HTTP API sees of the gateway. `gateway.app` implements it; the API knows nothing else.

All of it is called in the event loop. Dictionaries are JSON-ready and have the shapes of `gateway.api.models`;
times in them are ISO 8601, UTC, with milliseconds and `Z`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

from gateway.api.events import EventStream
from gateway.errors import EnvgwError
from gateway.health import HealthPart
from gateway.history.base import Resolution, StoredReading
from gateway.imports.rows import Part

Document = dict[str, Any]
AlertState = Literal["open", "firing", "unknown", "resolved", "all"]
EventKind = Literal["reading", "alert"]


class NotFound(EnvgwError):
    """What was asked for by id is not there: answered with 404."""


class Conflict(EnvgwError):
    """It is there, but this cannot be done with it now (acknowledging a closed alert): answered with 409."""


class GatewayView(Protocol):
    """Everything that the API may ask or tell the gateway."""

    def now_ms(self) -> int:
        """The gateway's time (the demo's runs faster): what `-24h` is relative to."""
        ...

    def unit(self, parameter: str) -> str:
        """Canonical unit (UCUM) of a parameter; empty if it is not in the catalogue."""
        ...

    def health_parts(self) -> Sequence[HealthPart]:
        """All parts, cheap: asked by `/readyz` as often as somebody likes."""
        ...

    def metrics_text(self) -> bytes:
        """Prometheus' text format 0.0.4."""
        ...

    async def status(self) -> Document:
        """`models.Status`."""
        ...

    async def stations(self) -> list[Document]:
        """`models.Station`, each with its newest readings, ordered by id."""
        ...

    async def station(self, station: str) -> Document:
        """One `models.Station`. Raises NotFound."""
        ...

    def readings(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int, resolution: Resolution = "raw"
    ) -> AsyncIterator[StoredReading]:
        """As `History.query`: since < time <= until, in constant memory. Raises NotFound, DeliveryError."""
        ...

    async def alerts(self, *, state: AlertState, station: str | None, since_ms: int | None, limit: int) -> list[Document]:
        """`models.Alert`, newest first. `open` is firing or unknown; `since_ms` compares the last change."""
        ...

    async def alert(self, episode: str) -> Document:
        """`models.AlertHistory`: the alert and all its transitions. Raises NotFound."""
        ...

    async def command(
        self, *, action: Literal["acknowledge", "silence"], episode: str, operator: str, comment: str, for_s: float = 0.0
    ) -> Document:
        """Carry out an operator's command; `for_s` is how long a silence lasts. Returns `models.Alert` after its commit.

        Raises NotFound, Conflict.
        """
        ...

    async def explain(self, *, rule: str, station: str) -> Document:
        """`models.RuleExplained`: what a rule sees at a station now. Raises NotFound."""
        ...

    async def rejections(self, *, reason: str | None, device: str | None, since_ms: int | None, limit: int) -> list[Document]:
        """`models.Rejection`, newest first."""
        ...

    async def replay(self, *, reason: str | None, device: str | None, limit: int) -> Document:
        """Take rejected messages in again; returns `models.ReplayResult` after the commit."""
        ...

    async def reinterpret(self, *, station: str, since_ms: int, until_ms: int, apply: bool) -> Document:
        """Read a station's journalled messages again as of today; returns `models.Reinterpretation`. Raises NotFound, Conflict."""
        ...

    async def rebuild(self, *, station: str, since_ms: int, until_ms: int) -> Document:
        """Summaries and indices made again from a history; returns `models.Rebuilt`. Raises NotFound, Conflict, DeliveryError."""
        ...

    async def import_part(self, part: Part) -> Document:
        """Bring a part of an archive into the histories; returns `models.ImportResult` after its commit. Raises
        `CannotImport`, and `Retryable` while too much waits for a history."""
        ...

    async def reload(self) -> Document:
        """Read the configuration's files again; returns `models.Reloaded` after the commit, or with what is wrong in them."""
        ...

    def subscribe(self, *, station: str | None, kind: EventKind | None) -> EventStream:
        """Live events from now on. Raises `events.TooManyClients`."""
        ...
