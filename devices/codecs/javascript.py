"""Makers' JavaScript codecs as they are, in QuickJS, without I/O and without influence on one another.

Entry points, the first that the codec defines: `decodeUplink({bytes, fPort, recvTime, variables})` (The Things Stack,
ChirpStack v4), `Decode(fPort, bytes, variables)` (ChirpStack v3), `Decoder(bytes, port)` (The Things Network v2); as functions of
the file or as members of `module.exports`.

**No state between messages.** The file is the body of one function, which is run afresh for each message, so that its own
variables begin anew; the language's objects are frozen; what a message leaves behind as a global (`for (i = 0; …)` without
`var`) is taken away before the next. A codec that changes the language's objects when it loads (polyfills) could keep state in
them: it gets a new context for each message (some 2 ms instead of 20 µs).

**Repeatable** (semantics A2): `Date` stands still at the receipt of the message and knows only UTC; there is no `Math.random`, no
`performance`, no weak reference, and a promise never resolves.

**Bounded**: CPU time, memory, stack, size of source, input and result. A codec stopped by a bound is the one outcome that is not
repeatable; it is a `Stopped` rejection, by which the caller knows to keep the outcome itself in the journal. What was not stopped
must not be stopped when it is read again, on a machine that is slower or busier now: `patiently` is for that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import _quickjs  # not `quickjs`, which starts a thread when it is imported
import orjson

from devices.codecs.model import Codec, JavaScriptModel
from devices.codecs.sandbox import source_for
from devices.formats.paths import flatten
from devices.formats.record import Control, Pairs
from devices.problems import ConfigError, ConfigProblem, DataPath
from devices.rejection import Reason, Rejection

CPU_SECONDS: Final = 0.03
MEMORY_BYTES: Final = 8 << 20
_PATIENT_SECONDS: Final = 100 * CPU_SECONDS
STACK_BYTES: Final = 256 << 10
MAX_BYTES: Final = 8_192
"""The longest payload that is handed to a codec (LoRaWAN carries at most 242 bytes)."""
MAX_NODES: Final = 5_000
"""Values in a result."""
MAX_CHARACTERS: Final = 262_144
"""Of a result as JSON."""
_NOT_A_NUMBER: Final = "\x00NaN"
_KEPT: Final = 4
"""Contexts kept for a codec; more than one only where threads decode at once."""


_limit: ContextVar[float] = ContextVar("javascript-limit")


@contextmanager
def patiently() -> Iterator[None]:
    """In here codecs get a hundred times their CPU time: what they are given ended within it before (recovery, semantics A2)."""
    before = _limit.set(_PATIENT_SECONDS)
    try:
        yield
    finally:
        _limit.reset(before)


class Stopped(Rejection):
    """A codec stopped by a bound (time, memory, stack): the same bytes may fare otherwise another time."""

    __slots__ = ()


class _Sandbox:
    """One QuickJS context with the codec loaded. Used by one thread at a time. Raises JSException when the codec cannot be loaded."""

    __slots__ = ("_context", "_reusable", "_seconds", "_speak")

    def __init__(self, source: str, *, surveyed: bool = False) -> None:
        """`surveyed`: the codec is known to change the language's objects; this context serves one message."""
        self._context = _quickjs.Context()
        self._context.set_memory_limit(MEMORY_BYTES)
        self._context.set_max_stack_size(STACK_BYTES)
        self._speak: Any = self._context.eval(source_for(source))(MAX_NODES, MAX_CHARACTERS, _NOT_A_NUMBER)
        seconds = _limit.get(CPU_SECONDS)
        self._context.set_time_limit(10 * seconds)
        self._reusable: bool = bool(self._speak("reload" if surveyed else "load", source)) and not self._context.execute_pending_job()
        self._seconds = seconds
        self._context.set_time_limit(seconds)

    @property
    def reusable(self) -> bool:
        """May the next message come here?"""
        return self._reusable

    def run(self, given: str, received_ms: int) -> str:
        """The codec's answer, its kind first. Raises JSException."""
        reusable, self._reusable = self._reusable, False
        seconds = _limit.get(CPU_SECONDS)
        if seconds != self._seconds:
            self._context.set_time_limit(seconds)
            self._seconds = seconds
        answer: str = self._speak("run", given, float(received_ms))  # an int is handed over in 32 bits
        self._reusable = reusable and answer[0] in "DEX" and not self._context.execute_pending_job()
        return answer

    def recover(self) -> None:
        """The codec threw, and was not stopped: the context is as good as before, unless the message left something behind."""
        self._reusable = bool(self._speak("again")) and not self._context.execute_pending_job()


