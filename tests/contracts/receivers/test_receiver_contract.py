"""What every receiver must do, run against real servers: deliver, say that the other side is down, recover, keep secrets."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import io
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from gateway.errors import Retryable
from gateway.notify.base import Receiver
from gateway.notify.factory import make_receiver
from gateway.settings import BrokerSection, ReceiverSection
from tests.tools.alerts import DESCRIBER, intent
from tests.tools.sinks import HttpSink, Mosquitto, SmtpSink, listening, until

SECRET = "s3cr3t-t0ken-of-the-city"


@dataclass
class Case:
    """A receiver, how to see what reached the other side (bodies as text), and how to break and mend that side."""

    receiver: Receiver
    delivered: Callable[[], list[str]]
    down: Callable[[], Any]
    up: Callable[[], Any]


async def _call(action: Callable[[], Any]) -> None:
    found = action()
    if asyncio.iscoroutine(found):
        await found


def _make(brokers: dict[str, BrokerSection] | None = None, listener: Any = None, **settings: Any) -> Receiver:
    section = ReceiverSection(name="duty", timeout=2, **settings)
    return make_receiver(section, describer=DESCRIBER, brokers=brokers or {}, listener=listener)


@contextlib.asynccontextmanager
async def _webhook(_: Path) -> AsyncIterator[Case]:
    sink = HttpSink()
    await sink.start()
    receiver = _make(kind="webhook", url=f"http://duty:{SECRET}@127.0.0.1:{sink.port}/hooks/{SECRET}")
    yield Case(receiver, lambda: [request.body.decode() for request in sink.requests], sink.stop, sink.start)
    await receiver.close()
    await sink.stop()


@contextlib.asynccontextmanager
async def _apprise_json(_: Path) -> AsyncIterator[Case]:
    sink = HttpSink()
    await sink.start()
    receiver = _make(kind="apprise", url=f"json://duty:{SECRET}@127.0.0.1:{sink.port}/hooks/{SECRET}")
    yield Case(receiver, lambda: [request.body.decode() for request in sink.requests], sink.stop, sink.start)
    await receiver.close()
    await sink.stop()


@contextlib.asynccontextmanager
async def _apprise_mail(_: Path) -> AsyncIterator[Case]:
    sink = SmtpSink()
    await sink.start()
    receiver = _make(
        kind="apprise", url=f"mailto://127.0.0.1:{sink.port}/?from=envgw@danang.example&to={SECRET}@danang.example&format=text"
    )

    def texts() -> list[str]:
        mails = [email.message_from_bytes(mail, policy=email.policy.default) for mail in sink.mails]
        return [f"{mail['subject']}\n{mail.get_body().get_content()}" for mail in mails]

    yield Case(receiver, texts, sink.stop, sink.start)
    await receiver.close()
    await sink.stop()


@contextlib.asynccontextmanager
async def _mqtt(folder: Path) -> AsyncIterator[Case]:
    broker = Mosquitto(folder)
    await broker.start()
    section = BrokerSection(
        name="city", url=f"mqtt://127.0.0.1:{broker.port}", username="gw", password=SECRET, subscriptions=[{"topic": "#", "type": "x"}]
    )
    receiver = _make({"city": section}, kind="mqtt", broker="city")
    stack = contextlib.AsyncExitStack()
    seen: list[Any] = []

    async def up() -> None:
        await broker.start()
        seen.append(await stack.enter_async_context(listening(broker.port)))

    seen.append(await stack.enter_async_context(listening(broker.port)))
    yield Case(receiver, lambda: [m.payload.decode() for part in seen for m in part if m.payload], broker.stop, up)
    await receiver.close()
    with contextlib.suppress(Exception):
        await stack.aclose()
    broker.stop()


@contextlib.asynccontextmanager
async def _log(_: Path) -> AsyncIterator[Case]:
    heard: list[str] = []
    receiver = _make(kind="log", listener=lambda intent, text: heard.append(f"{text.title}\n{text.body}"))
    yield Case(receiver, lambda: heard, lambda: None, lambda: None)
    await receiver.close()


KINDS = {"webhook": _webhook, "log": _log, "apprise-json": _apprise_json, "apprise-mail": _apprise_mail, "mqtt": _mqtt}
ALL = [*list(KINDS)[:-1], pytest.param("mqtt", marks=pytest.mark.server)]
REMOTE = [kind for kind in ALL if kind != "log"]


@pytest.fixture
def log_lines() -> Any:
    """Everything that a process with its log level at debug would write."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        yield lambda: str(lines) + stream.getvalue()
    root.removeHandler(handler)
    root.setLevel(level)


