"""Snapshots that another version wrote, or that a disk has spoiled, between a crash and the restart (semantics A5)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.state import SCHEMA
from gateway.ledger import Ledger, LedgerDamaged, LedgerError
from gateway.ledger.codec import Packer, unsqueeze
from gateway.recovery import recover
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, running

BEFORE = [(1, 150.5), (2, 21.5)]
"""(device, pm25) before the newest snapshot, and after it."""
AFTER = [(1, 151.5), (2, 150.5), (3, 10.5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a gateway that was stopped twice (two snapshots, one open alert), then killed with a journal behind them."""
    home = tmp_path_factory.mktemp("crashed")
    with Mosquitto(home / "mosquitto") as mosquitto:
        return crash(home / "site", mosquitto)


def crash(home: Path, mosquitto: Mosquitto) -> Path:
    site = Site(home, mosquitto.url)
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(n, pm25=value) for n, value in BEFORE[:1]])
        site.until_delivered(1)
        assert site.terminate() == 0
        site.start()
        publish_all(mosquitto.port, [air(n, pm25=value) for n, value in BEFORE[1:]])
        site.until_delivered(2)
        assert site.terminate() == 0
        site.start()
        publish_all(mosquitto.port, [air(n, pm25=value) for n, value in AFTER])
        site.until_delivered(5)
        site.kill()
    return home


@pytest.fixture
def crashed(folder: Path, tmp_path: Path, mosquitto: Mosquitto) -> Site:
    """A copy of that, with a broker of its own."""
    shutil.copytree(folder, tmp_path / "site")
    return Site(tmp_path / "site", mosquitto.url)


def state_of(path: Path) -> bytes:
    """What a start would go on with."""
    with Ledger(path) as ledger:
        return recover(ledger)[0].export()


def change(path: Path, which: str, work: Callable[[str, bytes], bytes], *, schema: int = SCHEMA) -> None:
    """Write the chunks of snapshots anew; `which` is SQL for their ids."""
    packer = Packer()
    db = sqlite3.connect(path)
    with db:
        for number, name, data in db.execute(f"SELECT id, name, data FROM snapshot_chunk WHERE snapshot IN ({which})").fetchall():
            db.execute("UPDATE snapshot_chunk SET data = ? WHERE id = ?", (packer.squeeze(work(name, unsqueeze(data, name))), number))
        db.execute(f"UPDATE snapshot SET schema = ? WHERE id IN ({which})", (schema,))
    db.close()


def spoil(path: Path, which: str) -> None:
    """One byte in the middle of a snapshot's chunks is another."""
    db = sqlite3.connect(path)
    with db:
        for number, data in db.execute(f"SELECT id, data FROM snapshot_chunk WHERE snapshot IN ({which})").fetchall():
            middle = len(data) // 2
            rotten = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
            db.execute("UPDATE snapshot_chunk SET data = ? WHERE id = ?", (rotten, number))
    db.close()


NEWEST, ALL = "SELECT max(id) FROM snapshot", "SELECT id FROM snapshot"


def runs_on(site: Site, mosquitto: Mosquitto) -> None:
    """It starts, knows what it knew, and goes on."""
    with running(site):
        status = site.status()
        assert (status["stored"], status["alerts"]["firing"]) == (5, 2)
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm25=20.5), air(2, pm25=21.5)])
        site.until(lambda s: s["stored"] == 7 and s["alerts"]["firing"] == 0 and not any(s["pending"].values()))
        states = [alert["state"] for alert in site.get("/api/v1/alerts", state="all").json()]
        assert states == ["resolved", "resolved"]
        assert sorted(row["value"] for row in site.rows()) == sorted([value for _, value in BEFORE + AFTER] + [20.5, 21.5])


