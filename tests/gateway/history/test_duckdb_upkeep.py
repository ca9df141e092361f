"""Setup and doctor of the embedded history where something is not as it should be. (As it should be: tests/contracts/history.)"""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.findings import Finding, State
from gateway.history import duckdb_upkeep
from gateway.history.duckdb_upkeep import DuckDBUpkeep
from gateway.settings import HistorySection

HOLD = """
import sys
from pathlib import Path
from gateway.history.duckdb_store import DuckStore
store = DuckStore(Path(sys.argv[1]), memory_limit=64 * 1024**2, threads=1)
print("open", flush=True)
sys.stdin.read()
"""


def upkeep(folder: Path, **more: object) -> DuckDBUpkeep:
    return DuckDBUpkeep(HistorySection.model_validate({"name": "local", "kind": "duckdb"} | more), folder)


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


@pytest.fixture
def held(tmp_path: Path) -> Iterator[None]:
    """Another process has the file open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "history.duckdb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        yield
        holder.stdin.close()


@pytest.mark.usefixtures("held")
async def test_a_file_that_a_running_gateway_has_is_all_right(tmp_path: Path) -> None:
    for found in (await upkeep(tmp_path).examine(), await upkeep(tmp_path).prepare()):
        assert found[0].state is State.OK
        assert "in use by the running gateway" in found[0].says


@pytest.mark.parametrize("content", [b"", b"this is no database" * 1000])
async def test_a_file_that_is_no_history(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "readings.duckdb"
    path.write_bytes(content)
    for found in (await upkeep(tmp_path, path="readings.duckdb").examine(), await upkeep(tmp_path, path="readings.duckdb").prepare()):
        assert found[0].state is State.WRONG
        assert found[0].do
    assert path.read_bytes() == content, "what is there stays as it is"


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (found,) = await upkeep(tmp_path / "file" / "data").prepare()
    assert found.state is State.WRONG


async def test_retention_and_little_room_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_check(await upkeep(tmp_path, retention="90d").examine())
    assert "not there yet" in found["file"].says
    assert found["retention"].says == "raw readings are deleted after 90d; all else is kept"
    assert "space" not in found
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(duckdb_upkeep.shutil, "disk_usage", lambda _: usage(10**9, 9 * 10**8, 10**8))
    assert by_check(await upkeep(tmp_path).examine())["space"].state is State.WARNING
