"""Topic templates: `sensors/{medium}/{device}/{parameter}` says what stands at which level of a topic.

    sensors/air/st01/pm25    →    {"medium": "air", "device": "st01", "parameter": "pm25"}

Within a level, texts around one capture are allowed (`dev-{device}`, `{device}.json`), `+` stands for any one level and a
last `#` for any number of them. A capture is never empty; named twice, it must be the same text at both places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

Match: TypeAlias = Callable[[Sequence[str]], dict[str, str] | None]
"""Topic levels → captures by name; None: the topic does not fit."""

MAX_LEVELS = 64

_LEVEL = re.compile(r"([^{}+#]*)(?:\{([a-z][a-z0-9_]*)\}([^{}+#]*))?")


def compile_template(text: str) -> Match:
    """The matcher of a template. Raises ValueError, saying what to write, when the text is none."""
    levels = text.split("/")
    if not text or len(levels) > MAX_LEVELS:
        raise ValueError(f"a topic template has 1 to {MAX_LEVELS} levels")
    open_ended = levels[-1] == "#"
    if open_ended:
        levels.pop()
    literals: list[tuple[int, str]] = []
    captures: list[tuple[int, str, str, str]] = []
    for index, level in enumerate(levels):
        if level == "+":
            continue
        found = _LEVEL.fullmatch(level)
        if found is None:
            raise ValueError(
                f"{level!r} is not a level of a topic template: write a text, {{name}} in small letters (one a level, with or "
                "without text around it), + for any level, or # at the end"
            )
        before, name, after = found.groups()
        if name is None:
            literals.append((index, before))
        else:
            captures.append((index, name, before, after))
    return _matcher(len(levels), open_ended, literals, captures)


def names(text: str) -> list[str]:
    """The captures that a template names, in its order."""
    return re.findall(r"\{([a-z][a-z0-9_]*)\}", text)


def subscription(text: str) -> str:
    """The MQTT filter that covers a template: captures become `+`."""
    return "/".join("+" if "{" in level else level for level in text.split("/"))


def _matcher(count: int, open_ended: bool, literals: list[tuple[int, str]], captures: list[tuple[int, str, str, str]]) -> Match:
    def match(levels: Sequence[str]) -> dict[str, str] | None:
        if len(levels) != count and not (open_ended and len(levels) > count):
            return None
        for index, due in literals:
            if levels[index] != due:
                return None
        found: dict[str, str] = {}
        for index, name, before, after in captures:
            level = levels[index]
            length = len(level) - len(after)
            if length <= len(before) or not level.startswith(before) or not level.endswith(after):
                return None
            value = level[len(before) : length]
            if found.setdefault(name, value) != value:
                return None
        return found

    return match
