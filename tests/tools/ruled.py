"""A station for tests of the rule machines: readings go in, changes come out, as the core does it but for one station and one rule."""

from __future__ import annotations

from collections.abc import Sequence

from devices.loader import catalogue
from rules import transitions
from rules.evaluate import advance, truths
from rules.language.nodes import Selector, Statistic
from rules.language.view import View, WindowKey
from rules.language.vocabulary import Vocabulary
from rules.model import Conditions, Rule, RuleModel, compile_rule
from rules.transitions import HOLD_INTERVALS, SILENCE_INTERVALS, Change, RuleState
from rules.windows import WindowState, new_window

MIN = 60_000


CONDITIONS = Conditions(Vocabulary(catalogue=catalogue()))


def rule(**levels: dict[str, object]) -> Rule:
    """A rule of these levels."""
    return compile_rule(RuleModel.model_validate({"id": "r", "name": {"en": "r"}, "levels": levels}), CONDITIONS)


class RuledStation:
    """Implements `rules.evaluate.Sight`. Minutes in, changes out."""

    def __init__(self, what: Rule, interval_ms: int = 5 * MIN, silence_ms: int | None = None) -> None:
        self.rule = what
        self.state: RuleState = transitions.new_state(what)
        self.interval_ms = interval_ms
        self.silence_ms = (silence_ms or SILENCE_INTERVALS * interval_ms) - round(HOLD_INTERVALS * interval_ms)
        self.held: dict[str, tuple[int, float]] = {}
        self.windows: dict[WindowKey, WindowState] = {key: new_window(key.length_ms, parts, 0) for key, parts in what.windows.items()}
        self.at_ms = 0

    def reading(self, minute: float, value: float, parameter: str = "pm25") -> list[Change]:
        at_ms = round(minute * MIN)
        changes = advance(self.rule, self.state, self, at_ms, self.silence_ms) if self.held else []
        self.held[parameter] = at_ms, value
        for key, window in self.windows.items():
            if key.parameter == parameter:
                window.append(at_ms, value)
        self.at_ms = at_ms
        return changes + transitions.observe(self.rule, self.state, truths(self.rule, self), at_ms, sample=True, silence_ms=self.silence_ms)

    def time(self, minute: float) -> list[Change]:
        """The clock reaches this minute without a reading."""
        return advance(self.rule, self.state, self, round(minute * MIN), self.silence_ms)

    # What conditions look at.

    def value(self, parameter: str) -> float | None:
        held = self.held.get(parameter)
        return None if held is None or self.at_ms >= held[0] + HOLD_INTERVALS * self.interval_ms else held[1]

    def expiry_ms(self, parameter: str) -> int | None:
        held = self.held.get(parameter)
        return None if held is None else held[0] + round(HOLD_INTERVALS * self.interval_ms)

    def flag(self, parameter: str) -> int | None:
        return 1 if parameter in self.held else None

    def age_ms(self, parameter: str) -> int | None:
        held = self.held.get(parameter)
        return None if held is None else self.at_ms - held[0]

    def window(self, key: WindowKey, statistic: Statistic, complete: float) -> float | None:
        return None if self.value(key.parameter) is None else self.windows[key].value(statistic, self.at_ms)

    def field(self, name: str) -> float | str | None:
        return None

    def local_ms(self) -> tuple[int, int, int, int]:
        return 0, 1, 1, 1

    def station(self, name: str) -> View | None:
        return None

    def select(self, selector: Selector) -> Sequence[View]:
        return []
