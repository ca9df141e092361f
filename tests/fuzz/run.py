"""Fuzzing for as long as one likes: `python -m tests.fuzz.run --seconds 600 [name …]`. Exit 1 with the bytes when something is found.

Where atheris is installed and there is time enough, four fifths of it go to inputs that are led by coverage
(`tests.fuzz.guided`), each target in turn. In the rest, and everywhere else in all of it, messages that the target reads (and what
coverage led to) are mutated: bits, bytes, stretches, splices, numbers at their bounds, and one stretch repeated to 64 KB. All
targets take turns, so that a short run touches each. The same `--seed` gives the same mutations.

A finding is an exception, or an input of at most 64 KB that takes more than 50 ms of CPU three times over or more than 10 MB of
memory. `--feed HEX name` (or `--feed @FILE name`) gives one input to one target: how a finding is tried again.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.limits import LONGEST, MAX_BYTES, MAX_SECONDS
from tests.fuzz.targets import Target, targets

GUIDED_SHARE = 0.8
SHORTEST_GUIDED_S = 2
"""Coverage leads nowhere in less time for one target."""
ROUND = 50
"""Inputs a target gets before the next one has its turn."""
LONG_ONES = 0.02
"""The share of mutated inputs that are made as long as they may be; their memory is measured."""
MOST_SHOWN = 2000
"""Bytes of a finding that are printed; longer ones go to a file."""
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


class Finding(NamedTuple):
    """What is wrong, with which input of which target."""

    name: str
    payload: bytes
    what: str


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


def lengthened(message: bytes, chance: random.Random) -> bytes:
    """The message with one stretch of it repeated until it is as long as it may be: what costs more than it should, shows."""
    at = chance.randrange(len(message) + 1)
    stretch = message[at : at + chance.randint(1, 64)] or b"["
    return message[:at] + stretch * max(0, (LONGEST - len(message)) // len(stretch)) + message[at:]


def finding(target: Target, payload: bytes, *, memory: bool = False) -> str | None:
    """What is wrong with this input, or None. To measure memory takes long."""
    for _ in range(3):  # the machine may be busy; a slow input is slow every time
        begun = time.process_time()
        try:
            target.feed(payload)
        except BaseException:
            return traceback.format_exc()
        taken = (time.process_time() - begun) / target.reads
        if taken <= MAX_SECONDS:
            return _too_much_memory(target.feed, payload) if memory else None
    return f"takes {taken * 1000:.0f} ms of CPU"


def _too_much_memory(feed: Callable[[bytes], None], payload: bytes) -> str | None:
    tracemalloc.start()
    feed(payload)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return f"takes {peak / 1e6:.1f} MB of memory" if peak > MAX_BYTES else None


def fuzz(chosen: dict[str, Target], seconds: float, seed: int) -> tuple[dict[str, int], Finding | None]:
    """Inputs a target got, and the first finding."""
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
                long = chance.random() < LONG_ONES
                if long:
                    payload = lengthened(payload, chance)
                found = finding(target, payload, memory=long)
                if found is not None:
                    return fed, Finding(name, payload, found)
            fed[name] += ROUND
    return fed, None


def by_coverage(chosen: dict[str, Target], seconds: float, folder: Path) -> tuple[dict[str, int], dict[str, Target], list[Finding]]:
    """Inputs a target got, the targets with what was reached as seeds, and what is wrong."""
    subprocess.run([sys.executable, "-m", "tests.fuzz.guided", folder, str(seconds), *chosen], check=True)
    fed, richer, findings = {}, {}, []
    for number, (name, target) in enumerate(chosen.items()):
        place = folder / str(number)
        log = (place / "log").read_text("utf-8", "replace")
        done = re.search(r"number_of_executed_units: (\d+)", log)
        fed[name] = int(done[1]) if done else 0
        richer[name] = target._replace(seeds=list(_contents(place / "corpus")))
        tried = ((payload, finding(target, payload, memory=True)) for payload in _contents(place / "found"))
        findings += [Finding(name, payload, what) for payload, what in tried if what is not None]
        if done is None:
            findings.append(Finding(name, b"", f"the process ended before its time:\n{log[-2000:]}"))
    return fed, richer, findings


def _contents(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted(folder.iterdir()))


def run(chosen: dict[str, Target], seconds: float, seed: int, *, guided: bool) -> tuple[dict[str, int], list[Finding]]:
    """Inputs a target got, and all that was found."""
    fed = dict.fromkeys(chosen, 0)
    findings: list[Finding] = []
    end = time.monotonic() + seconds
    if guided:
        with tempfile.TemporaryDirectory() as folder:
            fed, chosen, findings = by_coverage(chosen, seconds * GUIDED_SHARE, Path(folder))
    more, found = fuzz(chosen, end - time.monotonic(), seed)
    return {name: fed[name] + more[name] for name in chosen}, findings + ([found] if found else [])


def report(findings: Iterable[Finding]) -> str:
    """The bytes of each (of long ones: where they are), and how to try them again."""
    lines = []
    for name, payload, what in findings:
        said = payload.hex()
        if len(payload) > MOST_SHOWN:
            path = Path(tempfile.gettempdir()) / f"fuzz-{sha256(payload).hexdigest()[:16]}"
            path.write_bytes(payload)
            said = f"@{path}"
        lines.append(f"FOUND by {name}, {len(payload)} bytes: {what}\n  python -m tests.fuzz.run --feed '{said}' '{name}'")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.run", description="Feed every reader of outside bytes with messages that it does not expect."
    )
    parser.add_argument("names", nargs="*", help="targets, or the beginnings of their names (default: all)")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="default: the time")
    parser.add_argument("--mutate", action="store_true", help="without coverage, also where atheris is installed")
    parser.add_argument("--feed", metavar="HEX|@FILE", help="give this one input to one target")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    known = targets()
    if given.list:
        print("\n".join(known))
        return 0
    chosen = {name: target for name, target in known.items() if not given.names or name.startswith(tuple(given.names))}
    if not chosen:
        parser.error(f"no target begins with {', '.join(given.names)}; --list shows them")
    if given.feed is not None:
        payload = Path(given.feed[1:]).read_bytes() if given.feed.startswith("@") else bytes.fromhex(given.feed)
        tried = ((name, finding(target, payload, memory=True)) for name, target in chosen.items())
        return _end([Finding(name, payload, what) for name, what in tried if what is not None], f"{len(chosen)} target(s) took it")
    guided = importlib.util.find_spec("atheris") is not None and not given.mutate
    guided = guided and given.seconds * GUIDED_SHARE / len(chosen) >= SHORTEST_GUIDED_S
    seed = int(time.time()) if given.seed is None else given.seed
    fed, findings = run(chosen, given.seconds, seed, guided=guided)
    least = min(fed, key=fed.__getitem__)
    how = "led by coverage, then mutated" if guided else "mutated"
    return _end(
        findings,
        f"{sum(fed.values())} inputs, {how}, for {len(fed)} targets in {given.seconds:g} s (seed {seed}), least {fed[least]} for {least}",
    )


def _end(findings: list[Finding], said: str) -> int:
    if findings:
        print(report(findings), file=sys.stderr)
    print(f"{said}: {f'{len(findings)} findings' if findings else 'nothing found'}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
