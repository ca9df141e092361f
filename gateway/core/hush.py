"""Episodes that an operator has silenced: people are told nothing of them for a while (docs/decisions/0028).

A silence is a mark beside the state (issue 6): the episode goes on, and everything is recorded. What would be told becomes a quiet
intent: receivers that hold a state (MQTT topic, webhook) are kept up to date, people are not told. Two things end it before its time: the
episode's end, and that it becomes worse than it was when it was silenced, which is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core.inputs import Command
from gateway.core.outcomes import Intent, Outcomes
from gateway.core.state import Silenced
from rules.model import SEVERITIES

if TYPE_CHECKING:
    from gateway.core import Core


class Hush:
    """Which episodes are silenced. `core` gives the state."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def silence(self, item: Command, out: Outcomes) -> None:
        """The command was recorded as the newest transition: from here on it holds. One that is over already lifts an earlier one."""
        known = self._core.state.silenced
        for episode in [episode for episode, silenced in known.items() if silenced.until_ms <= item.now_ms]:
            del known[episode]
        said = out.transitions[-1] = msgspec.structs.replace(out.transitions[-1], until_ms=item.until_ms)
        known.pop(item.episode, None)
        if item.until_ms > item.now_ms:
            known[item.episode] = Silenced(item.until_ms, said.severity)

    def intend(self, intent: Intent, out: Outcomes) -> None:
        """The duty to tell; quietly while the episode is silenced."""
        said = intent.transition
        silenced = self._core.state.silenced.get(said.episode)
        if silenced is not None:
            worse = SEVERITIES.index(said.severity) > SEVERITIES.index(silenced.severity)
            if worse or intent.due_ms >= silenced.until_ms:
                del self._core.state.silenced[said.episode]
            else:
                intent = msgspec.structs.replace(intent, quiet=True)
                if said.state == "resolved":
                    del self._core.state.silenced[said.episode]
        out.intents.append(intent)

    def jump(self, delta_ms: int) -> None:
        """The clock was stepped: silences last as long as was meant (semantics A1)."""
        known = self._core.state.silenced
        for episode, silenced in known.items():
            known[episode] = Silenced(silenced.until_ms + delta_ms, silenced.severity)
