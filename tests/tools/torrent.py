"""A publisher that costs next to nothing: MQTT 3.1.1 with QoS 1 over a plain socket, thousands of messages a second.

For a broker that stays up (`tests.tools.publisher.Load` survives its death, at a hundred times the price).
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from struct import pack

WINDOW = 20_000
"""Most messages that the broker has not acknowledged yet: a packet id is used again after 65,535."""


class Torrent:
    """`with Torrent(port, make, per_s=2000) as torrent:` publishes `make(0)`, `make(1)`, … from a thread until `finish`."""

    def __init__(self, port: int, make: Callable[[int], tuple[str, bytes]], *, per_s: float) -> None:
        self._make = make
        self._per_s = per_s
        self._stop = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._run, name="torrent", daemon=True)
        self._error: BaseException | None = None
        self.sent = 0
        self.acknowledged = 0
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02tt")  # CONNECT: clean session, no keep-alive
        assert self._socket.recv(4) == b"\x20\x02\x00\x00", "the broker refused the publisher"

    def finish(self, timeout_s: float = 60.0) -> int:
        """Stop, and wait until the broker has acknowledged everything; returns how many messages that is."""
        self._stop.set()
        self._thread.join(timeout_s)
        assert self._error is None, self._error
        assert self.acknowledged == self.sent, f"{self.acknowledged} of {self.sent} messages acknowledged in {timeout_s} s"
        return self.sent

    def flow(self, on: bool) -> None:
        """Publish nothing for a while, or go on."""
        if on:
            self._flowing.set()
        else:
            self._flowing.clear()

    def _run(self) -> None:
        try:
            last, owed = time.monotonic(), 0.0
            while not self._stop.is_set() or self.acknowledged < self.sent:
                now = time.monotonic()
                if self._flowing.is_set() and not self._stop.is_set():
                    owed += (now - last) * self._per_s
                    count = min(int(owed), self.acknowledged + WINDOW - self.sent)
                    owed -= count
                    self._socket.sendall(b"".join(_publish(number, *self._make(number)) for number in range(self.sent, self.sent + count)))
                    self.sent += count
                last = now
                self._read()
        except BaseException as error:  # told to the test, which fails with it
            self._error = error

    def _read(self) -> None:
        """PUBACKs of four bytes each; anything else is a fault of the test."""
        if select.select([self._socket], [], [], 0.01)[0]:
            data = self._socket.recv(65_536)
            assert data, "the broker closed the publisher's connection"
            while len(data) % 4:
                data += self._socket.recv(4 - len(data) % 4)
            assert data[::4] == b"\x40" * (len(data) // 4)
            self.acknowledged += len(data) // 4

    def __enter__(self) -> Torrent:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if exc[0] is not None:
            self._socket.close()
        self._thread.join(10)
        self._socket.close()


def _publish(number: int, topic: str, payload: bytes) -> bytes:
    body = pack(">H", len(topic)) + topic.encode() + pack(">H", number % 65_535 + 1) + payload
    length = len(body)
    sized = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    assert length < 16_384
    return b"\x32" + sized + body