def _flat(text: str) -> str:
    """JSON bodies with their escapes undone, so that one assertion fits all receivers."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return str(orjson.loads(text))
    return text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
async def test_delivers_firing_unknown_and_resolved_in_order(kind: str, tmp_path: Path) -> None:
    async with KINDS[kind](tmp_path) as case:
        for state in ("firing", "unknown", "resolved"):
            await case.receiver.send(intent(state))
        await until(lambda: len(case.delivered()) >= 3)
        firing, unknown, resolved = (_flat(text) for text in case.delivered())
        assert "[KHẨN CẤP]" in firing
        assert "[CRITICAL]" in firing
        assert "Trạm Hải Châu" in firing
        assert "178,25 µg/m³" in firing
        assert "last known firing" in unknown
        assert "[ĐÃ HẾT]" in resolved
        assert "RESOLVED" in resolved


@pytest.mark.parametrize("kind", ALL)
async def test_a_drill_says_so(kind: str, tmp_path: Path) -> None:
    async with KINDS[kind](tmp_path) as case:
        await case.receiver.send(intent("firing", mode="exercise"))
        await until(lambda: len(case.delivered()) >= 1)
        assert "DIỄN TẬP / EXERCISE" in _flat(case.delivered()[0])


@pytest.mark.parametrize("kind", REMOTE)
@pytest.mark.parametrize("connected", [True, False], ids=["after a delivery", "from the start"])
async def test_an_outage_is_retryable_and_over_when_the_other_side_is_back(
    kind: str, connected: bool, tmp_path: Path, log_lines: Callable[[], str]
) -> None:
    async with KINDS[kind](tmp_path) as case:
        if connected:
            await case.receiver.send(intent("firing"))
        await _call(case.down)
        with pytest.raises(Retryable) as caught:
            await case.receiver.send(intent("unknown"))
        assert "receiver duty" in caught.value.reason
        assert "refused" in caught.value.reason or "reachable" in caught.value.reason or "onnect" in caught.value.reason, "it says why"
        assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!s}"
        await _call(case.up)
        await case.receiver.send(intent("resolved"))
        await until(lambda: any("[ĐÃ HẾT]" in _flat(text) for text in case.delivered()))
        assert SECRET not in log_lines()


@pytest.mark.parametrize("kind", ALL)
async def test_hostile_names_are_text_and_nothing_else(kind: str, tmp_path: Path) -> None:
    """Values that look like format strings, escapes, header breaks or wildcards arrive as they are, or as blanks."""
    hostile = "{0.__class__} %s {station}\r\nX-Evil: 1\x00\\n +/#"
    async with KINDS[kind](tmp_path) as case:
        await case.receiver.send(intent("firing", device=hostile, names={"vi": hostile, "en": hostile}))
        await until(lambda: len(case.delivered()) >= 1)
        assert "{0.__class__} %s {station}  X-Evil: 1 \\n +/#" in _flat(case.delivered()[0]).replace("\\\\n", "\\n")


@pytest.mark.parametrize("kind", ALL)
async def test_close_twice_is_harmless(kind: str, tmp_path: Path) -> None:
    async with KINDS[kind](tmp_path) as case:
        await case.receiver.send(intent("firing"))
        await case.receiver.close()
        await case.receiver.close()
