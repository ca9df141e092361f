"""Fuzzing by coverage, with atheris: `python -m tests.fuzz.guided FOLDER SECONDS [name …]`; `tests.fuzz.run` calls it.

Runs alone in its process, because the readers must be instrumented while they are imported. Each target then has its turn in a
forked child: libFuzzer ends the process it ran in. What a child leaves in FOLDER/NUMBER of its target:

    corpus/     the seeds, and every input that reached something new
    found/      inputs that raised or hung, and some that were slow here. Instrumented code is slower: whoever reads them decides
    log         what libFuzzer said
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import atheris

# atheris names each module that it instruments; that would hide what is said of the targets.
with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["devices", "gateway.mqtt"]):
    from tests.fuzz.targets import Target, targets

from tests.fuzz.limits import LONGEST, MAX_SECONDS

MOST_SLOW = 10
"""Slow inputs kept of one target."""
HANG_S = 5
MAX_MEGABYTES = 1024


def feed_all(chosen: dict[str, Target], folder: Path, seconds: float) -> None:
    """Each target in turn gets the same share of the time."""
    end = time.monotonic() + seconds
    for number, (name, target) in enumerate(chosen.items()):
        share = (end - time.monotonic()) / (len(chosen) - number)
        place = folder / str(number)
        (place / "found").mkdir(parents=True)
        (place / "corpus").mkdir()
        for seed in {*target.seeds, b"{}"}:
            (place / "corpus" / sha256(seed).hexdigest()).write_bytes(seed)
        print(f"{name}: {share:.1f} s", flush=True)
        child = os.fork()
        if not child:
            _feed(target, place, max(1, round(share) - 1))  # libFuzzer counts whole seconds, and ends when they are over
        os.waitpid(child, 0)


def _feed(target: Target, place: Path, seconds: int) -> None:
    """In the child, which ends here."""
    log = os.open(place / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={HANG_S}", f"-rss_limit_mb={MAX_MEGABYTES}"]
    options += ["-print_final_stats=1", f"-artifact_prefix={place / 'found'}/"]
    atheris.Setup([sys.argv[0], str(place / "corpus"), *options], _timed(target, place / "found"))
    atheris.Fuzz()


def _timed(target: Target, found: Path) -> Callable[[bytes], None]:
    slow = 0
    feed, limit = target.feed, MAX_SECONDS * target.reads

    def timed(payload: bytes) -> None:
        nonlocal slow
        begun = time.process_time()
        feed(payload)
        if time.process_time() - begun > limit and slow < MOST_SLOW:
            slow += 1
            (found / f"slow-{slow}").write_bytes(payload)

    return timed


if __name__ == "__main__":
    known = targets()
    feed_all({name: known[name] for name in sys.argv[3:] or known}, Path(sys.argv[1]), float(sys.argv[2]))
