"""What could not be read of a message whose other parts could: a bad line, an unknown alias, a text that is not base64.

A format says so by a *Rejection standing in the pairs, where the value would be*: `{"temp": 23.1, "line 3": Rejection(…)}`.
Whoever turns records into readings marks each of them as a refused field, whether or not the device type names the path; it
loses no neighbour. A message of which nothing else can be read is refused whole, with the first of these reasons.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.formats.record import Pairs, Record
from devices.reading import RefusedField
from devices.rejection import Reason, Rejection

MAX_NAMED = 20
"""So many refusals of one message are named; the last one then says how many more there are."""


def settle(records: list[Record], refused: Mapping[str, Rejection]) -> list[Record] | Rejection:
    """The records, the first of which bears the refusals; the first refusal when there are no records."""
    if not refused:
        return records
    if not records:
        path, first = next(iter(refused.items()))
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        return Rejection(first.reason, f"{path}: {first.detail}{more}"[:280])
    named = dict(list(refused.items())[:MAX_NAMED])
    if len(refused) > MAX_NAMED:
        named["…"] = Rejection(Reason.WRONG_SHAPE, f"{len(refused) - MAX_NAMED} more parts of the message cannot be read")
    records[0].pairs.update(named)
    return records


def refused_fields(pairs: Pairs) -> list[RefusedField]:
    """The refusals that stand among the pairs."""
    if Rejection not in map(type, pairs.values()):
        return []
    return [RefusedField(path, value.reason, value.detail) for path, value in pairs.items() if isinstance(value, Rejection)]


def readable(pairs: Pairs) -> Pairs:
    """The pairs without their refusals."""
    return {path: value for path, value in pairs.items() if not isinstance(value, Rejection)}
