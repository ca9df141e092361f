"""strace as a witness, and as a saboteur of system calls.

site.start(wrap=strace.wrap(file, …))      the whole life of a process; calls(file) afterwards
with strace.attached(pid, file, inject="fdatasync:error=EIO"):      the calls fail while the block lasts
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BINARY = shutil.which("strace")
WRITES = ("write", "writev", "sendto", "sendmsg")
READS = ("read", "readv", "recvfrom", "recvmsg")
SYNCS = ("fdatasync", "fsync")

_CALL = re.compile(r"^(\d+) +[\d:.]+ (?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")
_FD = re.compile(r"^\d+<(TCP:\[[^\]]*\]|[^>]*)")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_RESULT = re.compile(r"\) += (-?\d+)")


@dataclass
class Call:
    """One finished system call. `begin` and `end` are places in the order of events of all threads."""

    name: str
    what: str
    """Path of the file, or `TCP:[from->to]`."""
    data: bytes
    """All buffers of it, cut to what was really transferred where the call says how much."""
    result: int
    begin: int
    end: int


def options(trace: Sequence[str], inject: str = "", paths: Sequence[Path] = ()) -> list[str]:
    """Options for these calls; `paths`: only on these files."""
    if BINARY is None:
        raise FileNotFoundError("strace is not installed: apt-get install strace")
    found = [BINARY, "-f", "-tt", "-yy", "-xx", "-s", "1000000", "-e", f"trace={','.join(trace)}", "-e", "signal=none"]
    if inject:
        found += ["-e", f"inject={inject}"]
    for path in paths:
        found += ["-P", str(path)]
    return found


def wrap(file: Path, trace: Sequence[str]) -> list[str]:
    """What to put in front of a command."""
    return [*options(trace), "-D", "-o", str(file), "--"]  # -D: the command itself is our child, and gets our signals


@contextmanager
def attached(pid: int, file: Path, *, inject: str, paths: Sequence[Path] = ()) -> Iterator[None]:
    """`inject` (strace's syntax, e.g. `pwrite64:error=ENOSPC`) in all threads of a running process, until the block ends."""
    name = inject.partition(":")[0]
    told = file.with_suffix(".err")
    with told.open("wb") as errors:
        tracer = subprocess.Popen([*options([name], inject, paths), "-o", str(file), "-p", str(pid)], stderr=errors)
    try:
        deadline = time.monotonic() + 20
        while "attached" not in told.read_text():
            assert tracer.poll() is None, f"strace ended: {told.read_text()}"
            assert time.monotonic() < deadline, f"strace did not attach: {told.read_text()}"
            time.sleep(0.01)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)  # it lets go of the process
        tracer.wait(20)


def injected(file: Path) -> int:
    """How many calls were made to fail so far."""
    return file.read_text(errors="replace").count("(INJECTED)")


def calls(file: Path) -> list[Call]:
    """The finished calls of a process that has ended, in the order in which they began."""
    deadline = time.monotonic() + 20
    while " +++ " not in "".join(file.read_text(errors="replace").splitlines()[-1:]):  # strace itself ends a little later
        assert time.monotonic() < deadline, f"{file} does not end with the end of the process"
        time.sleep(0.01)
    found: list[Call] = []
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(file.read_text(errors="replace").splitlines()):
        match = _CALL.match(line)
        if match is None:
            continue
        thread, name, rest = match.groups()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = number, rest.removesuffix("<unfinished ...>")
            continue
        begin = number
        if " resumed>" in line:
            begin, first = begun.pop(thread)
            rest = first + rest
        result = _RESULT.search(rest)
        place = _FD.match(rest)
        if result is None or place is None:
            continue
        count = int(result[1])
        data = b"".join(_bytes(text) for text in _STRING.findall(rest))
        found.append(Call(name, _plain(place[1]), data[: max(0, count)], count, begin, number))
    return sorted(found, key=lambda call: call.begin)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _plain(text: str) -> str:
    """`-xx` writes file names in hexadecimal too."""
    written = _HEX.match(text)
    return _bytes(written[0]).decode(errors="replace") if written else text
