"""When a value that is suspect turns out to be real (semantics D2), and when it may be an event.

The *level* is the last accepted value. A value further from it than the step limit is *away*: suspect, and kept open.

    back within the limit           good at once, and the new level; what was open stays suspect: a spike
    away to the other side          begins anew
    third one away on one side      confirmed: it is the new level, and the open ones are revised to what their other tests say;
                                    for a while steps half as large are usual, since what has begun goes on moving
    a neighbour stands there too    confirmed at once

What repeats itself is not confirmed: a probe that jumps to a constant is out of the water, or dead, until its value moves.
If it then moves far, that begins anew. Neither is a value outside of the plausible range: it is no level, and opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from devices.qc import neighbour
from devices.qc.plan import Plan
from devices.qc.state import SeriesState, Unrest
from devices.quality import SUSPECT

CONFIRM = 3
"""Consecutive samples that confirm each other (semantics D2)."""

FADES = 0.9
"""By which the stir of a confirmed change shrinks from sample to sample: what rose like a wall falls like a slope."""

Around = Callable[[str], Sequence[float]]
"""Parameter → the held values of the neighbours (semantics C5)."""


class Revision(msgspec.Struct, frozen=True, gc=False):
    """An earlier reading of the device gets another flag. `tests` holds the verdicts that changed, when traced."""

    parameter: str
    time_ms: int
    value: float
    flag: int
    tests: dict[str, int] = {}


class PossibleEvent(msgspec.Struct, frozen=True, gc=False):
    """Every reading since `since_ms` has been suspect, for as long as the plan says: somebody should look. Said once."""

    parameter: str
    since_ms: int
    time_ms: int
    value: float


class Found(msgspec.Struct):
    """What the values of a message brought to light beside their own flags."""

    revisions: list[Revision] = []
    events: list[PossibleEvent] = []
    tests: dict[str, dict[str, int]] = {}


def difference(plan: Plan, one: float, other: float) -> float:
    if plan.turn:
        return abs((one - other + 180) % 360 - 180)
    return abs(one - other)


def is_confirmed(
    plan: Plan, unrest: Unrest, parameter: str, number: float, level: float, move: float, limit: float, around: Around | None
) -> bool:
    """Takes in a value that is away. True: the third one on its side (and they move), or a neighbour stands there too."""
    side = _side(plan, number, level)
    anew = side != unrest.side or (unrest.away > 1 and not unrest.moved and move > limit)
    if anew:
        unrest.side, unrest.away, unrest.moved, unrest.open = side, 1, plan.stuck is None, []
    else:
        unrest.away += 1
        unrest.moved = unrest.moved or move >= plan.repeats
    if unrest.away >= CONFIRM and unrest.moved:
        return True
    return around is not None and neighbour.confirms(number, level, around(parameter), limit)


def _side(plan: Plan, number: float, level: float) -> int:
    rise = number - level
    if plan.turn:
        rise = (rise + 180) % 360 - 180
    return 1 if rise > 0 else -1


def confirm(plan: Plan, state: SeriesState, unrest: Unrest, parameter: str, number: float, found: Found) -> None:
    """The open readings were real: they are revised, and the series goes on from here."""
    for reading in unrest.open:
        if reading.flag != reading.base:
            found.revisions.append(Revision(parameter, reading.time_ms, reading.value, reading.base))
    unrest.open = []
    unrest.side = unrest.away = 0
    if plan.learnt is not None and unrest.level is not None:
        change = difference(plan, number, unrest.level)
        state.scale = plan.learnt.taught(state.scale, change)
        unrest.stir = change / 2
    unrest.level = number
    unrest.excused = plan.neighbour is not None


def watch_event(
    plan: Plan, unrest: Unrest, parameter: str, time_ms: int, number: float, flag: int, tests: dict[str, int], found: Found
) -> None:
    """Suspect for long, and not only because the sensor is stuck: it may be an event (semantics D2).

    Fewer samples than could have confirmed each other are not long, however far apart they are.
    """
    if flag != SUSPECT:
        unrest.suspect_ms, unrest.told, unrest.suspects = None, False, 0
        return
    if unrest.suspect_ms is None:
        if not plan.event_within[0] <= number <= plan.event_within[1]:
            return
        if tests["range"] != SUSPECT and tests.get("step") != SUSPECT and tests.get("neighbour") != SUSPECT:
            return
        unrest.suspect_ms = time_ms
    unrest.suspects = min(unrest.suspects + 1, CONFIRM)
    if not unrest.told and unrest.suspects == CONFIRM and time_ms - unrest.suspect_ms >= plan.event_ms:
        unrest.told = True
        found.events.append(PossibleEvent(parameter, unrest.suspect_ms, time_ms, number))
