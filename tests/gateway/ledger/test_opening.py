"""Opening: new, newer, in use, damaged, older."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.ledger import LedgerDamaged, LedgerError, LedgerInUse, LedgerReader, LedgerTooNew, schema
from tests.gateway.ledger.building import fill, ledger


def test_durability_settings(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened, opened._writer.connection() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert db.execute("PRAGMA auto_vacuum").fetchone()[0] == 2


def test_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with ledger(path) as opened:
        fill(opened, 1)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(LedgerTooNew, match=r"newer envgw \(ledger version 99"), ledger(path):
        pass
    with pytest.raises(LedgerTooNew):
        LedgerReader(path)
    assert path.read_bytes() == before


def test_an_older_version_is_migrated_and_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.db"
    with ledger(path) as opened:
        fill(opened, 2)
    added = "CREATE TABLE extra (id INTEGER PRIMARY KEY) STRICT; INSERT INTO extra VALUES (7);"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
    with ledger(path) as opened:
        assert fill(opened, 1) == 3
        assert opened._readers.rows("SELECT id FROM extra") == [(7,)]
        assert opened._readers.row("PRAGMA user_version") == (2,)


def test_a_migration_that_fails_leaves_the_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.db"
    with ledger(path) as opened:
        fill(opened, 2)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE extra (id INTEGER); SELECT no_such_thing();"))
        with pytest.raises(LedgerError, match="no_such_thing"), ledger(path):
            pass
    with ledger(path) as opened:
        assert opened.head == 2
        assert opened._readers.rows("SELECT 1 FROM sqlite_master WHERE name = 'extra'") == []


@pytest.mark.slow
def test_in_use_says_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    script = (
        "import sys; from pathlib import Path; from tests.gateway.ledger.building import ledger\n"
        "with ledger(Path(sys.argv[1])): print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"open\n"
        with pytest.raises(LedgerInUse, match=f"process {child.pid}") as caught, ledger(path):
            pass
        assert caught.value.pid == child.pid
        child.stdin.close()
        assert child.wait(20) == 0
    with ledger(path):
        assert (tmp_path / "l.db.lock").read_text() == str(os.getpid())


def test_the_same_process_cannot_open_it_twice(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db"), pytest.raises(LedgerInUse), ledger(tmp_path / "l.db"):
        pass


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.close()


@pytest.mark.parametrize(
    "content",
    [b"this is not a database" * 500, b"SQLite format 3\x00" + b"\x00" * 5000],
    ids=["text", "broken header"],
)
def test_a_file_that_is_no_database_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "l.db").write_bytes(content)
    with pytest.raises(LedgerDamaged, match="envgw restore"), ledger(tmp_path / "l.db"):
        pass
    assert (tmp_path / "l.db").read_bytes() == content


def test_another_sqlite_file_is_not_touched(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "l.db")
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()
    with pytest.raises(LedgerDamaged, match="not a ledger of envgw"), ledger(tmp_path / "l.db"):
        pass
    db = sqlite3.connect(tmp_path / "l.db")
    assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["theirs"]
    assert db.execute("PRAGMA user_version").fetchone()[0] == 0
    db.close()


def test_a_truncated_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with ledger(path) as opened:
        fill(opened, 50, 50)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(LedgerDamaged, match="envgw restore"), ledger(path):
        pass
