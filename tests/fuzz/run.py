"""Fuzzing for as long as one likes: `python -m tests.fuzz.run --seconds 600 [name …]`. Exit 1 with the bytes when something is found.

All targets take turns, so that a short run touches each. With atheris installed one target can be fed by coverage
(`--atheris NAME`); else messages that the target reads are mutated: bits, bytes, stretches, splices, numbers at their bounds.
The same `--seed` gives the same run. A finding is an exception, or an input of at most 64 KB that takes more than 50 ms of CPU
three times over.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable

from tests.fuzz.targets import Target, targets

MAX_SECONDS = 0.05
LONGEST = 65_536
ROUND = 50
"""Inputs a target gets before the next one has its turn."""
SPECIAL = [b"", b"\0", b"\xff", b"\x7f\xff", b"\x80\0", b"-0", b"1e999", b"NaN", b"null", b'"', b"{", b"[", b"]", b"}", b"\n", b"\\ud800"]
SPECIAL += [
    b"9" * 400,
    b"\xc3\x28",
    b"[" * 40,
    b'{"a":' * 40,
    b"\x1f\x8b",
    b"%s%n",
    b"__class__",
    b"\xbf",
    b"\x9f",
    b"\xfb\x7f\xf8" + bytes(6),
]


def mutated(message: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The message with one to eight changes."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[at % len(data)] = chance.randrange(256)
            case 2:
                data[at:at] = chance.choice(SPECIAL)
            case 3:
                del data[at : at + chance.randint(1, 16)]
            case 4:
                data[at:at] = data[at : at + chance.randint(1, 64)] * chance.randint(1, 8)
            case 5 if others:
                other = chance.choice(others)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case 6:
                del data[at:]
            case _:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(data[:LONGEST])


def finding(feed: Callable[[bytes], None], payload: bytes) -> str | None:
    """What is wrong with this input, or None."""
    for _ in range(3):  # the machine may be busy; a slow input is slow every time
        begun = time.process_time()
        try:
            feed(payload)
        except BaseException:
            return traceback.format_exc()
        taken = time.process_time() - begun
        if taken <= MAX_SECONDS:
            return None
    return f"takes {taken * 1000:.0f} ms of CPU"


def fuzz(chosen: dict[str, Target], seconds: float, seed: int) -> tuple[dict[str, int], tuple[str, bytes, str] | None]:
    """Inputs a target got, and the first finding: (target, bytes, what)."""
    chance = random.Random(seed)
    seeds = {name: [*target.seeds, b"", b"{}", b"\x01\x75\x64"] for name, target in chosen.items()}
    every = [message for messages in seeds.values() for message in messages]
    fed = dict.fromkeys(chosen, 0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, target in chosen.items():
            for _ in range(ROUND):
                base = chance.choice(seeds[name] if chance.random() < 0.9 else every)
                payload = mutated(base, seeds[name], chance)
                found = finding(target.feed, payload)
                if found is not None:
                    return fed, (name, payload, found)
            fed[name] += ROUND
    return fed, None


def by_coverage(name: str, target: Target, seconds: float) -> None:
    """atheris on one target; it ends the process itself."""
    import atheris

    atheris.Setup([sys.argv[0], f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", "-timeout=5"], target.feed)
    print(f"atheris: {name}")
    atheris.Fuzz()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.run", description="Feed every reader of outside bytes with mutated messages."
    )
    parser.add_argument("names", nargs="*", help="targets, or the beginnings of their names (default: all)")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="default: the time")
    parser.add_argument("--atheris", metavar="NAME", help="feed one target by coverage")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    known = targets()
    if given.list:
        print("\n".join(known))
        return 0
    if given.atheris:
        by_coverage(given.atheris, known[given.atheris], given.seconds)
        return 0
    chosen = {name: target for name, target in known.items() if not given.names or name.startswith(tuple(given.names))}
    if not chosen:
        parser.error(f"no target begins with {', '.join(given.names)}; --list shows them")
    seed = int(time.time()) if given.seed is None else given.seed
    fed, found = fuzz(chosen, given.seconds, seed)
    if found is not None:
        name, payload, what = found
        print(f"FOUND by {name} (seed {seed}), {len(payload)} bytes:\n{payload.hex()}\n{what}", file=sys.stderr)
        return 1
    print(
        f"{sum(fed.values())} inputs for {len(fed)} targets in {given.seconds:g} s, least {min(fed.values())}, nothing found (seed {seed})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
