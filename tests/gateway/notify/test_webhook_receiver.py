"""The webhook speaks Alertmanager's language, and every answer means what DESIGN's lanes say it means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

import msgspec
import pytest

from gateway.errors import Permanent, Retryable
from gateway.notify.webhook import WebhookReceiver, fingerprint, intent_id, retry_after_s
from gateway.settings import ReceiverSection
from tests.tools.alerts import DESCRIBER, START_MS, intent, transition
from tests.tools.sinks import Answer, HttpSink, until


class Alert(msgspec.Struct, forbid_unknown_fields=True):
    """`template.Alert` of prometheus/alertmanager."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: datetime
    endsAt: datetime
    generatorURL: str
    fingerprint: str


class AlertmanagerMessage(msgspec.Struct, forbid_unknown_fields=True):
    """`webhook.Message` with its embedded `template.Data`: exactly these fields, all present."""

    version: Literal["4"]
    groupKey: str
    truncatedAlerts: int
    status: Literal["firing", "resolved"]
    receiver: str
    groupLabels: dict[str, str]
    commonLabels: dict[str, str]
    commonAnnotations: dict[str, str]
    externalURL: str
    alerts: list[Alert]


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    server = HttpSink()
    await server.start()
    yield server
    await server.stop()


def receiver(url: str, timeout: float = 5) -> WebhookReceiver:
    section = ReceiverSection(name="duty", kind="webhook", url=url, timeout=timeout)
    return WebhookReceiver(section, DESCRIBER, external_url="http://gw.example:8080/", gateway="danang")


@pytest.mark.parametrize("state", ["firing", "unknown", "resolved"])
async def test_an_alertmanager_parser_reads_it(sink: HttpSink, state: str) -> None:
    hook = receiver(sink.url)
    await hook.send(intent(state))
    await hook.close()
    message = msgspec.json.decode(sink.requests[0].body, type=AlertmanagerMessage)
    [alert] = message.alerts
    assert sink.requests[0].headers["content-type"] == "application/json"
    assert message.status == alert.status == ("resolved" if state == "resolved" else "firing"), "unknown is never an all-clear"
    assert message.receiver == "duty"
    assert message.groupKey == '{}:{alertname="pm25-high", station="hai-chau"}'
    assert alert.labels == message.commonLabels
    assert alert.labels == {
        "alertname": "pm25-high",
        "severity": "critical",
        "kind": "threshold",
        "station": "hai-chau",
        "device": "hc-1",
        "area": "hai-chau",
        "parameter": "pm25",
    }
    assert alert.annotations["state"] == state
    assert alert.annotations["advice_vi"] == "Đeo khẩu trang, hạn chế ra ngoài"
    assert alert.startsAt.timestamp() * 1000 == START_MS
    if state == "resolved":
        assert alert.endsAt.timestamp() * 1000 == START_MS + 3_600_000
    else:
        assert alert.endsAt.year == 1, "Go's zero time"
    assert alert.generatorURL == f"http://gw.example:8080/api/v1/alerts/pm25-high%2Fhai-chau%2F{START_MS}"


async def test_labels_and_fingerprint_stay_the_same_through_an_episode(sink: HttpSink) -> None:
    hook = receiver(sink.url)
    for state in ("firing", "unknown", "resolved"):
        await hook.send(intent(state))
    await hook.close()
    alerts = [msgspec.json.decode(request.body, type=AlertmanagerMessage).alerts[0] for request in sink.requests]
    assert len({alert.fingerprint for alert in alerts}) == 1
    assert len({request.headers["idempotency-key"] for request in sink.requests}) == 3, "each state is a message of its own"
    assert len({request.headers["x-envgw-episode"] for request in sink.requests}) == 1


def test_fingerprint_is_prometheus_own() -> None:
    """Values of prometheus/common model: the empty set is FNV-1a's offset basis; one more computed by the definition."""
    assert fingerprint({}) == "cbf29ce484222325"
    digest = 0xCBF29CE484222325
    for byte in b"alertname\xffpm25-high\xffstation\xffhai-chau\xff":
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    assert fingerprint({"station": "hai-chau", "alertname": "pm25-high"}) == f"{digest:016x}"


def test_a_repeat_has_the_same_key_and_a_new_state_another() -> None:
    assert intent_id(transition("firing")) == intent_id(transition("firing"))
    assert intent_id(transition("firing")) != intent_id(transition("resolved"))


async def test_ids_that_are_not_ascii_stay_legal_headers(sink: HttpSink) -> None:
    hook = receiver(sink.url)
    await hook.send(intent("firing", episode="mưa-lớn/hải-châu\r\nX: 1/1"))
    await hook.close()
    assert sink.requests[0].headers["x-envgw-episode"] == "m%C6%B0a-l%E1%BB%9Bn/h%E1%BA%A3i-ch%C3%A2u%0D%0AX:%201/1"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_2xx_is_delivered(sink: HttpSink, status: int) -> None:
    sink.script = [Answer(status, body=b"")]
    hook = receiver(sink.url)
    await hook.send(intent())
    await hook.close()
    assert len(sink.requests) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "red"),
    [
        *((status, True) for status in (401, 403, 301, 302, 307)),
        *((status, False) for status in (404, 408, 409, 425, 429, 500, 502, 503, 504)),
    ],
)
async def test_what_is_tried_again(sink: HttpSink, status: int, red: bool) -> None:
    sink.script = [Answer(status, {"Location": sink.url + "/elsewhere"}, b"because")]
    hook = receiver(sink.url)
    with pytest.raises(Retryable) as caught:
        await hook.send(intent())
    await hook.close()
    assert caught.value.red is red
    assert str(status) in caught.value.reason
    assert len(sink.requests) == 1, "neither repeated nor redirected by itself"


