"""From the values of one record to readings: the gateway's hottest pure code.

    flat_collector   values stand under whole paths: one dictionary look-up a value
    tree_collector   values stand in the parser's tree: the type's paths are merged into one tree of look-ups (a trie), and the
                     message is walked along it once. What the type does not name is never visited.

A number inside its good span costs one multiplication, one addition and one comparison; everything else (missing, refused,
flagged) takes the slow way of `CompiledField.read`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, TypeAlias

from devices.fields import CompiledField
from devices.formats import paths
from devices.quality import GOOD, MISSING
from devices.reading import RefusedField, Value

MAX_JOINED = 6
"""Names in a row whose points are tried as part of a member's name too (`SDS0X1.PM2.5`); longer runs are only nested."""


Found: TypeAlias = tuple[list[Value], list[Value], list[RefusedField], list[tuple[int, bool, Value | RefusedField]]]
"""What one record gives; collectors append to these, in the message's order:

values of the type's main medium, values of other media, refused fields, and fields that compete for one parameter (rank, is it
of the main medium, what was read). A plain tuple, because one is made for each message.
"""

Collect: TypeAlias = Callable[[dict[str, Any], Found], None]
"""(record's pairs or tree, where to append). Never raises."""
Walk: TypeAlias = Callable[..., None]
"""(object, where to append, the message if the object is only a part of it). Never raises."""

_Spec: TypeAlias = tuple[bool, str, float, float, float, float, CompiledField]


def _spec(field: CompiledField, medium: str) -> _Spec:
    return (field.medium == medium, field.parameter, field.factor, field.offset, *field.fast_span(), field)


def flat_collector(fields: Iterable[CompiledField], medium: str) -> Collect:
    """For records whose values stand under whole paths."""
    get = {field.key: _spec(field, medium) for field in fields}.get

    def collect(pairs: Mapping[str, object], found: Found) -> None:
        values = found[0]
        for key, raw in pairs.items():
            spec = get(key)
            if spec is None:
                continue
            main, parameter, factor, offset, low, high, _ = spec
            if type(raw) is float or type(raw) is int:
                value = raw * factor + offset
                if low <= value <= high:
                    if main:
                        values.append(Value(parameter, value, GOOD))
                    else:
                        found[1].append(Value(parameter, value, GOOD))
                    continue
            _settle(spec, raw, pairs, found)

    return collect


def _settle(spec: _Spec, raw: object, message: Any, found: Found) -> None:
    main, field = spec[0], spec[6]
    outcome = field.read(raw, message)
    values, extra, refused, ranked = found
    if field.special is not None and field.special.rank is not None:
        ranked.append((field.special.rank, main, outcome))
    elif isinstance(outcome, RefusedField):
        refused.append(outcome)
    else:
        (values if main else extra).append(outcome)


def settle_ranked(found: Found) -> None:
    """Of competing fields the least rank that has a value counts; with none, the least rank says so."""
    best: dict[str, tuple[bool, int, bool, Value]] = {}
    values, extra, refused, ranked = found
    for rank, main, outcome in ranked:
        if isinstance(outcome, RefusedField):
            refused.append(outcome)
            continue
        held = best.get(outcome.parameter)
        without = outcome.flag == MISSING
        if held is None or (without, rank) < held[:2]:
            best[outcome.parameter] = (without, rank, main, outcome)
    for _, _, main, value in best.values():
        (values if main else extra).append(value)


# --- the tree


class _Node:
    """What a type knows below one place of the message."""

    __slots__ = ("names", "walk", "where")

    def __init__(self) -> None:
        self.names: dict[str, _Entry] = {}
        self.walk: Walk
        """Over an object that stands here; there once `finish` was called."""
        self.where: dict[str, dict[str, _Node]] = {}
        """Arrays of objects: member → text → what is known of the first element whose member is that text."""

    def finish(self) -> None:
        """All paths are in: prepare the walk, here and below."""
        slots: dict[str, _Slot] = {}
        for name, entry in self.names.items():
            spec = entry.spec
            plain = spec is not None and entry.joined is None and entry.node is None
            slots[name] = (*spec[:6], entry) if plain and spec is not None else (False, "", 1.0, 0.0, inf, -inf, entry)
            if entry.node is not None:
                entry.node.finish()
        for table in self.where.values():
            for node in table.values():
                node.finish()
        self.walk = _walker(slots)


class _Entry:
    """One member of an object: a value to read, or a place to go on from, or both."""

    __slots__ = ("joined", "node", "spec")

    def __init__(self) -> None:
        self.spec: _Spec | None = None
        self.node: _Node | None = None
        self.joined: paths.Find | None = None
        """The name is several steps joined by points: taken only if the path, read as a whole, leads here too."""


_Slot: TypeAlias = tuple[bool, str, float, float, float, float, _Entry]
"""An entry as the walk meets it: the first six are of its value, with a span that fits nothing where the slow way is due."""


