"""Transitions and names for tests of receivers and the API: a smoke episode at a station of Da Nang."""

from __future__ import annotations

from typing import Any

from gateway.core.outcomes import Intent, Transition
from gateway.notify.describe import Describer, ParameterText

START_MS = 1_795_417_200_000  # 2026-11-23T07:00:00Z, 14:00 in Da Nang

DESCRIBER = Describer(
    stations={"hai-chau": {"vi": "Trạm Hải Châu", "en": "Hai Chau station"}},
    parameters={"pm25": ParameterText({"vi": "Bụi mịn PM2.5", "en": "Fine dust PM2.5"}, "µg/m³")},
    areas={"hai-chau": {"vi": "phường Hải Châu", "en": "Hai Chau ward"}},
)


def transition(state: str = "firing", **changes: Any) -> Transition:
    """A PM2.5 alert at Hai Chau, begun at START_MS; `changes` replace any field."""
    values: dict[str, Any] = {
        "episode": f"pm25-high/hai-chau/{START_MS}",
        "rule": "pm25-high",
        "kind": "threshold",
        "severity": "critical",
        "state": state,
        "reason": {"firing": "condition", "unknown": "data-stopped", "resolved": "cleared"}[state],
        "station": "hai-chau",
        "device": "hc-1",
        "area": "hai-chau",
        "parameter": "pm25",
        "value": {"firing": 178.25, "unknown": 178.25, "resolved": 31.5}[state],
        "flag": 1,
        "unit": "ug/m3",
        "limit": 75.0,
        "started_ms": START_MS,
        "event_ms": START_MS + {"firing": 600_000, "unknown": 1_800_000, "resolved": 3_600_000}[state],
        "processed_ms": START_MS + 3_600_000,
        "names": {"vi": "Bụi mịn rất cao", "en": "Very high fine dust"},
        "advice": {"vi": "Đeo khẩu trang, hạn chế ra ngoài", "en": "Wear a mask, stay indoors"},
    }
    return Transition(**{**values, **changes})


def intent(state: str = "firing", **changes: Any) -> Intent:
    """The duty to tell about `transition(state)`."""
    made = transition(state, **changes)
    return Intent(due_ms=made.processed_ms, transition=made)