def compile_javascript(model: JavaScriptModel, path: DataPath = ("javascript",)) -> Codec:
    """The codec of one file. Raises ConfigError when it cannot be loaded."""
    try:
        source = _script(model.source)
        first = _Sandbox(source)
    except _quickjs.JSException as error:
        raise ConfigError([ConfigProblem(path, f"{model.file} is no codec: {_said(error)}")]) from None
    clean = first.reusable
    free: list[_Sandbox] = [first] if clean else []

    def decode(raw: bytes, port: int | None, received_ms: int = 0, /) -> Pairs | Control | Rejection:
        if len(raw) > MAX_BYTES:
            return Rejection(Reason.CODEC_FAILED, f"at most {MAX_BYTES} bytes are due, {len(raw)} came")
        given = orjson.dumps({"bytes": [*raw], "fPort": None if port is None or port < 0 else port}).decode()
        try:
            sandbox = free.pop()  # atomic: two threads never have the same context
        except IndexError:
            sandbox = None
        try:
            if sandbox is None:
                sandbox = _Sandbox(source, surveyed=not clean)
            answer = sandbox.run(given, received_ms)
        except _quickjs.StackOverflow:
            return Stopped(Reason.CODEC_FAILED, "the codec calls itself without end")
        except _quickjs.JSException as error:
            refused = _failed(error)
            if clean and sandbox is not None and not isinstance(refused, Stopped):
                sandbox.recover()
                _keep(free, sandbox)
            return refused
        _keep(free, sandbox)
        return _read(answer)

    return decode


_EXPORTED = re.compile(
    r"(^|[;}])([ \t]*)export\s+(?:default\s+(?=(?:async\s+)?(?:function|class)\s+[A-Za-z_$]))?(?=(?:async|function|class|const|let|var)\b)",
    re.M,
)
_DEFAULT = re.compile(r"(^|[;}])([ \t]*)export\s+default\s+", re.M)
_LIST = re.compile(r"(^|[;}])([ \t]*)export\s*\{([^{}]*)\}[ \t]*;?", re.M)
_IMPORT = re.compile(r"^[ \t]*import\b[^;\n]*['\"]([^'\"\n]{1,100})['\"]", re.M)


def _script(source: str) -> str:
    """The file as one script. A module's `export` is taken off (its lines stay where they are); what it imports is not there."""
    if source.startswith("#!"):
        source = "//" + source
    try:
        _parse(source)
    except _quickjs.JSException as error:
        if "export" not in source and "import" not in source:
            raise
        if imported := _IMPORT.search(source):
            raise _quickjs.JSException(f"it imports {imported[1]!r}: put all of it into one file") from None
        plain = _DEFAULT.sub(r"\1\2module.exports = ", _EXPORTED.sub(r"\1\2", _LIST.sub(_listed, source)))
        if plain == source:
            raise error from None
        _parse(plain)
        return plain
    return source


def _listed(found: re.Match[str]) -> str:
    """`export { decode as decodeUplink, x }` as members of `module.exports`."""
    members = []
    for part in found[3].split(","):
        name, _, said = part.strip().partition(" as ")
        if re.fullmatch(r"[A-Za-z_$][\w$]{0,99}", name.strip()):
            members.append(f"module.exports.{(said or name).strip()} = {name.strip()};")
    return f"{found[1]}{found[2]}{' '.join(members)}" + "\n" * found[0].count("\n")


def _parse(source: str) -> None:
    """Raises JSException when the text is not a whole script: `}); … (function () {` would break out of the function around it."""
    parsed = "parsed"
    context = _quickjs.Context()
    context.set_memory_limit(MEMORY_BYTES)
    context.set_max_stack_size(STACK_BYTES)
    context.set_time_limit(_limit.get(CPU_SECONDS))
    try:
        context.eval(f"throw '{parsed}';\n{source}")  # all of it is parsed, none of it runs
    except _quickjs.JSException as thrown:
        if _said(thrown) != parsed:
            raise


def _keep(free: list[_Sandbox], sandbox: _Sandbox) -> None:
    if sandbox.reusable and len(free) < _KEPT:
        free.append(sandbox)


def _failed(error: Exception) -> Rejection:
    said = _said(error)
    if said in ("null", "InternalError: out of memory"):
        return Stopped(Reason.CODEC_FAILED, f"the codec takes more than {MEMORY_BYTES >> 20} MB of memory")
    if said == "InternalError: interrupted":
        return Stopped(Reason.CODEC_FAILED, f"the codec takes more than {CPU_SECONDS * 1000:g} ms")
    return Rejection(Reason.CODEC_FAILED, f"the codec failed: {said}")


def _said(error: Exception) -> str:
    """The first line of what was thrown; the rest is a stack of calls."""
    return _short((str(error) or "nothing said").splitlines()[0])


def _short(text: str) -> str:
    return text[:200].encode("utf-8", "replace").decode("utf-8")


def _read(answer: str) -> Pairs | Rejection:
    kind, said = answer[0].upper(), answer[1:]
    if kind == "E":
        return Rejection(Reason.CODEC_FAILED, f"the codec refuses the message: {_short(said)}")
    if kind == "X":
        return Rejection(Reason.CODEC_FAILED, f"the codec gives no readings: {_short(said)}")
    try:
        tree = orjson.loads(said)
    except ValueError:
        return Rejection(Reason.CODEC_FAILED, "the codec's result holds text that is no Unicode")
    if not isinstance(tree, dict):
        return Rejection(Reason.CODEC_FAILED, "the codec gives no readings: an array, where an object is due")
    pairs = flatten(tree)
    if isinstance(pairs, Rejection):
        return Rejection(Reason.CODEC_FAILED, f"the codec's result cannot be read: {pairs.detail}")
    if "\\u0000NaN" in said:
        # Not a number, or infinite: its field is refused alone.
        return {path: math.nan if value == _NOT_A_NUMBER else value for path, value in pairs.items()}
    return pairs if tree else {}
