"""An unknown device's way into the city, and a mended type's way into the past, as an operator goes them."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import yaml

from tests.e2e.test_whole_way import air, publish
from tests.tools.mosquitto import Mosquitto
from tests.tools.site import ENVGW, ROOT, Site, air_stations, running

NODE = {"sn": "q-77", "pm2_5": 12.5, "tempf": 86.0, "fw": "1.4"}
"""A maker's node that no type knows, on a topic of its own."""


def ask(*arguments: str, text: str | None = None, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*ENVGW, *arguments], cwd=ROOT, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == expect, (done.stdout, done.stderr)
    return done


def test_an_unknown_device_is_found_registered_and_its_past_taken_in(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        for n in range(3):
            publish(mosquitto, "sensors/air/roof-9", air("roof-9", pm25=10 + n))
        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=5))
        site.until(lambda s: s["rejected"] == {"unknown-device": 3} and s["stored"] == 1)

        (row,) = json.loads(site.cli("stations", "unknown", "--json"))
        assert (row["device"], row["messages"], row["topics"], row["brokers"]) == ("roof-9", 3, ["sensors/air/roof-9"], ["city"])
        assert (row["type"], row["subscription_type"], row["already_registered"]) == ("air-node", "air-node", False)
        assert [(reading["parameter"], reading["value"]) for reading in row["reads_as"]] == [("pm25", 12.0)]
        assert row["first"] <= row["last"]
        assert "roof-9: 3 messages" in site.cli("stations", "unknown")

        entry = row["entry"]
        table = site.folder / "roof.csv"
        table.write_text(
            "id,name_vi,name_en,lat,lon,area,medium,device,type,topics,broker\n"
            f"roof,Mái nhà,Roof,16.05,108.21,hai-chau,air,{entry['id']},{entry['type']},{' '.join(entry['topics'])},{entry['broker']}\n"
        )
        assert "roof: added" in site.cli("stations", "import", str(table))
        assert "4 stations, 4 devices: no errors" in site.cli("stations", "check").splitlines()[-1]
        out = site.folder / "out.csv"
        out.write_text(site.cli("stations", "export", "--format", "csv"))
        assert "roof-9" in out.read_text()
        assert "0 stations added, 0 changed, 4 already there" in site.cli("stations", "import", str(out))
        # The running gateway reads the changed file by itself: from then on the device is known.
        site.until(lambda _: "configuration reloaded" in site.log.read_text())
        publish(mosquitto, "sensors/air/roof-9", air("roof-9", pm25=13))
        site.until(lambda s: s["rejected"] == {"unknown-device": 3} and s["stored"] == 2)
        assert json.loads(site.cli("replay", "--reason", "unknown-device", "--json")) == {"replayed": 3, "rejected": 0, "left": 0}
        status = site.until(lambda s: not any(s["pending"].values()))
        assert (status["stored"], status["rejected"]) == (5, {})
        assert sorted(row["value"] for row in site.rows(station="roof")) == [10.0, 11.0, 12.0, 13.0]
        assert json.loads(site.cli("stations", "unknown", "--json")) == []


