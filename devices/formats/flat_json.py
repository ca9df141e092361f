"""`flat-json`: one JSON object, its members are the pairs (`{"device":"an-01","pm25":12.3}`).

Nested members are handed on as they are: a type that reads one of them as a number refuses that field, and its neighbours
are kept. (For paths into them: `nested-json`.)
"""

from __future__ import annotations

from typing import Any

import orjson

from devices.formats.base import Format, Pairs
from devices.formats.json_text import examined, second_opinion, wrong_shape
from devices.rejection import Rejection

_loads = orjson.loads


def read(payload: bytes) -> Pairs | Rejection:
    """The members of the object, in its order, or why there are none (see `json_text`). Never raises."""
    try:
        members: Any = _loads(payload)
    except orjson.JSONDecodeError as error:
        members = second_opinion(payload, str(error), "one JSON object")
        return wrong_shape(payload, members) if members.__class__ is list else members
    if members.__class__ is not dict:
        return wrong_shape(payload, members)
    # Cheap proof that no key occurs twice: each member has a colon, and orjson keeps the last of two equal keys. So as many
    # colons as kept members mean one of each, no colon inside a text, and nothing nested but empty objects.
    if payload.count(b":") == len(members) and b"[" not in payload:
        return members
    # The same by quotation marks, for texts with colons (times): every key and every text value takes two of them, so more
    # marks than the kept members account for mean a second key, an escaped mark or nesting.
    texts = list(map(type, members.values())).count(str)
    if payload.count(b'"') != 2 * (len(members) + texts) or payload.find(b"[") > 0 or payload.find(b"{", 1) > 0:
        return examined(payload, members)  # type: ignore[no-any-return]
    return members


FORMAT = Format("flat-json", read)
