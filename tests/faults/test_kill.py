"""kill -9 of the gateway at random instants under load (invariants 1, 2 and 4).

Half of the devices send their time, half do not: for those only DUP=1 with session, packet id and digest tells what
mosquitto delivers again from what is new (semantics B1).
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core import Core
from gateway.core.outcomes import Transition
from gateway.ledger import Ledger, LedgerReader
from gateway.recovery import recover
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air
from tests.tools.site import SMOKE, Site, air_stations
from tests.tools.torrent import Torrent

KILLS = 20
MINUTE = {
    "id": "pm25-minute",
    "name": {"en": "A minute's mean, with a timer"},
    "levels": {"warning": {"when": "avg(pm25, 1m) > 80 and pm25 > 60", "for": "1s", "clear": "pm25 < 60"}},
    "flapping": {"flips": 10, "within": "10m"},
}
PER_S = 2000
DEVICES = 100


def message(number: int, start_ms: int) -> tuple[str, bytes]:
    """Message `number`: every device's values rise through the alert's limit and fall again, and none comes twice."""
    device, turn = number % DEVICES, number // DEVICES
    at_ms = start_ms + turn if device % 2 else None
    return air(device + 1, at_ms=at_ms, pm25=value(turn))


def value(turn: int) -> float:
    """Up and down between 50 and 150 ug/m3 every 20 turns; the decimals tell the turns apart."""
    return round(50 + 10 * abs(turn % 20 - 10) + turn / 10_000, 4)


def transitions(path: Path) -> list[Transition]:
    """Every transition of the ledger, by episode, in order."""
    with LedgerReader(path) as reader:
        return [item for episode in reader.episodes(None, None, 1_000_000) for item in episode.history]


def undisturbed(ledger: Ledger) -> tuple[Core, list[Transition]]:
    """A core that takes in the whole journal from the beginning, never killed, and its transitions."""
    core, said = Core(), []
    for _, inputs in ledger.journal():
        said += core.step(inputs).transitions
    return core, said


def delays(seed: int) -> Iterator[tuple[bool, float]]:
    """(wait until it answers first?, seconds until the kill): most in full work, some while it starts and recovers."""
    generator = random.Random(seed)
    for number in range(KILLS):
        starting = number % 4 == 3
        yield not starting, generator.uniform(0.05, 1.2) if starting else generator.uniform(0.0, 1.5)


@pytest.mark.timeout(900)  # twenty starts, on a machine that may be busy with much else
def test_kill_9_at_20_random_instants_under_load(tmp_path: Path, mosquitto: Mosquitto) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(1_000_000))
    print(f"FAULTS_SEED={seed} repeats these instants")
    site = Site(
        tmp_path / "site",
        mosquitto.url,
        stations=air_stations(DEVICES, interval="1h"),
        rules=[SMOKE, MINUTE],
        ledger={"low_water": "1MB", "reserve": "1MB", "snapshot_every": 500},
    )
    start_ms = int(time.time() * 1000) - 60_000
    working = 0
    try:
        site.start()
        site.until_connected()
        with Torrent(mosquitto.port, lambda number: message(number, start_ms), per_s=PER_S) as torrent:
            for alive, delay_s in delays(seed):
                head = _head(site)
                if alive:
                    torrent.flow(False)  # starting takes long on a busy machine: what is published then only costs time
                    site.wait_alive(60)
                    torrent.flow(True)
                time.sleep(delay_s)  # the random instant
                site.kill()
                working += _head(site) > head + 2
                site.launch()
            site.wait_alive(60)
            count = torrent.finish()
        status = site.until(lambda s: s["stored"] >= count and not any(s["pending"].values()), 90)
        assert status["stored"] == count
        assert status["rejected"] == {}
        assert status["shed"] == 0
        rows = site.rows(parameter="pm25")
        assert site.terminate() == 0
    finally:
        site.close()
    print(f"{count} messages, {status['duplicate']} delivered again, {working} of {KILLS} kills while batches were committed")
    assert count > 10_000
    assert working >= KILLS // 4

    # Every message is in the history, once: with the time that the device gave, else by its value.
    seen = Counter((row["device"], row["value"]) for row in rows)
    assert seen == Counter((f"an-{number % DEVICES + 1:04}", value(number // DEVICES)) for number in range(count))
    times = {(row["device"], row["value"]): row["time"] for row in rows}
    for number in range(count):
        if number % DEVICES % 2:
            at = times[f"an-{number % DEVICES + 1:04}", value(number // DEVICES)]
            assert at == _iso(start_ms + number // DEVICES), number

    path = site.data / "ledger.db"
    said = transitions(path)
    with Ledger(path) as ledger:
        recovered, how = recover(ledger)
        whole, expected = undisturbed(ledger)
        assert how.snapshot_seq == how.seq  # of the orderly stop
        assert recovered.export() == whole.export()
        older = ledger.snapshots()[-1]  # the one before the orderly stop's, unless every kill came before it was whole
        assert 0 < older.seq <= how.seq
    assert len(expected) > DEVICES
    # Nothing more, nothing twice: what the ledger holds is what one run over the same journal says.
    assert sorted(said, key=_key) == sorted(expected, key=_key)
    assert max(Counter((item.episode, item.state, item.reason) for item in said).values()) == 1
    # The rules' state is what it was: windows, timers, what is kept for late readings.
    recovered.export()  # windows take what they hold when somebody looks
    stations = recovered.stations.values()
    assert all(sum(station.windows["pm25/60000"].counts) > 1 for station in stations)
    assert all(len(station.parameters["pm25"].recent) > 2 for station in stations)
    assert {item.rule for item in expected} >= {"pm25-smoke", "pm25-minute"}


def _head(site: Site) -> int:
    path = site.data / "ledger.db"
    with LedgerReader(path) as reader:
        return reader.totals().seq


def _key(item: Transition) -> tuple[str, int, str, str]:
    return item.episode, item.processed_ms, item.state, item.reason


def _iso(at_ms: int) -> str:
    from devices.times import iso

    return iso(at_ms)
