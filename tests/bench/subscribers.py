"""The yardsticks: subscribers that only count what the gateway has to work on.

Each has subscribed when its context is entered, and ends after `count` messages; until it is waited for, the kernel
keeps what CPU it took. `python -m tests.bench.subscribers PORT COUNT VERSION` is the one on paho-mqtt.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.tools.site import ROOT

TOPIC = "sensors/air/+"
READY = "bench/ready"


@contextmanager
def paho5(port: int, count: int) -> Iterator[subprocess.Popen[str]]:
    """`paho-mqtt`, MQTT 5 as the gateway, QoS 1, a callback that counts."""
    with _subscribed([sys.executable, "-m", "tests.bench.subscribers", str(port), str(count), "5"], "subscribed") as process:
        yield process


@contextmanager
def paho311(port: int, count: int) -> Iterator[subprocess.Popen[str]]:
    """The same with MQTT 3.1.1, which is paho's default and cheaper."""
    with _subscribed([sys.executable, "-m", "tests.bench.subscribers", str(port), str(count), "3.1.1"], "subscribed") as process:
        yield process


@contextmanager
def mosquitto_sub(port: int, count: int) -> Iterator[subprocess.Popen[str]]:
    """`mosquitto_sub`, QoS 1, one character a message. That it has subscribed is told by a retained message."""
    program, tell = shutil.which("mosquitto_sub"), shutil.which("mosquitto_pub")
    if program is None or tell is None:
        raise FileNotFoundError("mosquitto_sub is not installed: apt-get install mosquitto-clients")
    subprocess.run([tell, "-p", str(port), "-t", READY, "-m", "ready", "-r", "-q", "1"], check=True)
    command = [program, "-p", str(port), "-t", TOPIC, "-t", READY, "-q", "1", "-C", str(count + 1), "-F", "."]
    with _subscribed(command, ".") as process:
        yield process


def ended(process: subprocess.Popen[str]) -> None:
    """Wait until it has seen everything, without making the kernel forget its CPU time."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


@contextmanager
def _subscribed(command: list[str], word: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    drain = None
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != word:
            raise RuntimeError(f"{command[0]} did not subscribe")
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield process
    finally:
        process.kill()
        process.wait()
        if drain is not None:
            drain.wait()


def _count(port: int, count: int, version: str) -> None:
    import paho.mqtt.client as mqtt

    protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench-paho", protocol=protocol)
    seen = 0

    def on_message(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            os._exit(0)

    client.on_connect = lambda *_: client.subscribe(TOPIC, qos=1)
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    _count(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
