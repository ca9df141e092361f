"""A consistent snapshot of the core, taken in slices while messages go on (semantics A5: at most 5 ms each).

    begin()  ──▶ the globals are encoded at once; every unit is still to do
    touch(u) ──▶ called before unit u changes: if it is still to do, it is encoded now (copy on write)
    slice(n) ──▶ encodes up to n more units; when nothing is left the snapshot is complete

What comes out is the state exactly as it was at `begin`, after journal sequence number `seq`.
"""

from __future__ import annotations

from typing import Protocol


class Units(Protocol):
    """What can be snapshotted: the core."""

    def units(self) -> list[str]: ...
    def encode_unit(self, name: str) -> bytes | None: ...
    def encode_globals(self) -> bytes: ...


class Snapshotter:
    """At most one snapshot at a time."""

    def __init__(self, core: Units) -> None:
        self._core = core
        self._todo: dict[str, None] = {}
        self._done: list[tuple[str, bytes]] = []
        self.active = False

    def begin(self) -> bytes:
        """Start a snapshot of the state as it is now; returns the encoded globals. Drops an unfinished one."""
        self._todo = dict.fromkeys(self._core.units())
        self._done = []
        self.active = True
        return self._core.encode_globals()

    def touch(self, name: str) -> None:
        """The unit is about to change."""
        if name in self._todo:
            del self._todo[name]
            self._encode(name)

    def touch_all(self) -> None:
        """Everything is about to change (configuration, clock jump)."""
        while self._todo:
            self._encode(self._todo.popitem()[0])

    def slice(self, units: int) -> tuple[list[tuple[str, bytes]], bool]:
        """Encode up to `units` more; returns what is encoded since the last call, and whether that was all."""
        for _ in range(min(units, len(self._todo))):
            self._encode(self._todo.popitem()[0])
        done, self._done = self._done, []
        if not self._todo:
            self.active = False
        return done, not self._todo

    def abort(self) -> None:
        """Forget the snapshot under way."""
        self._todo, self._done, self.active = {}, [], False

    def _encode(self, name: str) -> None:
        data = self._core.encode_unit(name)
        if data is not None:
            self._done.append((name, data))
