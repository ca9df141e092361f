"""Sensors that are not ours: a paho-mqtt client that publishes with QoS 1 and knows what the broker has acknowledged.

`publish_all(port, messages)` returns when all are acknowledged; `Load` publishes in the background at a rate, through
whatever happens to the broker.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

Topic = str


def air(number: int, *, at_ms: int | None = None, **values: Any) -> tuple[Topic, bytes]:
    """A message of node an-000`number`; without `at_ms` it carries no device time (so only DUP=1 can make it a duplicate)."""
    device = f"an-{number:04}"
    body: dict[str, Any] = {"device": device, **values}
    if at_ms is not None:
        body["time"] = at_ms
    return f"sensors/air/{device}", json.dumps(body).encode()


def _client(port: int) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=True)
    client.max_inflight_messages_set(2000)
    client.max_queued_messages_set(0)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def publish_all(port: int, messages: Iterable[tuple[Topic, bytes]], *, qos: int = 1, retain: bool = False, timeout_s: float = 30.0) -> None:
    """Publish and wait until the broker has acknowledged every one (QoS 0: until all are written). AssertionError if it does not."""
    client = _client(port)
    try:
        sent = [client.publish(topic, payload, qos=qos, retain=retain) for topic, payload in messages]
        deadline = time.monotonic() + timeout_s
        for info in sent:
            info.wait_for_publish(max(0.01, deadline - time.monotonic()))
        assert all(info.is_published() for info in sent), f"the broker did not acknowledge everything within {timeout_s} s"
    finally:
        client.disconnect()
        client.loop_stop()


class Heard:
    """`with Heard(port, "sensors/#") as heard:` is an independent subscriber (QoS 1); `heard.messages` fills as they come."""

    def __init__(self, port: int, topic: str) -> None:
        self.messages: list[tuple[Topic, bytes]] = []
        self._topic = topic
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, data, flags, reason, properties: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda client, data, packet_id, reasons, properties: self._subscribed.set()
        self._client.on_message = lambda client, data, message: self.messages.append((message.topic, bytes(message.payload)))
        self._client.connect("127.0.0.1", port)

    def until(self, count: int, timeout_s: float = 20.0) -> list[tuple[Topic, bytes]]:
        """Until so many messages came; returns all."""
        deadline = time.monotonic() + timeout_s
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"{len(self.messages)} of {count} messages on {self._topic} in {timeout_s} s"
            time.sleep(0.02)
        return list(self.messages)

    def __enter__(self) -> Heard:
        self._client.loop_start()
        assert self._subscribed.wait(10), f"no SUBACK for {self._topic}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Load:
    """`with Load(port, make, per_s=200) as load:` publishes `make(0)`, `make(1)`, … from a thread until the block ends.

    A broker that goes away is connected to again, and what it had not acknowledged is sent again (so make messages
    with device time, or both copies are readings of their own).
    """

    def __init__(self, port: int, make: Callable[[int], tuple[Topic, bytes]], *, per_s: float) -> None:
        self._port = port
        self._make = make
        self._per_s = per_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._sent: list[int] = []  # their packet ids
        self._acknowledged: set[int] = set()
        self._error: BaseException | None = None

    @property
    def sent(self) -> int:
        """Messages handed to the client so far."""
        return len(self._sent)

    def acknowledged(self) -> list[int]:
        """Numbers of the messages that the broker has acknowledged by now."""
        done = set(self._acknowledged)
        return [number for number, packet_id in enumerate(self._sent[: self.sent]) if packet_id in done]

    def wait_acknowledged(self, count: int, timeout_s: float = 30.0) -> None:
        """Until the broker has acknowledged `count` messages in all."""
        deadline = time.monotonic() + timeout_s
        while len(self.acknowledged()) < count:
            assert self._error is None, self._error
            assert time.monotonic() < deadline, f"{len(self.acknowledged())} of {count} messages acknowledged in {timeout_s} s"
            time.sleep(0.02)

    def finish(self, timeout_s: float = 30.0) -> None:
        """Stop publishing, and wait until everything sent is acknowledged."""
        self._stop.set()
        self._thread.join(timeout_s)
        assert self._error is None, self._error
        self.wait_acknowledged(self.sent, timeout_s)

    def _run(self) -> None:
        try:
            began = time.monotonic()
            while not self._stop.wait(0.005):
                while len(self._sent) < (time.monotonic() - began) * self._per_s:
                    topic, payload = self._make(len(self._sent))
                    assert len(self._sent) < 65_000, "packet ids would be used twice"
                    self._sent.append(self._client.publish(topic, payload, qos=1).mid)
        except BaseException as error:  # told to the test, which fails with it
            self._error = error

    def __enter__(self) -> Load:
        self._client = _client(self._port)
        self._client.on_publish = lambda client, data, packet_id, reason, properties: self._acknowledged.add(packet_id)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._client.disconnect()
        self._client.loop_stop()
