"""Packed readings aside of their hours, against a dictionary."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from devices.asides import Aside, appended, find, place, replaced, since

ASIDES = st.lists(
    st.builds(Aside, st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, (1 << 32) - 1), st.floats(allow_nan=False)),
    max_size=12,
    unique_by=lambda aside: aside.hour,
).map(sorted)


@given(ASIDES, st.integers(1, 12), st.data())
def test_records_are_a_dictionary_by_hour(items: list[Aside], most: int, data: st.DataObject) -> None:
    records = b""
    for aside in items:
        records = appended(records, aside, most)
    known = {aside.hour: aside for aside in items[-most:]}
    assert len(records) == 16 * len(known)
    if known:
        hour = data.draw(st.sampled_from(sorted(known)))
        change = data.draw(st.one_of(st.none(), st.just(Aside(hour, 5, 1.5))))
        records = replaced(records, hour, change)
        if change is None:
            del known[hour]
        else:
            known[hour] = change
        before = data.draw(st.sampled_from(items)).hour
        records = since(records, before)
        known = {hour: aside for hour, aside in known.items() if hour >= before}
    for aside in items:
        assert find(records, aside.hour) == known.get(aside.hour)
    assert replaced(records, 12_345, Aside(12_345, 0, 0.0)) == records or 12_345 in known


def test_a_number_that_happens_to_stand_within_a_record_is_not_its_beginning() -> None:
    record = struct.pack("<iid", 7, 9, 0.0)
    assert place(record, struct.pack("<i", 9), 16) == -1
    assert place(record * 2, struct.pack("<i", 7), 16) == 16