def older(name: str, data: bytes) -> bytes:
    """The same state as a version wrote it that did not know the last fields yet."""
    if name == "globals":
        plain = msgspec.msgpack.decode(data)
        del plain["starts"], plain["clock_jumps"]
        return msgspec.msgpack.encode(plain)
    units = msgspec.msgpack.decode(data, type=list[tuple[str, bytes]])
    return msgspec.msgpack.encode([(unit, _shorter(unit, state)) for unit, state in units])


def _shorter(unit: str, state: bytes) -> bytes:
    fields: list[Any] = msgspec.msgpack.decode(state)
    return msgspec.msgpack.encode(fields[: -2 if unit.startswith("d:") else -1])


def test_a5_a_snapshot_of_an_older_schema_still_loads(crashed: Site, mosquitto: Mosquitto) -> None:
    path = crashed.data / "ledger.db"
    whole = state_of(path)
    change(path, NEWEST, older, schema=SCHEMA - 1)
    with Ledger(path) as ledger:
        core, how = recover(ledger)
        assert how.snapshot_seq == ledger.snapshots()[0].seq  # it was this one that was used
    assert core.export() != whole  # the lost fields start from their defaults
    assert set(core.devices) == {"an-0001", "an-0002", "an-0003"}
    assert core.state.starts == 1
    runs_on(crashed, mosquitto)


def test_a5_a_snapshot_of_a_newer_schema_is_refused(crashed: Site) -> None:
    path = crashed.data / "ledger.db"
    change(path, NEWEST, lambda name, data: data, schema=SCHEMA + 1)
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="made by a newer envgw"):
        recover(ledger)
    crashed.launch()
    assert crashed.process is not None
    assert crashed.process.wait(30) == 1
    assert "made by a newer envgw" in crashed.tail(3)
    assert "Traceback" not in crashed.tail(3)


def test_a_damaged_snapshot_falls_back_to_the_one_before(crashed: Site, mosquitto: Mosquitto) -> None:
    path = crashed.data / "ledger.db"
    whole = state_of(path)
    spoil(path, NEWEST)
    with Ledger(path) as ledger:
        core, how = recover(ledger)
        newest, before = ledger.snapshots()
        assert how.snapshot_seq == before.seq < newest.seq
    assert core.export() == whole
    runs_on(crashed, mosquitto)


def test_both_snapshots_damaged_the_whole_journal_gives_the_state_back(crashed: Site, mosquitto: Mosquitto) -> None:
    path = crashed.data / "ledger.db"
    whole = state_of(path)
    spoil(path, ALL)
    with Ledger(path) as ledger:
        core, how = recover(ledger)
        assert how.snapshot_seq == 0
    assert core.export() == whole
    runs_on(crashed, mosquitto)


def test_both_snapshots_damaged_and_the_journal_pruned_is_said_clearly(crashed: Site) -> None:
    path = crashed.data / "ledger.db"
    db = sqlite3.connect(path)
    with db:
        db.execute("DELETE FROM journal WHERE seq <= 2")
        db.execute("DELETE FROM batch WHERE seq <= 2")
    db.close()
    assert state_of(path)  # with a snapshot it needs no more
    spoil(path, ALL)
    with Ledger(path) as ledger, pytest.raises(LedgerDamaged, match="no snapshot can be read"):
        recover(ledger)
    crashed.launch()
    assert crashed.process is not None
    assert crashed.process.wait(30) == 1
    assert "is damaged: no snapshot can be read, and the journal does not reach back" in crashed.tail(3)
    assert "envgw restore" in crashed.tail(3)


@pytest.mark.parametrize("which", ["name = 'units'", "name = 'globals'"])
def test_a_snapshot_with_a_part_missing_is_not_taken_for_whole(crashed: Site, which: str) -> None:
    path = crashed.data / "ledger.db"
    whole = state_of(path)
    db = sqlite3.connect(path)
    with db:
        db.execute(f"DELETE FROM snapshot_chunk WHERE snapshot = ({NEWEST}) AND {which}")
    db.close()
    assert state_of(path) == whole
