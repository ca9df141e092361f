"""A small MQTT 5 server that replays given QoS 1 messages to one subscriber as fast as Receive Maximum allows.

For the bench (mosquitto itself is soon the bottleneck) and for tests. It checks that PUBACKs come in the order of the
messages, and speaks just enough MQTT: CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, PUBACK, DISCONNECT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable
from typing import cast

import mqtt5

_CHUNK = 500
"""Messages of one write."""


class ReplayServer:
    """Waits for a SUBSCRIBE, then sends. `done` is set when every message is acknowledged.

    `messages` are (topic, payload) pairs. Over a reconnect it goes on with what is not acknowledged (DUP=1 where sent).
    """

    def __init__(self, messages: Iterable[tuple[str, bytes]], *, window: int | None = None, first: int | None = None) -> None:
        """`window` caps the client's Receive Maximum. With `first` only so many messages are sent before `release()`."""
        self._window_cap = window
        self._packets: list[tuple[int, bytearray, int]] = []
        for index, (topic, payload) in enumerate(messages):
            packet_id = index % 65_535 + 1
            raw = bytearray(
                mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write(),
            )
            self._packets.append((packet_id, raw, index))
        self.total = len(self._packets)
        self.allowed = self.total if first is None else first
        self.subscribers: list[_Subscriber] = []
        self.acknowledged = 0
        self.out_of_order = 0
        self.unexpected = 0
        self.connections = 0
        self.largest_window = 0
        self.started_at = 0.0
        self.ended_at = 0.0
        self.done = asyncio.Event()
        self.connect: mqtt5.ConnectPacket | None = None
        self._server: asyncio.Server | None = None
        self.port = 0

    def release(self) -> None:
        """Send the rest."""
        self.allowed = self.total
        for subscriber in self.subscribers:
            subscriber.send()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def __aenter__(self) -> ReplayServer:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Subscriber(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()


class _Subscriber(asyncio.Protocol):
    def __init__(self, server: ReplayServer) -> None:
        self._server = server
        self._buffer = b""
        self._sent = server.acknowledged
        self._in_flight: deque[int] = deque()
        self._window = 65_535
        self._transport: asyncio.Transport | None = None
        self._writable = True
        self._subscribed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=4 * 1024**2)
        self._server.connections += 1
        self._server.subscribers.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.subscribers.remove(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self.send()

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        position, end = 0, len(data)
        while end - position >= 2:
            if data[position : position + 2] == b"\x40\x02":
                if end - position < 4:
                    break
                self._puback(data[position + 2] << 8 | data[position + 3])
                position += 4
                continue
            try:
                packet, size = mqtt5.read(memoryview(data)[position:])
            except IndexError:
                break
            position += size
            self._control(packet)
        self._buffer = data[position:]
        self.send()

    def _puback(self, packet_id: int) -> None:
        server = self._server
        if self._in_flight and self._in_flight[0] == packet_id:
            self._in_flight.popleft()
        elif packet_id in self._in_flight:
            server.out_of_order += 1
            self._in_flight.remove(packet_id)
        else:
            server.unexpected += 1
            return
        server.acknowledged += 1
        if server.acknowledged == server.total:
            server.ended_at = time.perf_counter()
            server.done.set()

    def _control(self, packet: mqtt5.Packet) -> None:
        assert self._transport is not None
        match packet:
            case mqtt5.ConnectPacket():
                self._server.connect = packet
                self._window = min(packet.receive_max, self._server._window_cap or 65_535)
                present = self._server.connections > 1
                self._transport.write(mqtt5.ConnAckPacket(session_present=present).write())
            case mqtt5.SubscribePacket():
                codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * len(packet.topic_filters)
                self._transport.write(mqtt5.SubAckPacket(packet.packet_id, codes).write())
                self._subscribed = True
                self._server.started_at = self._server.started_at or time.perf_counter()
            case mqtt5.UnsubscribePacket():
                codes2 = [mqtt5.UnsubAckReasonCode.SUCCESS] * len(packet.patterns)
                self._transport.write(mqtt5.UnsubAckPacket(packet.packet_id, codes2).write())
            case mqtt5.PingReqPacket():
                self.send()
                self._transport.write(mqtt5.PingRespPacket().write())
            case mqtt5.DisconnectPacket():
                self._transport.close()
            case _:
                self._server.unexpected += 1

    def send(self) -> None:
        server = self._server
        if not self._subscribed or self._transport is None or self._transport.is_closing():
            return
        while self._writable and self._sent < server.allowed:
            room = min(self._window - len(self._in_flight), server.allowed - self._sent, _CHUNK)
            if room <= 0:
                return
            part = server._packets[self._sent : self._sent + room]
            self._in_flight.extend([packet_id for packet_id, _, _ in part])
            self._transport.write(b"".join([bytes(raw) for _, raw, _ in part]))
            for _, raw, _ in part:
                raw[0] |= 8  # should it be sent again, then with DUP=1
            self._sent += room
            server.largest_window = max(server.largest_window, len(self._in_flight))


async def _main(count: int, devices: int, window: int | None) -> None:
    """Print the port, replay, print what was measured; each as one JSON line."""
    messages = [
        (
            f"air/{n % devices:04d}/up",
            b'{"pm25": %d.5, "pm10": %d.25, "no2": 21.5, "temperature": 28.4, "humidity": 71.2, "seq": %d}' % (n % 90, n % 150, n),
        )
        for n in range(count)
    ]
    async with ReplayServer(messages, window=window) as server:
        print(json.dumps({"port": server.port}), flush=True)
        await server.done.wait()
        seconds = server.ended_at - server.started_at
        print(
            json.dumps(
                {
                    "messages": server.total,
                    "seconds": round(seconds, 3),
                    "per_second": round(server.total / seconds),
                    "out_of_order": server.out_of_order,
                    "unexpected": server.unexpected,
                    "largest_window": server.largest_window,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    import uvloop

    parser = argparse.ArgumentParser(description="Replay QoS 1 messages to one MQTT 5 subscriber on a free port of loopback.")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--window", type=int, default=None, help="cap of the client's Receive Maximum")
    arguments = parser.parse_args()
    uvloop.run(_main(arguments.messages, arguments.devices, arguments.window))
