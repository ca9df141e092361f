"""A maker's codec stopped by its time limit, kill -9, and a machine that is faster afterwards (semantics A2).

What a limit stops is the one outcome that does not follow from the bytes: it stands in the journal, and recovery takes it from there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import publish_all
from tests.tools.site import ROOT, Site, running

CODEC = """
function decodeUplink(input) {
  var n = 0;
  for (var i = 0; i < input.bytes[0] * 1000; i++) n += i % 7;  // the first byte says how much work there is
  return {data: {pm: input.bytes[1], n: n}};
}
"""
KIND: dict[str, Any] = {
    "id": "maker-node",
    "title": {"vi": "Nút của hãng", "en": "Maker's node"},
    "format": "binary",
    "device": {"level": 2},
    "interval": "1h",
    "codec": {"javascript": "maker.js"},
    "fields": {"pm": {"parameter": "pm25", "unit": "µg/m³"}},
}
STATION = {
    "id": "roof",
    "name": {"vi": "Mái", "en": "Roof"},
    "lat": 16.05,
    "lon": 108.21,
    "area": "hai-chau",
    "medium": "air",
    "devices": [{"id": "m-1", "type": "maker-node", "topics": ["maker/m-1"], "from": "1990-01-01"}],
}
SLOW_S = 0.003
"""CPU for a message on the slow machine: enough for 20 µs of work, not for the some 11 ms of the heavy message."""
LIGHT, HEAVY = 0, 150


def message(work: int, pm: int) -> tuple[str, bytes]:
    return "maker/m-1", bytes([work, pm])


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Site:
    made = Site(
        tmp_path / "site",
        mosquitto.url,
        stations=[STATION],
        subscriptions=[{"topic": "maker/+", "type": "maker-node"}],
        types=["maker-node.yaml"],
    )
    (made.folder / "maker-node.yaml").write_text(yaml.safe_dump(KIND, allow_unicode=True))
    (made.folder / "maker.js").write_text(CODEC)
    return made


@pytest.fixture
def slow(tmp_path: Path) -> list[str]:
    """What to start a process under, so that a codec gets through less in its time, as on a slow machine."""
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"from devices.codecs import javascript\njavascript.CPU_SECONDS = {SLOW_S}\n")
    return ["env", f"PYTHONPATH={folder}:{ROOT}"]


def test_A2_the_outcome_stays_when_the_codec_would_now_finish(site: Site, slow: list[str], mosquitto: Mosquitto) -> None:
    with running(site):  # as fast as this machine is: the codec reads them all
        site.until_connected()
        publish_all(mosquitto.port, [message(HEAVY, 11)])
        assert site.until_delivered(1)["rejected"] == {}
        site.kill()

        site.start(wrap=slow)
        site.until_connected()
        for count, (work, pm) in enumerate(((LIGHT, 21), (HEAVY, 22), (LIGHT, 23)), 2):  # not two in one millisecond
            publish_all(mosquitto.port, [message(work, pm)])
            before = site.until_delivered(count)
        assert (before["stored"], before["rejected"]) == (3, {"codec-failed": 1})
        seen = rejections(site)
        assert [row["detail"] for row in seen] == ["the codec takes more than 3 ms"]
        site.kill()

        # Recovery says the same however fast the machine is, in either direction: the first heavy message was read.
        on_slow, on_fast = recovered(site, *slow), recovered(site)
        assert on_fast["rejected"] == {"codec-failed": 1}
        assert on_fast["inputs"] > 4, "there is a journal to be read"
        assert on_slow == on_fast

        site.start()
        after = site.status()
        assert {name: after[name] for name in COUNTS} == {name: before[name] for name in COUNTS}
        assert rejections(site) == seen
        assert pm25(site) == [11, 21, 23]

        # And the codec does finish now: what it was stopped at is taken in when somebody asks for it.
        site.until_connected()
        publish_all(mosquitto.port, [message(HEAVY, 24)])
        site.until(lambda s: s["stored"] == 4)
        assert json.loads(site.cli("replay", "--reason", "codec-failed", "--json")) == {"replayed": 1, "rejected": 0, "left": 0}
        status = site.until(lambda s: s["stored"] == 5 and not any(s["pending"].values()))
        assert status["rejected"] == {}
        assert pm25(site) == [11, 21, 22, 23, 24]


RECOVER = """
import hashlib, json, pathlib, sys
from gateway.ledger import Ledger
from gateway.recovery import recover
with Ledger(pathlib.Path(sys.argv[1])) as ledger:
    core, how = recover(ledger)
    state = hashlib.sha256(core.export()).hexdigest()
    print(json.dumps({"state": state, "rejected": dict(core.state.rejected), "inputs": how.inputs}))
"""


def recovered(site: Site, *wrap: str) -> dict[str, Any]:
    """What a start would go on with, in a process of its own."""
    command = [*wrap, sys.executable, "-c", RECOVER, str(site.data / "ledger.db")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


COUNTS = ("received", "stored", "rejected", "duplicate", "shed")


def rejections(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.get("/api/v1/rejections").json()
    return found


def pm25(site: Site) -> list[float]:
    return sorted(row["value"] for row in site.rows(parameter="pm25"))
