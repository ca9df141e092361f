"""The one stream that everything is measured with, and the program that publishes it through a broker.

1,000 devices take turns; each sends the same flat JSON object with its time and five parameters, at QoS 1:

    sensors/air/an-0042   {"device":"an-0042","time":1795417200000,"pm25":17.3,"pm10":31.2,"no2":21.5,"temperature":28.4,"humidity":71.2}

The publisher is a plain socket with packets made beforehand, so that it costs the broker's time and little of its own.
It waits for one line on its standard input, so that what is made beforehand is not in anybody's measurement.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mqtt5

from tests.tools.site import ROOT

DEVICES = 1000
PARAMETERS = ("pm25", "pm10", "no2", "temperature", "humidity")
_WINDOW = 4000
_SLICE_S = 0.001


def messages(
    count: int, devices: int = DEVICES, *, last_ms: int | None = None, seed: int = 1, every_ms: int = 10
) -> Iterator[tuple[str, bytes]]:
    """(topic, payload), every device's times so far apart (10 ms: all within the window for late readings), the last one at `last_ms`."""
    rng = random.Random(seed)
    last_ms = int(time.time() * 1000) if last_ms is None else last_ms
    rounds = -(-count // devices)
    for number in range(count):
        device = f"an-{number % devices + 1:04}"
        body = {
            "device": device,
            "time": last_ms - every_ms * (rounds - 1 - number // devices),
            "pm25": round(rng.uniform(5, 60), 1),
            "pm10": round(rng.uniform(10, 90), 1),
            "no2": round(rng.uniform(5, 60), 1),
            "temperature": round(rng.uniform(22, 34), 1),
            "humidity": round(rng.uniform(50, 95), 1),
        }
        yield f"sensors/air/{device}", json.dumps(body, separators=(",", ":")).encode()


def rules(count: int) -> list[dict[str, Any]]:
    """Threshold rules over all five parameters, each watching all stations; none fires on `messages`."""
    parameters = ("pm25", "pm10", "no2", "air_temp", "rh")
    return [
        {
            "id": f"limit-{number + 1}",
            "name": {"vi": f"Ngưỡng {number + 1}", "en": f"Limit {number + 1}"},
            "where": {"medium": "air"},
            "levels": {
                "warning": {"when": f"{parameters[number % 5]} > {200 + number}", "for": "10m", "clear": f"{parameters[number % 5]} < 150"},
                "critical": {"when": f"{parameters[number % 5]} > {400 + number}", "for": "5m"},
            },
        }
        for number in range(count)
    ]


@contextmanager
def publisher(port: int, count: int, *, rate: float = 0.0, devices: int = DEVICES) -> Iterator[Publishing]:
    """A publishing process that has made its packets and waits for `go`. `rate` messages/s; 0: as fast as the broker takes them."""
    command = [sys.executable, "-m", "tests.bench.stream", str(port), str(count), str(rate), str(devices)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "made":
            raise RuntimeError("the publisher did not start")
        yield Publishing(process)
    finally:
        process.kill()
        process.wait()


class Publishing:
    """A publisher at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def go(self) -> None:
        """Begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def seconds(self) -> float:
        """Wait until all is acknowledged by the broker; how long that took."""
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())


def _publish(port: int, count: int, rate: float, devices: int) -> None:
    packets = [
        bytes(mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number % 65_535 + 1).write())
        for number, (topic, payload) in enumerate(messages(count, devices))
    ]
    print("made", flush=True)
    sys.stdin.readline()
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(mqtt5.ConnectPacket(client_id="bench-publisher", clean_start=True, keep_alive=0).write())
        link.recv(1024)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        sent = acknowledged = 0
        rest = 0
        while acknowledged < count:
            upto = min(count, acknowledged + _WINDOW, sent + 500)
            if rate:
                upto = min(upto, int((time.perf_counter() - began) * rate) + 1)
            if upto > sent:
                link.sendall(b"".join(packets[sent:upto]))
                sent = upto
            elif rate and sent < count:
                time.sleep(_SLICE_S)
            link.settimeout(0.0005 if sent < min(count, acknowledged + _WINDOW) else 10)
            try:
                rest += len(link.recv(65_536))
            except (TimeoutError, BlockingIOError):
                continue
            acknowledged, rest = acknowledged + rest // 4, rest % 4  # a PUBACK without properties is four bytes
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish the bench's stream.")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("devices", type=int)
    arguments = parser.parse_args()
    _publish(arguments.port, arguments.count, arguments.rate, arguments.devices)
