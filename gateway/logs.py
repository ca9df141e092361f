"""Logs: one line an event, for people or machines, without secrets, and a repeated failure only once.

Our own lines go through structlog; those of libraries through `logging`, at warning and above. Both end at the same
stream, and every string in them passes the redactor last.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TextIO, cast

import structlog
from pydantic import BaseModel, SecretStr

from gateway.redact import Redactor, parts_of
from gateway.settings import LogSection

_CHATTY = ("httpx", "httpcore", "urllib3", "apprise", "uvicorn", "uvicorn.error", "uvicorn.access", "mqtt", "asyncio", "asyncssh")
"""Libraries whose info lines hold addresses (with tokens in them), or one line a request."""


def setup(section: LogSection, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Configure structlog and logging for the process. Call once, first thing; again when secrets changed."""
    stream = cast(TextIO, _Forgiving(stream or sys.stderr))
    level = getattr(logging, section.level.upper())
    redact = _redacting(Redactor(secrets))
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if section.format == "json":
        end: list[Any] = [redact, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
    else:
        end = [redact, structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[*shared, *end],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *end]
        )
    )
    root = logging.getLogger()
    for old in [found for found in root.handlers if getattr(found, "envgw", False)]:
        root.removeHandler(old)
    handler.envgw = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Forgiving:
    """A stream on which a write cannot fail: a full disk under the log, or a reader of our pipe that died, stops nothing.

    What could not be written waits in Python's own buffer of 8 KB; beyond that it is lost.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def secrets_of(settings: BaseModel) -> set[str]:
    """Every secret value in a configuration, and the pieces of those that are addresses."""
    found: set[str] = set()
    pending: list[Any] = [settings]
    while pending:
        value = pending.pop()
        if isinstance(value, SecretStr):
            found |= parts_of(value.get_secret_value())
        elif isinstance(value, BaseModel):
            pending += [getattr(value, name) for name in type(value).model_fields]
        elif isinstance(value, (list, tuple)):
            pending += value
        elif isinstance(value, dict):
            pending += value.values()
    return found


def _redacting(redact: Redactor) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    """A structlog processor that blots secrets out of every value; what is neither text nor number is written as text."""

    def blot(value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, dict):
            return {blot(key): blot(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [blot(item) for item in value]
        return redact(value if isinstance(value, str) else str(value))

    def process(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            event[key] = blot(value)
        return event

    return process


class Once:
    """Logs a failure when it begins or changes, counts its repeats, and says how many there were when it ends.

    A history that is down for a night is then two lines, not ten thousand. `reminder_s` says that it still lasts.
    At most `limit` failures are remembered; beyond it the oldest is forgotten (and would be logged again).
    """

    def __init__(self, log: Any, *, reminder_s: float = 3600.0, limit: int = 1000, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._reminder_s = reminder_s
        self._limit = limit
        self._monotonic = monotonic
        self._open: OrderedDict[str, _Failure] = OrderedDict()

    def failed(self, key: str, reason: str, **fields: Any) -> bool:
        """`key` (a lane, a receiver, a source) failed for `reason`. True if it was logged, False if only counted."""
        now = self._monotonic()
        known = self._open.get(key)
        if known is not None:
            known.count += 1
            if known.reason == reason and now - known.logged < self._reminder_s:
                return False
            known.reason, known.logged = reason, now
        else:
            known = self._open[key] = _Failure(reason, now)
            if len(self._open) > self._limit:
                self._open.popitem(last=False)
        self._log.warning(reason, what=key, failures=known.count, **fields)
        return True

    def recovered(self, key: str, **fields: Any) -> bool:
        """`key` works (again). Logs only if it had failed."""
        known = self._open.pop(key, None)
        if known is None:
            return False
        self._log.info("works again", what=key, failures=known.count, after_s=round(self._monotonic() - known.since, 1), **fields)
        return True


class _Failure:
    __slots__ = ("count", "logged", "reason", "since")

    def __init__(self, reason: str, now: float) -> None:
        self.reason = reason
        self.count = 1
        self.since = self.logged = now
