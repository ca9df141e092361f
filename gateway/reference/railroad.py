"""Draws the rules of a lark grammar as railroad pictures (SVG): follow the line from left to right, every way through is a sentence.

Rounded boxes are what is written as it stands, square ones are other rules. Pure text in, text out.

    Picture: a drawing with a way in at its left end and a way out at its right end, both at height y.
             up   ┌──────┐
        y ──x─────│ word │─────x + width
             down └──────┘
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

CHARACTER = 8.4
"""Width of one in the monospaced font, px."""
RADIUS = 10
BOX = 15
"""Half the height of a box."""
GAP = 12
"""Between boxes, both ways."""

_STYLE = (
    "path{fill:none;stroke:#444;stroke-width:1.5}"
    "rect{stroke:#444;stroke-width:1.5;fill:#fff}rect.word{fill:#e8f0e4}"
    "text{font:14px monospace;text-anchor:middle;fill:#222}"
)


class Picture(NamedTuple):
    """What can be put into a line: its size, and how it is drawn at (x, y)."""

    width: float
    up: float
    down: float
    draw: Callable[[float, float], list[str]]


def railroads(grammar: str, leave_out: frozenset[str] = frozenset()) -> dict[str, str]:
    """Every rule of the grammar → its picture. Rules that are left out are left out of the others too."""
    read = _Grammar(grammar, leave_out)
    return {name: svg(read.picture(body)) for name, body in read.rules.items() if name not in leave_out}


def svg(picture: Picture) -> str:
    """A file of its own, with a white ground."""
    width, height = round(picture.width + 60), round(picture.up + picture.down + 20)
    y = picture.up + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" style="stroke:none"/>',
        _path(f"M10 {_n(y - 8)}v16m0-8h20"),
        *picture.draw(30, y),
        _path(f"M{_n(30 + picture.width)} {_n(y)}h20m0-8v16"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def box(text: str, *, word: bool) -> Picture:
    """A word as it is written, or the name of a rule."""
    width = round(len(text) * CHARACTER + 20)

    def draw(x: float, y: float) -> list[str]:
        round_corners = f' rx="{BOX}" class="word"' if word else ""
        return [
            f'<rect x="{_n(x)}" y="{_n(y - BOX)}" width="{width}" height="{2 * BOX}"{round_corners}/>',
            f'<text x="{_n(x + width / 2)}" y="{_n(y + 5)}">{escape(text)}</text>',
        ]

    return Picture(width, BOX, BOX, draw)


def sequence(parts: list[Picture]) -> Picture:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    width = sum(part.width for part in parts) + GAP * max(0, len(parts) - 1)

    def draw(x: float, y: float) -> list[str]:
        lines = []
        for index, part in enumerate(parts):
            if index:
                lines.append(_path(f"M{_n(x)} {_n(y)}h{GAP}"))
                x += GAP
            lines += part.draw(x, y)
            x += part.width
        return lines

    return Picture(width, max((part.up for part in parts), default=0), max((part.down for part in parts), default=0), draw)


def choice(parts: list[Picture]) -> Picture:
    """One of them: the first straight on, the others below."""
    if len(parts) == 1:
        return parts[0]
    inner = max(part.width for part in parts)
    below: list[float] = [0]
    for above, part in pairwise(parts):
        below.append(below[-1] + max(above.down + part.up + GAP, 2 * RADIUS))

    def draw(x: float, y: float) -> list[str]:
        lines = []
        for part, offset in zip(parts, below, strict=True):
            left, right, height = x + 2 * RADIUS, x + 2 * RADIUS + inner, y + offset
            if offset:
                down = f"q{RADIUS} 0 {RADIUS} {RADIUS}V{_n(height - RADIUS)}q0 {RADIUS} {RADIUS} {RADIUS}"
                up = f"q{RADIUS} 0 {RADIUS} {-RADIUS}V{_n(y + RADIUS)}q0 {-RADIUS} {RADIUS} {-RADIUS}"
                lines += [_path(f"M{_n(x)} {_n(y)}{down}"), _path(f"M{_n(left + part.width)} {_n(height)}H{_n(right)}{up}")]
            else:
                lines += [_path(f"M{_n(x)} {_n(y)}H{_n(left)}"), _path(f"M{_n(left + part.width)} {_n(y)}H{_n(right + 2 * RADIUS)}")]
            lines += part.draw(left, height)
        return lines

    return Picture(inner + 4 * RADIUS, parts[0].up, below[-1] + parts[-1].down, draw)


def repeated(part: Picture) -> Picture:
    """Once or more: the way back runs below."""
    back = part.down + GAP

    def draw(x: float, y: float) -> list[str]:
        left, right = x + RADIUS, x + RADIUS + part.width
        loop = f"q{RADIUS} 0 {RADIUS} {RADIUS}V{_n(y + back - RADIUS)}q0 {RADIUS} {-RADIUS} {RADIUS}H{_n(left)}"
        home = f"q{-RADIUS} 0 {-RADIUS} {-RADIUS}V{_n(y + RADIUS)}q0 {-RADIUS} {RADIUS} {-RADIUS}"
        return [
            _path(f"M{_n(x)} {_n(y)}h{RADIUS}"),
            *part.draw(left, y),
            _path(f"M{_n(right)} {_n(y)}h{RADIUS}"),
            _path(f"M{_n(right)} {_n(y)}{loop}{home}"),
        ]

    return Picture(part.width + 2 * RADIUS, part.up, back, draw)


def nothing() -> Picture:
    """Straight on."""
    return Picture(0, 0, 0, lambda x, y: [])


def _path(d: str) -> str:
    return f'<path d="{d}"/>'


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


class _Grammar:
    """A grammar, read with the grammar of grammars that lark ships. Terminals are not drawn, but for those that are one word."""

    def __init__(self, grammar: str, leave_out: frozenset[str]) -> None:
        from lark import Lark, Tree

        reader = Lark.open_from_package("lark", "lark.lark", ("grammars",), parser="lalr", maybe_placeholders=False)
        items = [item for item in reader.parse(grammar).children if isinstance(item, Tree)]
        self.rules = {str(item.children[0]).lstrip("?!"): item.children[-1] for item in items if item.data == "rule"}
        terminals: dict[str, Any] = {str(item.children[0]): item.children[-1] for item in items if item.data == "token"}
        self._words = {name: body for name, body in terminals.items() if body.data == "literal" and str(body.children[0]).startswith('"')}
        self._leave_out = leave_out

    def picture(self, body: Any) -> Picture:
        """A part of a rule's body."""
        parts = [self.picture(child) for child in body.children if hasattr(child, "data") and not self._left_out(child)]
        first = str(body.children[0]) if body.children else ""
        match body.data:
            case "literal":
                return box(first.strip('"'), word=True)
            case "name" if first in self._words:
                return self.picture(self._words[first])
            case "name":
                return box(first, word=False)
            case "expansions":
                return choice(parts)
            case "expr":
                repeat = str(body.children[-1])
                many = parts[0] if repeat == "?" else repeated(parts[0])
                return many if repeat == "+" else choice([nothing(), many])
        return sequence(parts)

    def _left_out(self, body: Any) -> bool:
        return body.data == "name" and str(body.children[0]) in self._leave_out
