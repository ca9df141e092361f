"""kill -9 at any instant: what was reported is there, and no batch is there by half (invariant 1)."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.ledger.building import ledger, message

pytestmark = pytest.mark.slow

SIZE = 20
CHILD = f"""
import sys
from pathlib import Path
from tests.gateway.ledger.building import fill, ledger
with ledger(Path(sys.argv[1])) as opened:
    opened.register_lane("h", "duckdb", required=True, quota=0)
    snapshot = None
    while True:
        seq = fill(opened, 1, {SIZE}, start=opened.head)
        sys.stdout.write(f"{{seq}}\\n"); sys.stdout.flush()
        if seq % 7 == 0:
            snapshot = opened.begin_snapshot(seq, "c", "v")
            snapshot.put("a", b"x" * 5000)
        elif seq % 7 == 3 and snapshot is not None:
            snapshot.finish()
            opened.advance("h", seq, now_ms=1)
            opened.prune(1)
"""


@pytest.mark.parametrize("seed", range(5))
def test_kill_9_loses_nothing_that_was_reported(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "l.db"
    generator = random.Random(seed)
    for _ in range(2):  # the second child begins where the first was killed
        reported = 0
        with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            until = generator.randint(5, 150)
            for told in child.stdout:
                reported = int(told)
                until -= 1
                if until <= 0:
                    child.kill()
                    break
            for told in child.stdout:  # what it reported while the signal was under way
                if told.endswith(b"\n"):
                    reported = int(told)
        assert child.returncode == -9
        with ledger(path) as opened:
            assert opened.head >= reported
            batches = dict(opened.journal())
            assert sorted(batches) == list(range(1, opened.head + 1))
            for seq, inputs in batches.items():
                assert inputs == [message((seq - 1) * SIZE + place) for place in range(SIZE)]
            state = opened.lane_state("h")
            waiting = opened.read_lines(state.cursor, 10**9)
            assert [seq for seq, _ in waiting] == list(range(state.cursor + 1, opened.head + 1))
            assert {len(lines) for _, lines in waiting} <= {SIZE}
            totals = opened.totals()
            assert totals.received == totals.stored == totals.lines == opened.head * SIZE
            for snapshot in opened.snapshots():
                assert [name for name, _ in snapshot.chunks()] == ["a"]
            assert opened._readers.row("PRAGMA integrity_check") == ("ok",)
