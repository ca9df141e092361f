"""A gateway of values for tests of the API: three readings, one alert, one rejection, and a switch for each thing that can go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from devices.times import iso
from gateway.api.events import EventHub, EventStream
from gateway.api.view import Conflict, NotFound
from gateway.errors import Retryable
from gateway.health import GREEN, Colour, HealthPart
from gateway.history.base import Resolution, StoredReading
from gateway.imports.rows import CannotImport, Part
from gateway.metrics import Metrics
from tests.tools.alerts import START_MS, transition

NOW_MS = START_MS + 3_600_000


def stored(number: int, parameter: str = "pm25") -> StoredReading:
    """Reading `number` of Hai Chau, one a second before NOW_MS."""
    return StoredReading(NOW_MS - number * 1000, "hai-chau", "hc-1", "hai-chau", "air", parameter, 10.5 + number, 1)


class City:
    """Implements `gateway.api.view.GatewayView`."""

    def __init__(self) -> None:
        self.parts = [HealthPart("ledger", GREEN), HealthPart("source city", GREEN)]
        self.rows: list[StoredReading] = [stored(3), stored(2), stored(1)]
        self.asked: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        """What is wrong in the files that a reload would read."""
        self.fail_at: int | None = None
        """The history fails when it comes to this row."""
        self.open_queries = 0
        self.hub = EventHub(buffer=50, units={"pm25": "ug/m3"}, start_ms=START_MS)
        self.metrics = Metrics()
        self.acknowledged: dict[str, str] = {}

    def now_ms(self) -> int:
        return NOW_MS

    def unit(self, parameter: str) -> str:
        return {"pm25": "ug/m3", "pm10": "ug/m3"}.get(parameter, "")

    def health_parts(self) -> list[HealthPart]:
        return self.parts

    def paint(self, colour: Colour, reason: str) -> None:
        self.parts[1] = HealthPart("source city", colour, reason)

    def metrics_text(self) -> bytes:
        return self.metrics.text()

    async def status(self) -> dict[str, Any]:
        return {
            "received": 6,
            "stored": 3,
            "rejected": {"not-json": 1},
            "duplicate": 1,
            "shed": 1,
            "pending": {"local": 0},
            "alerts": {"firing": 1, "unknown": 0},
            "health": "green",
        }

    async def stations(self) -> list[dict[str, Any]]:
        return [await self.station("hai-chau")]

    async def station(self, station: str) -> dict[str, Any]:
        if station != "hai-chau":
            raise NotFound(f"there is no station {station!r}; see /api/v1/stations")
        latest = {"parameter": "pm25", "value": 11.5, "unit": "ug/m3", "flag": 1, "time": iso(NOW_MS), "device": "hc-1"}
        names = {"vi": "Trạm Hải Châu", "en": "Hai Chau station"}
        place = {"area": "hai-chau", "latitude": 16.06, "longitude": 108.22}
        return {"id": station, "names": names, **place, "media": ["air"], "devices": ["hc-1"], "device_health": [], "latest": [latest]}

    async def readings(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int, resolution: Resolution = "raw"
    ) -> AsyncIterator[StoredReading]:
        self.asked.append(
            {"station": station, "parameters": parameters, "since_ms": since_ms, "until_ms": until_ms, "resolution": resolution}
        )
        self.open_queries += 1
        try:
            for number, row in enumerate(self.rows):
                if number == self.fail_at:
                    raise Retryable("history local: cannot be read; is its disk there?", after_s=7.2)
                yield row
        finally:
            self.open_queries -= 1

    def _alert(self) -> dict[str, Any]:
        made = transition()
        fields = ("episode", "rule", "kind", "severity", "state", "reason", "station", "device", "area", "parameter", "value")
        document = {name: getattr(made, name) for name in (*fields, "unit", "limit", "late", "mode", "names")}
        who = self.acknowledged.get(made.episode)
        times = {"since": iso(made.started_ms), "time": iso(made.event_ms), "acknowledged_at": iso(NOW_MS) if who else None}
        times |= {"silenced_by": None, "silenced_until": None}
        return {**document, **times, "acknowledged_by": who}

    async def alerts(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        return [self._alert()] if asked["state"] in ("open", "firing", "all") else []

    async def alert(self, episode: str) -> dict[str, Any]:
        if episode != transition().episode:
            raise NotFound(f"there is no alert {episode!r}; see /api/v1/alerts?state=all")
        change = {"state": "firing", "reason": "condition", "value": 178.25, "flag": 1, "time": iso(START_MS), "noticed": iso(NOW_MS)}
        return {**self._alert(), "transitions": [change]}

    async def command(self, *, action: str, episode: str, operator: str, comment: str, for_s: float = 0.0) -> dict[str, Any]:
        await self.alert(episode)
        if action == "silence":
            self.asked.append({"action": action, "for_s": for_s})
            return {**self._alert(), "silenced_by": operator, "silenced_until": iso(NOW_MS + round(for_s * 1000))}
        if episode in self.acknowledged:
            raise Conflict(f"{self.acknowledged[episode]} acknowledged it already")
        self.acknowledged[episode] = operator
        self.asked.append({"action": action, "comment": comment})
        return self._alert()

    async def explain(self, *, rule: str, station: str) -> dict[str, Any]:
        if rule != "pm25-smoke":
            raise NotFound(f"no rule {rule!r}")
        self.asked.append({"rule": rule, "station": station})
        part = {"text": "pm25 > 100", "value": True, "unit": "", "kind": "condition", "parts": []}
        return {"rule": rule, "station": station, "state": "firing", "why": [], "levels": [{"severity": "warning", "when": part}]}

    async def rejections(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        where = {"source": "city", "topic": "air/x", "device": "?"}
        return [{"id": 1, "time": iso(NOW_MS), **where, "reason": "not-json", "detail": "at byte 0", "payload": "eA=="}]

    async def replay(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        return {"replayed": 1, "rejected": 0, "left": 0}

    async def reinterpret(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        return {"station": asked["station"], "since": iso(asked["since_ms"]), "until": iso(asked["until_ms"]), "written": asked["apply"]}

    async def rebuild(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        since, until = iso(asked["since_ms"]), iso(asked["until_ms"])
        return {"station": asked["station"], "since": since, "until": until, "hours": 24, "lines": 49, "next": None}

    async def import_part(self, part: Part) -> dict[str, Any]:
        self.asked.append({"part": part})
        if part.origin == "busy":
            raise Retryable("60000 lines wait for history 'local'", after_s=1.0)
        if any(group.station != "hai-chau" for group in part.groups):
            raise CannotImport("no station 'x' in the registry")
        return {"lines": len(part.groups[0].rows), "values": 2}

    async def reload(self) -> dict[str, Any]:
        self.asked.append({"reload": True})
        return {"changed": not self.wrong, "problems": self.wrong, "digest": "d", "windows": []}

    def subscribe(self, *, station: str | None, kind: str | None) -> EventStream:
        return self.hub.subscribe(station=station, kind=kind)
