"""A commit whose fsync failed may stand complete in SQLite's log, and be found there when the file is opened anew.

SQLite reads its log again when nobody else has the ledger open: on a dying disk, where readers failed as well.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.ledger import CommitFailed, Ledger
from tests.gateway.ledger.building import T0, ledger, message, stored
from tests.tools import strace


def alone(opened: Ledger) -> None:
    """As if every reader had failed."""
    while opened._readers._idle:
        opened._readers._idle.pop().close()


@pytest.mark.parametrize("between", ["nothing", "pruning", "another batch"])
def test_a3_a_batch_that_was_there_after_all_is_not_committed_twice(tmp_path: Path, between: str) -> None:
    first, second, third = [message(1)], [message(2)], [message(3)]
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        assert opened.commit(first, stored(first)) == 1
        alone(opened)
        with strace.attached(os.getpid(), tmp_path / "trace", inject="fdatasync:error=EIO"):
            for _ in range(2):
                with pytest.raises(CommitFailed, match="disk I/O error"):
                    opened.commit(second, stored(second))
        if between == "pruning":
            opened.prune(T0)
        if between != "another batch":  # the pipeline repeats what failed
            assert opened.commit(second, stored(second)) == 2
        assert opened.commit(third, stored(third)) == 3
        assert opened.totals().stored == 3
        assert [inputs for _, inputs in opened.journal()] == [first, second, third]
        assert opened.head == 3
    with ledger(tmp_path / "l.db") as opened:
        assert (opened.head, opened.totals().stored) == (3, 3)


def test_a3_a_batch_that_was_not_there_is_committed(tmp_path: Path) -> None:
    first, second = [message(1)], [message(2)]
    with ledger(tmp_path / "l.db") as opened:
        assert opened.commit(first, stored(first)) == 1
        alone(opened)
        broken = strace.attached(os.getpid(), tmp_path / "trace", inject="pwrite64:error=EIO", paths=[tmp_path / "l.db-wal"])
        with broken, pytest.raises(CommitFailed, match="disk I/O error"):
            opened.commit(second, stored(second))
        assert opened.commit(second, stored(second)) == 2
        assert opened.totals().stored == 2
