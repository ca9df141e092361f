"""The disk first, the broker second: what `kill -9` cannot show, strace does (semantics A7)."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

import pytest

from tests.tools import strace
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site
from tests.tools.strace import Call

COUNT = 300


def packets(calls: list[Call]) -> list[tuple[Call, int, bytes]]:
    """(call that completed it, first byte, body) of the MQTT packets in one direction of a connection."""
    found = []
    buffer = b""
    for call in calls:
        buffer += call.data
        while len(buffer) >= 2:
            length, shift, at = 0, 0, 1
            while at < len(buffer):
                length |= (buffer[at] & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not buffer[at - 1] & 0x80:
                    break
            else:
                break
            if len(buffer) < at + length:
                break
            found.append((call, buffer[0], buffer[at : at + length]))
            buffer = buffer[at + length :]
    return found


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a7_every_puback_is_behind_an_fdatasync_of_the_ledger(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    trace = tmp_path / "trace"
    site = Site(tmp_path / "site", mosquitto.url, protocol=protocol)
    try:
        site.start(wrap=strace.wrap(trace, [*strace.SYNCS, *strace.READS, *strace.WRITES]), timeout_s=120)
        site.until_connected(60)
        for start in range(0, COUNT, 30):  # alone, in small batches and many at once
            publish_all(mosquitto.port, [air(1 + n % 3, pm25=n / 10) for n in range(start, start + 30)])
        site.until(lambda s: s["stored"] == COUNT, 60)
        assert site.terminate(30) == 0
    finally:
        site.close()

    calls = strace.calls(trace)
    port = f"->127.0.0.1:{mosquitto.port}]"
    to_broker = [call for call in calls if call.what.endswith(port)]
    sent = packets([call for call in to_broker if call.name in strace.WRITES])
    received = packets([call for call in to_broker if call.name in strace.READS])
    log = str(site.data / "ledger.db-wal")
    synced = [call for call in calls if call.name in strace.SYNCS and call.what == log and call.result == 0]
    came: dict[int, Call] = {}
    for call, first, body in received:
        if first >> 4 == 3:
            topic = int.from_bytes(body[:2], "big")
            came[int.from_bytes(body[2 + topic : 4 + topic], "big")] = call
    assert len(came) == COUNT

    acknowledged = [(call, int.from_bytes(body[:2], "big")) for call, first, body in sent if first == 0x40]
    assert sorted(number for _, number in acknowledged) == sorted(came)
    begins = [call.begin for call in synced]
    for call, number in acknowledged:
        place = bisect_left(begins, came[number].end)
        assert place < len(synced), f"PUBACK {number} without any fdatasync behind its PUBLISH"
        assert synced[place].end < call.begin, f"PUBACK {number} went out before the ledger was on disk"