def tree_collector(fields: Iterable[CompiledField], medium: str) -> Collect:
    """For records whose pairs are the parser's tree."""
    root = _Node()
    others: list[tuple[paths.Find, _Spec]] = []
    for field in fields:
        spec = _spec(field, medium)
        steps = paths.parse_path(field.key)
        if not _insert(root, steps, spec):
            others.append((paths.compile_path(field.key), spec))
    root.finish()
    walk = root.walk
    if not others:
        return walk

    def collect(tree: dict[str, Any], found: Found, message: Any = None) -> None:
        walk(tree, found)
        for find, spec in others:
            raw = find(tree)
            if raw is not paths.MISSING:
                _settle(spec, raw, tree, found)

    return collect


def _walker(slots: Mapping[str, _Slot]) -> Walk:
    """The walk over one object; `message` is the whole, where the object is not the whole itself."""
    get = slots.get

    def walk(here: dict[str, Any], found: Found, message: Any = None) -> None:
        values = found[0]
        for name, raw in here.items():
            slot = get(name)
            if slot is None:
                continue
            main, parameter, factor, offset, low, high, entry = slot
            if type(raw) is float or type(raw) is int:
                value = raw * factor + offset
                if low <= value <= high:
                    if main:
                        values.append(Value(parameter, value, GOOD))
                    else:
                        found[1].append(Value(parameter, value, GOOD))
                    continue
            _go_on(entry, raw, here if message is None else message, found)

    return walk


def _go_on(entry: _Entry, raw: Any, message: Any, found: Found) -> None:
    """A value that takes the slow way, or what lies below it."""
    spec, node = entry.spec, entry.node
    if spec is not None and (entry.joined is None or entry.joined(message) is raw):
        _settle(spec, raw, message, found)
    if node is not None:
        if raw.__class__ is dict:
            node.walk(raw, found, message)
        elif raw.__class__ is list and node.where:
            _each(node, raw, message, found)


def _each(node: _Node, elements: list[Any], message: Any, found: Found) -> None:
    """An array of objects that name what they hold: each name's first object counts."""
    for member, table in node.where.items():
        done = set()
        for element in elements:
            if element.__class__ is not dict:
                continue
            raw = element.get(member)
            said = raw if raw.__class__ is str else _as_text(raw)
            below = None if said is None else table.get(said)
            if below is not None and said not in done:
                done.add(said)
                below.walk(element, found, message)


def _as_text(said: object) -> str | None:
    """As `paths` compares them."""
    if isinstance(said, bool):
        return "true" if said else "false"
    return str(said) if isinstance(said, float) or (isinstance(said, int) and abs(said) <= 1 << 64) else None


def _insert(node: _Node, steps: tuple[Any, ...], spec: _Spec) -> bool:
    """Put a path into the trie, under every way in which its points may be meant. False: it has steps that a trie cannot hold."""
    plain = [isinstance(step, paths._Name) for step in steps]
    if not plain[0] or not plain[-1]:
        return False
    if all(plain):
        return _insert_names(node, [(step.name, step.quoted) for step in steps], spec, spec[6].key)
    # names, then one condition, then names: `sensordatavalues[value_type=SDS_P1].value`
    at = plain.index(False)
    where = steps[at]
    if not isinstance(where, paths._Where) or len(where.conditions) != 1 or not all(plain[at + 1 :]):
        return False
    ahead, behind = steps[:at], steps[at + 1 :]
    if len(ahead) > 1 or len(behind) > 1:
        return False
    entry = node.names.setdefault(ahead[0].name, _Entry())
    entry.node = entry.node or _Node()
    (member, text), *_ = where.conditions
    below = entry.node.where.setdefault(member, {}).setdefault(text, _Node())
    return _insert_names(below, [(behind[0].name, True)], spec, spec[6].key)


def _insert_names(node: _Node, names: list[tuple[str, bool]], spec: _Spec, path: str) -> bool:
    nested = [name for name, _ in names]
    ways = [nested]
    if len(names) <= MAX_JOINED:
        ways = _ways(names)
    entries = [_entry_at(node, way) for way in ways]
    if any(entry.spec is not None for entry in entries):
        return False
    find = paths.compile_path(path)
    for way, entry in zip(ways, entries, strict=True):
        entry.spec = spec
        entry.joined = None if way == nested else find
    return True


def _ways(names: list[tuple[str, bool]]) -> list[list[str]]:
    """All ways to join neighbouring unquoted names by points; the nested one first."""
    ways: list[list[str]] = [[names[0][0]]]
    for index in range(1, len(names)):
        name, quoted = names[index]
        apart = [[*way, name] for way in ways]
        joinable = not quoted and not names[index - 1][1]
        ways = apart + ([[*way[:-1], f"{way[-1]}.{name}"] for way in ways] if joinable else [])
    return ways


def _entry_at(node: _Node, way: list[str]) -> _Entry:
    for name in way[:-1]:
        entry = node.names.setdefault(name, _Entry())
        entry.node = entry.node or _Node()
        node = entry.node
    return node.names.setdefault(way[-1], _Entry())
