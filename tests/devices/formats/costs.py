"""The bounds of every format: 50 ms and 10 MB for 64 KB. And payloads that look nearly right."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from devices.formats.record import Context, Control, Record
from devices.rejection import Rejection

Outcome = list[Record] | Control | Rejection
MAX_SECONDS = 0.050
MAX_BYTES = 10_000_000


def cheap(read: Callable[[bytes, Context], Outcome], payload: bytes, context: Context) -> Outcome:
    """Read it, and assert that it cost little. The shortest of some runs counts: the machine is shared, the code is not."""
    shortest = float("inf")
    for _ in range(10):
        started = time.process_time()
        found = read(payload, context)
        shortest = min(shortest, time.process_time() - started)
        if shortest < MAX_SECONDS:
            break
    assert shortest < MAX_SECONDS, f"{shortest * 1000:.0f} ms"
    tracemalloc.start()
    read(payload, context)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_BYTES, f"{peak / 1e6:.1f} MB"
    return found


def payloads(pieces: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Any bytes, and sequences of pieces of which the format is made."""
    return st.one_of(
        st.binary(max_size=200),
        st.lists(st.one_of(st.sampled_from(pieces), st.binary(max_size=3)), max_size=40).map(b"".join),
    )


def mutations(valid: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Valid messages with a stretch replaced by other bytes, or cut."""

    def mutated(message: bytes, start: int, length: int, other: bytes) -> bytes:
        at = start % (len(message) + 1)
        return message[:at] + other + message[at + length :]

    return st.builds(mutated, st.sampled_from(valid), st.integers(0, 10_000), st.integers(0, 20), st.binary(max_size=8))
