"""The ledger's tables, their migrations, and how a connection to them is opened.

One SQLite file. A *batch* is what one `commit` wrote; its parts live in tables of their own because they are read
and pruned at different times: `journal` (inputs: recovery, replay; days), `line` (readings: until every lane has
them), `receipt` (keys for redelivery: 2 h). `batch` itself is small and carries running sums, so that "how much is
waiting" is a subtraction and not a scan.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from gateway.ledger.errors import LedgerDamaged, LedgerError, LedgerTooNew

APPLICATION_ID = 0x656E7677  # "envw": tells a ledger from any other SQLite file
PAGE_SIZE = 4096
BUSY_MS = 5000
NEEDS_SQLITE = (3, 37, 0)  # STRICT tables and RETURNING

_V1 = """
CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL DEFAULT 0,
    last_ms INTEGER NOT NULL DEFAULT 0,
    clock_shift INTEGER NOT NULL DEFAULT 0,
    batches INTEGER NOT NULL DEFAULT 0,
    lines INTEGER NOT NULL DEFAULT 0,
    line_bytes INTEGER NOT NULL DEFAULT 0,
    journal_bytes INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0,
    duplicate INTEGER NOT NULL DEFAULT 0,
    shed INTEGER NOT NULL DEFAULT 0,
    revisions INTEGER NOT NULL DEFAULT 0,
    kept_rejections INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO totals (id) VALUES (1);
CREATE TABLE rejection_total (
    reason TEXT PRIMARY KEY,
    rejected INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE batch (
    seq INTEGER PRIMARY KEY,
    last_ms INTEGER NOT NULL,
    inputs INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    line_bytes INTEGER NOT NULL,
    journal_bytes INTEGER NOT NULL,
    sum_batches INTEGER NOT NULL,
    sum_lines INTEGER NOT NULL,
    sum_line_bytes INTEGER NOT NULL,
    sum_journal_bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE journal (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE line (seq INTEGER PRIMARY KEY, lines INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE receipt (seq INTEGER PRIMARY KEY, steady_ms INTEGER NOT NULL, keys BLOB NOT NULL) STRICT;
CREATE TABLE config (digest TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, text BLOB NOT NULL) STRICT;

CREATE TABLE rejection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    seq INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    topic TEXT NOT NULL,
    device TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX rejection_reason ON rejection (reason, id);
CREATE INDEX rejection_device ON rejection (device, id);

CREATE TABLE transition (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    seq INTEGER NOT NULL,
    episode TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX transition_episode ON transition (episode, id);
CREATE TABLE episode (
    episode TEXT PRIMARY KEY,
    last_transition INTEGER NOT NULL,
    state TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX episode_state ON episode (state, last_transition);
CREATE INDEX episode_last ON episode (last_transition);

CREATE TABLE intent (id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, due_ms INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE receiver (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL) STRICT;
CREATE TABLE undelivered (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    receiver TEXT NOT NULL,
    intent INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (receiver, intent)
) STRICT;

CREATE TABLE lane (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    required INTEGER NOT NULL,
    quota INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    sum_batches INTEGER NOT NULL,
    sum_lines INTEGER NOT NULL,
    sum_line_bytes INTEGER NOT NULL,
    parked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE lane_gap (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    after_seq INTEGER NOT NULL,
    upto_seq INTEGER,
    from_ms INTEGER NOT NULL,
    upto_ms INTEGER,
    lines INTEGER NOT NULL,
    sum_lines INTEGER NOT NULL
) STRICT;
CREATE TABLE refused_line (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    upto_seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX refused_line_lane ON refused_line (lane, id);

CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    seq INTEGER NOT NULL,
    config_digest TEXT NOT NULL,
    code_version TEXT NOT NULL,
    schema INTEGER NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE snapshot_chunk (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshot INTEGER NOT NULL,
    name TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX snapshot_chunk_of ON snapshot_chunk (snapshot, id);
"""

MIGRATIONS: tuple[str, ...] = (_V1,)
"""Statement n brings a file of version n to version n + 1. Never edit one that was released: append."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are begun by hand), usable from any one thread at a time."""
    if sqlite3.sqlite_version_info < NEEDS_SQLITE:
        raise LedgerError(f"this Python has SQLite {sqlite3.sqlite_version}; the ledger needs {'.'.join(map(str, NEEDS_SQLITE))} or newer")
    mode = "ro" if read_only else "rwc"
    db = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
    )
    db.execute("PRAGMA temp_store=MEMORY")
    if read_only:
        db.execute("PRAGMA cache_size=-1024")
    return db


def prepare_writer(db: sqlite3.Connection) -> None:
    """Journal mode and durability of the one writing connection."""
    db.execute(f"PRAGMA page_size={PAGE_SIZE}")  # these two count only while the file is still empty
    db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")  # in WAL mode: the log is fsynced at every commit (invariant 1)
    db.execute("PRAGMA wal_autocheckpoint=1000")
    db.execute(f"PRAGMA journal_size_limit={32 * 1024 * 1024}")  # a log that grew during a backup shrinks again


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """Schema version of the file, 0 for an empty one. Raises LedgerTooNew, LedgerDamaged (not a ledger)."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    tables = int(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    if tables and application != APPLICATION_ID:
        raise LedgerDamaged(path, "it is a SQLite file, but not a ledger of envgw")
    if version > len(MIGRATIONS):
        raise LedgerTooNew(path, version, len(MIGRATIONS))
    return version


def look_at(path: Path) -> int:
    """`version_of` a file without changing anything in it."""
    db = connect(path, read_only=True)
    try:
        return version_of(db, path)
    finally:
        db.close()


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest schema, one transaction a version: a crash in between leaves the older one."""
    for version in range(version_of(db, path), len(MIGRATIONS)):
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(MIGRATIONS[version]):
                db.execute(statement)
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={version + 1}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _statements(script: str) -> list[str]:
    """Split a script at its semicolons (`executescript` would commit behind our back)."""
    return [statement for statement in script.split(";") if statement.strip()]