@pytest.mark.parametrize("status", [400, 405, 410, 413, 415, 422])
async def test_what_is_set_aside(sink: HttpSink, status: int) -> None:
    sink.script = [Answer(status, body=b"no such field")]
    hook = receiver(sink.url)
    with pytest.raises(Permanent, match=f"answered {status}: no such field"):
        await hook.send(intent())
    await hook.send(intent("resolved"))
    await hook.close()
    assert len(sink.requests) == 2, "the next one is not hindered"


async def test_an_answer_that_quotes_the_secret_does_not_spread_it(sink: HttpSink) -> None:
    sink.script = [Answer(400, body=b"bad path /hooks/very-secret-token")]
    hook = receiver(sink.url + "/hooks/very-secret-token")
    with pytest.raises(Permanent) as caught:
        await hook.send(intent())
    await hook.close()
    assert "very-secret-token" not in caught.value.reason
    assert "bad path" in caught.value.reason


@pytest.mark.parametrize(("status", "value", "expected"), [(429, "7", 7.0), (503, "120", 120.0), (503, "soon", None), (503, "", None)])
async def test_retry_after_is_handed_on(sink: HttpSink, status: int, value: str, expected: float | None) -> None:
    sink.script = [Answer(status, {"Retry-After": value} if value else {})]
    hook = receiver(sink.url)
    with pytest.raises(Retryable) as caught:
        await hook.send(intent())
    await hook.close()
    assert caught.value.after_s == expected


def test_retry_after_as_a_date_counts_from_the_answers_own_clock() -> None:
    headers = {"retry-after": "Mon, 23 Nov 2026 07:01:30 GMT", "date": "Mon, 23 Nov 2026 07:00:00 GMT"}
    assert retry_after_s(headers, now_s=0) == 90
    assert retry_after_s({"retry-after": "Mon, 23 Nov 2026 07:01:30 GMT"}, now_s=START_MS / 1000 + 80) == 10
    assert retry_after_s({"retry-after": "Mon, 23 Nov 2020 07:01:30 GMT"}, now_s=START_MS / 1000) == 0


@pytest.mark.slow
@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(500, body=b"x" * 1000, trickle_s=0.2)], ids=["no answer", "a byte at a time"])
async def test_the_whole_delivery_is_bounded(sink: HttpSink, answer: Answer) -> None:
    """The time-out is for all of it: a server that sends a byte now and then cannot hold a lane."""
    sink.script = [answer]
    hook = receiver(sink.url, timeout=0.5)
    begun = time.monotonic()
    with pytest.raises(Retryable):
        await hook.send(intent())
    assert time.monotonic() - begun < 3
    await hook.send(intent())
    await hook.close()


async def test_a_connection_closed_without_answer_is_tried_again(sink: HttpSink) -> None:
    sink.script = [Answer(drop=True)]
    hook = receiver(sink.url)
    with pytest.raises(Retryable, match="receiver duty"):
        await hook.send(intent())
    await hook.send(intent())
    await hook.close()


@pytest.mark.parametrize("url", ["not an address", "ftp://host/x", "http://"])
async def test_an_address_that_is_none_is_red(url: str) -> None:
    hook = receiver(url)
    with pytest.raises(Retryable) as caught:
        await hook.send(intent())
    await hook.close()
    assert caught.value.red, caught.value.reason


async def test_cancelling_a_delivery_leaves_the_receiver_usable(sink: HttpSink) -> None:
    sink.script = [Answer(hang=True)]
    hook = receiver(sink.url, timeout=30)
    task = asyncio.create_task(hook.send(intent()))
    await until(lambda: len(sink.requests) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await hook.send(intent())
    await hook.close()


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 5000])
async def test_alerts_that_follow_each_other_share_a_connection(sink: HttpSink, body: bytes) -> None:
    """Making one costs a millisecond or, with TLS, three round trips: an alert waits for that."""
    hook = receiver(sink.url)
    for _ in range(3):
        sink.script.append(Answer(body=body))
        await hook.send(intent())
    assert (len(sink.requests), sink.connections) == (3, 1)
    await hook.close()


@pytest.mark.slow
async def test_an_answer_of_success_that_does_not_end_is_a_delivery(sink: HttpSink) -> None:
    hook = receiver(sink.url)
    sink.script.append(Answer(body=b"x" * 1000, trickle_s=1))
    await asyncio.wait_for(hook.send(intent()), 4)
    await hook.send(intent())
    assert (len(sink.requests), sink.connections) == (2, 2)
    await hook.close()