def test_the_clock_of_each_device_is_measured_and_shown(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    with running(site):
        site.until_connected()
        late = {"device": "an-0001", "time": int(time.time() * 1000) - 90_000, "pm25": 5}
        publish(mosquitto, "sensors/air/an-0001", json.dumps(late))
        publish(mosquitto, "sensors/air/an-0001", b"garbage")
        site.until(lambda s: s["stored"] == 1 and s["rejected"] == {"not-json": 1})
        (health,) = site.get("/api/v1/stations/st-0001").json()["device_health"]
        assert 90 <= health["clock_offset_s"] < 150
        assert (health["id"], health["stored"], health["rejected"], health["clock_fault"]) == ("an-0001", 1, 1, False)
        assert f"its clock: {health['clock_offset_s']:+.1f} s behind receipt" in site.cli("stations", "show", "st-0001")
        (silent,) = site.get("/api/v1/stations/st-0002").json()["device_health"]
        assert (silent["clock_offset_s"], silent["received"], silent["last"]) == (None, 0, None)


def test_a_type_that_was_wrong_is_mended_and_the_past_with_it(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """From a captured message to a type; its unit is wrong; mended; history read again: said first, then written, no alert raised."""
    site = Site(
        tmp_path / "site",
        mosquitto.url,
        stations=[
            *air_stations(1),
            {
                "id": "roof",
                "name": {"vi": "Mái", "en": "Roof"},
                "lat": 16.05,
                "lon": 108.21,
                "area": "hai-chau",
                "medium": "air",
                "devices": [{"id": "q-77", "type": "my-node", "topics": ["maker/q-77/up"]}],
            },
        ],
        subscriptions=[{"topic": "sensors/air/+", "type": "air-node"}, {"topic": "maker/+/up", "type": "my-node"}],
        types=["my-node.yaml"],
    )
    kind = site.folder / "my-node.yaml"
    new = ["types", "new", "--from", "-", "--topic", "maker/q-77/up", "--id", "my-node", "--output", str(kind)]
    ask(*new, text=json.dumps(NODE))
    assert "green  my-node" in ask("types", "test", str(kind)).stdout
    right = kind.read_text()
    wrong = right.replace('unit: "°F"', 'unit: "°C"')
    assert wrong != right
    kind.write_text(wrong)
    with running(site):
        site.until_connected()
        for n in range(4):
            publish(mosquitto, "maker/q-77/up", json.dumps({**NODE, "tempf": 86.0 + n, "pm2_5": 200 if n == 0 else 12.5}))
        publish(mosquitto, "sensors/air/an-0001", air("an-0001", pm25=5))
        site.until(lambda s: s["stored"] == 5 and not any(s["pending"].values()))
        alerts = site.get("/api/v1/alerts", state="all").json()
        assert [row["value"] for row in site.rows(station="roof", parameter="air_temp")] == [86.0, 87.0, 88.0, 89.0]

        assert site.terminate() == 0
        kind.write_text(right)
        site.start()
        again = ["replay", "--station", "roof", "--since", "-1h"]
        told = json.loads(site.cli(*again, "--dry-run", "--json"))
        changes = {row["parameter"]: row for row in told["parameters"]}
        assert (told["messages"], told["lines"], told["written"]) == (4, 4, False)
        assert (changes["air_temp"]["changed"], changes["pm25"]["changed"]) == (4, 0)
        assert (changes["air_temp"]["mean_before"], round(changes["air_temp"]["mean_after"], 3)) == (87.5, 30.833)
        assert site.rows(station="roof", parameter="air_temp")[0]["value"] == 86.0, "nothing is written yet"

        no = ask(*again, "--config", str(site.config), text="n\n", expect=1)
        assert "nothing was written" in no.stderr
        yes = ask(*again, "--config", str(site.config), text="y\n")
        assert "4 lines written" in yes.stdout
        site.until(lambda s: not any(s["pending"].values()))
        rows = site.rows(station="roof", parameter="air_temp")
        assert [round(row["value"], 3) for row in rows] == [30.0, 30.556, 31.111, 31.667]
        assert site.status()["stored"] == 5
        assert json.loads(site.cli(*again, "--yes", "--json"))["lines"] == 0
        assert site.get("/api/v1/alerts", state="all").json() == alerts

        site.kill()
        site.start()
        assert [round(row["value"], 3) for row in site.rows(station="roof", parameter="air_temp")] == [30.0, 30.556, 31.111, 31.667]
        assert site.cli("replay", "--station", "nowhere", "--since", "-1h", expect=1) == ""
        assert site.cli("replay", "--station", "roof", expect=2) == ""


def test_the_exported_map_is_the_registry(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url)
    found = json.loads(site.cli("stations", "export", "--format", "geojson"))
    assert [feature["id"] for feature in found["features"]] == ["st-0001", "st-0002", "st-0003"]
    assert yaml.safe_load(site.cli("stations", "export", "--format", "yaml"))["stations"] == air_stations(3)
