"""Receiver `log`: one line in the log, and whoever listens in this process (the demo's page)."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.core.outcomes import Intent
from gateway.notify.describe import Describer
from gateway.notify.text import Text, render
from gateway.settings import ReceiverSection

Listener = Callable[[Intent, Text], None]


class LogReceiver:
    """Writes each alert as a structured line: always delivered."""

    def __init__(self, settings: ReceiverSection, describer: Describer, listener: Listener | None = None) -> None:
        self.name = settings.name
        self._language = settings.language
        self._describer = describer
        self._listener = listener
        self._log = structlog.get_logger("alert")

    async def send(self, intent: Intent) -> None:
        """Never fails."""
        transition = intent.transition
        text = render(transition, self._describer, self._language)
        write = self._log.info if transition.state == "resolved" or transition.severity == "info" else self._log.warning
        write(
            text.title,
            receiver=self.name,
            episode=transition.episode,
            state=transition.state,
            severity=transition.severity,
            station=transition.station,
            value=transition.value,
            unit=transition.unit,
            limit=transition.limit,
            mode=transition.mode,
        )
        if self._listener is not None:
            self._listener(intent, text)

    async def close(self) -> None:
        """Nothing to release."""
