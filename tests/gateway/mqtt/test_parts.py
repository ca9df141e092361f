"""The small parts: addresses, back-off, the backlog probe, what waits, `$share`, the session memory."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.inputs import Message
from gateway.errors import EnvgwError
from gateway.mqtt.drain import DrainProbe
from gateway.mqtt.endpoint import Backoff, parse_url
from gateway.mqtt.factory import acknowledge_all, make_source
from gateway.mqtt.mqtt5_source import Mqtt5Source
from gateway.mqtt.paho_source import PahoSource
from gateway.mqtt.pending import PendingCount
from gateway.mqtt.session import SessionMemory
from gateway.mqtt.source import Delivery, SourceHealth
from tests.gateway.mqtt.support import broker


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker.example", "broker.example", 1883, False),
        ("mqtts://broker.example", "broker.example", 8883, True),
        ("mqtt://127.0.0.1:1884/", "127.0.0.1", 1884, False),
        ("mqtts://[::1]:9", "::1", 9, True),
    ],
)
def test_url(url: str, host: str, port: int, tls: bool) -> None:
    assert parse_url(url) == (host, port, tls)


@pytest.mark.parametrize("url", ["tcp://x", "broker:1883", "mqtt://", "mqtt://x:99999", "mqtt://x/path", "mqtt://u:hunter2@x", ""])
def test_bad_url_says_what_to_write_and_no_password(url: str) -> None:
    with pytest.raises(EnvgwError, match=r"mqtt://|password") as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)


def test_backoff_is_capped_jittered_repeatable_and_reset_by_a_stable_connection() -> None:
    one, other = Backoff(30, random.Random(7)), Backoff(30, random.Random(7))
    pauses = [one.next_s() for _ in range(200)]
    assert pauses == [other.next_s() for _ in range(200)]
    for number, pause in enumerate(pauses):
        assert 0 <= pause <= min(30, 0.25 * 2**number)
    assert max(pauses) > 25
    assert min(pauses[20:]) < 5
    one.lasted(1)
    assert max(one.next_s() for _ in range(20)) > 5
    one.lasted(60)
    assert one.next_s() <= 0.25


@given(st.integers(1, 30), st.integers(0, 200), st.integers(0, 5), st.randoms(use_true_random=False))
def test_E5_probe_says_drained_only_without_a_backlog(window: int, backlog: int, live: int, rng: random.Random) -> None:
    """A model of a broker with a window: it sends as long as there is room, answers a probe in order."""
    probe = DrainProbe()
    queue, sent, acknowledged, consumed = backlog, 0, 0, 0
    for _ in range(2000):
        queue += rng.randint(0, live) if queue < backlog + 50 else 0
        probe.sent(consumed)
        acknowledged = consumed  # all our acknowledgements are in front of the probe
        room = window - (sent - acknowledged)
        send = min(queue, room)
        queue -= send
        sent += send
        probe.outstanding(sent - consumed)
        waiting = queue
        if probe.answered(sent):
            assert waiting == 0 or sent - acknowledged < window
            break
        consumed = sent if rng.random() < 0.8 else consumed + (sent - consumed) // 2
    else:
        assert live > 0, "without live traffic it must find the end"


def pending_delivery(qos: int) -> Delivery:
    return Delivery(Message(1, "city", "a", b"", qos), 1)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 1000)), max_size=30), st.randoms(use_true_random=False))
def test_pending_counts_to_zero(reads: list[tuple[int, int]], rng: random.Random) -> None:
    health = SourceHealth("city")
    pending = PendingCount(health, 10, 1000)
    waiting: deque[int] = deque()
    for count, size in reads:
        pending.add(count, size)
        waiting.extend([1] * count)
        assert pending.full() == (pending.count >= 10 or pending.bytes > 1000)
        take = rng.randint(0, len(waiting))
        pending.acknowledged([pending_delivery(waiting.popleft()) for _ in range(take)] + [pending_delivery(0)])
        assert pending.count == health.unacknowledged == len(waiting)
    pending.acknowledged([pending_delivery(1) for _ in waiting])
    assert (pending.count, pending.bytes) == (0, 0)


def test_factory_makes_what_the_protocol_says() -> None:
    assert isinstance(make_source(broker("mqtt://x"), gateway_id="g", max_payload=10), Mqtt5Source)
    assert isinstance(make_source(broker("mqtt://x", protocol="3.1.1"), gateway_id="g", max_payload=10), PahoSource)


def test_acknowledgements_go_to_their_source_in_order() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.seen: list[list[int | None]] = []

        def acknowledge(self, deliveries: list[Delivery]) -> None:
            self.seen.append([d.message.packet_id for d in deliveries])

    a, b = Recorder(), Recorder()
    items = [Delivery(Message(1, source, "t", b"", 1, packet_id=number), 1) for number, source in enumerate("abbagb")]
    acknowledge_all({"a": a, "b": b}, items)  # type: ignore[dict-item]
    assert (a.seen, b.seen) == ([[0, 3]], [[1, 2, 5]])


def test_session_memory(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    settings = broker("mqtt://x")
    memory = SessionMemory(path)
    assert memory.known(settings, "id") is None
    memory.remember(settings, "id")(["a", "b"])
    again = SessionMemory(path)
    assert again.known(settings, "id") == ["a", "b"]
    assert again.known(settings, "other id") is None
    assert again.known(broker("mqtt://y"), "id") is None
    path.write_bytes(b"\xffnot json")
    assert SessionMemory(path).known(settings, "id") is None


def test_session_memory_that_cannot_be_written_keeps_going(tmp_path: Path) -> None:
    memory = SessionMemory(tmp_path / "no" / "such" / "folder" / "sessions.json")
    memory.remember(broker("mqtt://x"), "id")(["a"])
    assert memory.known(broker("mqtt://x"), "id") == ["a"]
