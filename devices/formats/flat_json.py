"""`flat-json`: one JSON object, its members are the pairs (`{"device":"an-01","pm25":12.3}`).

Nested members are handed on as they are: a type that reads one of them as a number refuses that field, and its neighbours
are kept. (For paths into them: `nested-json`.)
"""

from __future__ import annotations

from typing import Any

import orjson

from devices.formats.base import Format, Pairs
from devices.formats.json_text import NOT_SHALLOW, examined, no_key_twice, second_opinion, shallow_object, wrong_shape
from devices.rejection import Rejection

_dumps = orjson.dumps


def read(payload: bytes) -> Pairs | Rejection:
    """The members of the object, in its order, or why there are none (see `json_text`). Never raises."""
    try:
        members = shallow_object(payload)
        again = _dumps(members)
    except NOT_SHALLOW:
        return _read_any(payload)
    if again == payload or no_key_twice(payload, again):
        return members
    found: Pairs | Rejection = examined(payload, members)
    return found


def _read_any(payload: bytes) -> Pairs | Rejection:
    try:
        members: Any = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        members = second_opinion(payload, str(error), "one JSON object")
        return wrong_shape(payload, members) if members.__class__ is list else members
    return examined(payload, members) if members.__class__ is dict else wrong_shape(payload, members)


FORMAT = Format("flat-json", read)
