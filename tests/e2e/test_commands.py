"""The commands as users and their scripts call them: what they print, and their exit codes."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import duckdb
import yaml

from tests.tools.commands import envgw
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import Heard, Load, air, publish_all
from tests.tools.site import Site, air_stations, running

GOOD = b'{"device":"an-0001","time":"2026-03-14T02:00:00Z","pm25":12.5,"pm10":"x","temperature":29.5}'


def lines(text: bytes | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# ---------------------------------------------------------------- decode


def test_decode_prints_the_readings(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", "mqtt://127.0.0.1:1")
    done = envgw("decode", "--type", "air-node", "--json", "--config", site.config, "-", stdin=GOOD)
    first, second, refused = lines(done.stdout)
    assert first == {
        "time": "2026-03-14T02:00:00Z", "station": "st-0001", "device": "an-0001", "medium": "air",
        "parameter": "pm25", "value": 12.5, "unit": "ug/m3", "flag": 1,
    }  # fmt: skip
    assert (second["parameter"], second["value"], second["unit"]) == ("air_temp", 29.5, "Cel")
    assert (refused["parameter"], refused["reason"], sorted(refused)) == ("pm10", "wrong-type", ["detail", "parameter", "reason"])


def test_decode_of_a_file_from_nobody_we_know(tmp_path: Path) -> None:
    message = tmp_path / "message.json"
    message.write_bytes(b'{"device":"ghost","pm25":1}')
    done = envgw("decode", "--type", "air-node", "--received-at", "2026-03-14T09:00:00+07:00", "--json", message, cwd=tmp_path)
    (row,) = lines(done.stdout)
    assert (row["station"], row["device"], row["time"]) == (None, "ghost", "2026-03-14T02:00:00Z")


def test_decode_exit_codes(tmp_path: Path) -> None:
    (row,) = lines(envgw("decode", "--type", "air-node", "--json", "-", stdin=b"junk", cwd=tmp_path, expect=1).stdout)
    assert (row["reason"], sorted(row)) == ("not-json", ["detail", "reason"])
    done = envgw("decode", "--type", "air-nod", "-", stdin=GOOD, cwd=tmp_path, expect=2)
    assert b"air-node" in done.stderr, "what was meant is named"
    assert done.stdout == b""
    envgw("decode", "--type", "air-node", tmp_path / "none", cwd=tmp_path, expect=2)
    envgw("decode", "--type", "air-node", "--received-at", "noon", "-", stdin=GOOD, cwd=tmp_path, expect=2)


def test_decode_finds_the_type_itself(tmp_path: Path) -> None:
    done = envgw("decode", "--type", "auto", "--json", "-", stdin=b'{"device":"w-1","ph":7.1,"do":6.5,"conductivity":300}', cwd=tmp_path)
    assert {(row["medium"], row["parameter"]) for row in lines(done.stdout)} == {("water", "ph"), ("water", "do"), ("water", "ec")}
    assert b"water-probe" in done.stderr, "how it was chosen is said, and not on standard output"


# ---------------------------------------------------------------- check


def test_check_accepts_and_counts(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", "mqtt://127.0.0.1:1")
    (found,) = lines(envgw("check", "--json", "--config", site.config).stdout)
    assert (found["ok"], found["stations"], found["devices"], found["rules"], found["brokers"]) == (True, 3, 3, 1, 1)


def test_check_names_every_problem_with_its_line(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", "mqtt://127.0.0.1:1", subscriptions=[{"topic": "a/#/b", "type": "air-node"}], history=[{"name": "X"}])
    said = envgw("check", "--config", site.config, expect=1).stderr.decode()
    text = site.config.read_text().splitlines()
    for wanted in ("a/#/b", "name: X"):
        number = next(number for number, line in enumerate(text, 1) if wanted in line)
        assert f"envgw.yaml:{number}:" in said, said
    (found,) = lines(envgw("check", "--json", "--config", site.config, expect=1).stdout)
    assert not found["ok"]
    assert len(found["problems"]) == len(said.splitlines()) >= 3
    assert sorted(found["problems"][0]) == ["column", "file", "line", "message"]


def test_B3_a_shared_subscription_is_refused_with_rules(tmp_path: Path) -> None:
    shared = [{"topic": "$share/gateways/sensors/air/+", "type": "air-node"}]
    site = Site(tmp_path / "rules", "mqtt://127.0.0.1:1", subscriptions=shared)
    number = next(number for number, line in enumerate(site.config.read_text().splitlines(), 1) if "$share" in line)
    for command in ("check", "run"):
        said = envgw(command, "--config", site.config, expect=1).stderr.decode()
        assert f"envgw.yaml:{number}:" in said, said
        assert "'sensors/air/+'" in said, "it says what to write instead"
    del site.settings["rules"]
    site.write()
    envgw("check", "--config", site.config)
    site.settings["brokers"][0]["protocol"] = "3.1.1"
    site.write()
    assert b"MQTT 5" in envgw("check", "--config", site.config, expect=1).stderr


def test_B3_a_shared_subscription_works_without_rules(tmp_path: Path, mosquitto: Mosquitto) -> None:
    shared = [{"topic": "$share/gateways/sensors/air/+", "type": "air-node"}]
    site = Site(tmp_path / "site", mosquitto.url, subscriptions=shared)
    del site.settings["rules"]
    site.write()
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(30)])
        assert site.until_delivered(30)["stored"] == 30


# ---------------------------------------------------------------- simulate


def simulate(broker: Mosquitto, *arguments: str | Path) -> dict[str, Any]:
    (found,) = lines(envgw("simulate", "--broker", broker.url, "--rate", "500", "--json", *arguments).stdout)
    return found


def test_simulate_publishes_exactly_so_many_and_the_same_for_a_seed(mosquitto: Mosquitto) -> None:
    told, summaries = [], []
    for seed in ("3", "3", "4"):
        with Heard(mosquitto.port, "sensors/#") as listener:
            summaries.append(simulate(mosquitto, "--count", "120", "--stations", "5", "--seed", seed, "--start", "2026-03-14T02:00:00Z"))
            told.append(listener.until(120))
    assert [summary["published"] for summary in summaries] == [120, 120, 120]
    assert [summary["devices"] for summary in summaries] == [5, 5, 5]
    assert summaries[0]["payload_bytes"] == sum(len(payload) for _, payload in told[0])
    assert len(told[0]) == 120
    assert told[0] == told[1]
    assert told[0] != told[2]


def test_what_a_scenario_breaks_is_what_the_gateway_rejects(tmp_path: Path, mosquitto: Mosquitto) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(yaml.safe_dump({"faults": [{"device": "sim-00002", "kind": "garbage", "share": 0.5}]}))
    stations = air_stations(3)
    for number, station in enumerate(stations, 1):
        station["devices"][0] |= {"id": f"sim-0000{number}", "topics": [f"sensors/air/sim-0000{number}"]}
    site = Site(tmp_path / "site", mosquitto.url, rules=[], stations=stations)
    with running(site):
        site.until_connected()
        summary = simulate(mosquitto, "--count", "300", "--stations", "3", "--seed", "5", "--scenario", scenario)
        status = site.until_delivered(300)
        garbage = summary["faults"]["garbage"]
        assert 20 < garbage < 80
        assert sum(status["rejected"].values()) == garbage
        assert (status["received"], status["stored"]) == (300, 300 - garbage)


def test_simulate_says_what_is_wrong(tmp_path: Path) -> None:
    assert b"--map" in envgw("simulate", "--replay", Path(__file__), expect=2).stderr
    done = envgw("simulate", "--broker", "mqtt://127.0.0.1:1", "--count", "1", expect=1)
    assert b"127.0.0.1:1" in done.stderr
    assert b"Traceback" not in done.stderr
    (tmp_path / "bad.yaml").write_text("faults: [{device: x, kind: nonsense}]")
    assert b"bad.yaml" in envgw("simulate", "--scenario", tmp_path / "bad.yaml", "--count", "1", expect=1).stderr


# ---------------------------------------------------------------- backup, restore


def test_backup_while_it_runs_and_restore_when_it_does_not(tmp_path: Path, mosquitto: Mosquitto) -> None:
    began = int(time.time() * 1000)
    site = Site(tmp_path / "site", mosquitto.url)
    saved = tmp_path / "ledger.backup"
    with running(site):
        site.until_connected()
        with Load(mosquitto.port, lambda n: air(1 + n % 3, at_ms=began + n, pm25=n / 100), per_s=300) as load:
            load.wait_acknowledged(200)
            before = site.status()["received"]
            site.cli("backup", str(saved))
            after = site.status()["received"]
            assert "exists already" in command_error(site, "backup", saved)
            assert site.process is not None
            assert str(site.pid) in command_error(site, "restore", saved, "--force"), "it says who uses the ledger"
            load.finish()
        assert site.until_delivered(load.sent)["stored"] == load.sent, "a backup holds nobody up"
        assert site.terminate() == 0

        assert "--force" in command_error(site, "restore", saved)
        site.cli("restore", str(saved), "--force")
        site.start()
        restored = site.status()
        assert before <= restored["received"] <= after
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm25=99.5)])
        site.until(lambda s: s["received"] == restored["received"] + 1 and not any(s["pending"].values()))
        values = {row["value"] for row in site.rows(parameter="pm25")}
        assert 99.5 in values, "the history takes what comes after a restore"
        assert values >= {n / 100 for n in range(load.sent)}, "what the history had, it keeps"


def command_error(site: Site, *arguments: str | Path) -> str:
    """What a command that fails writes to standard error."""
    return envgw(*arguments, "--config", site.config, expect=1).stderr.decode()


# ---------------------------------------------------------------- query


def test_query_in_every_format(tmp_path: Path, mosquitto: Mosquitto) -> None:
    now = int(time.time() * 1000)
    site = Site(tmp_path / "site", mosquitto.url, rules=[])

    def query(*arguments: str) -> bytes:
        return envgw("query", "--config", site.config, *arguments).stdout

    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(1, at_ms=now - 1000 * n, pm25=n + 0.5, pm10=None) for n in range(10)])
        publish_all(mosquitto.port, [air(2, at_ms=now, pm25=7)])
        site.until_delivered(11)

        rows = lines(query("--station", "st-0001", "--parameter", "pm25", "--since", "-1h", "--format", "json"))
        assert [row["value"] for row in rows] == [n + 0.5 for n in reversed(range(10))], "oldest first"
        assert list(rows[0]) == ["time", "station", "device", "area", "medium", "parameter", "value", "unit", "flag"]
        table = list(csv.DictReader(io.StringIO(query("--format", "csv").decode())))
        assert len(table) == 21
        assert {(row["value"], row["flag"]) for row in table if row["parameter"] == "pm10"} == {("", "9")}
        text = query("--station", "st-0002").decode().splitlines()
        assert len(text) == 2
        assert text[0].split() == ["time", "station", "device", "area", "medium", "parameter", "value", "unit", "flag"]
        assert text[1].split()[1:3] == ["st-0002", "an-0002"]
        file = tmp_path / "answer.parquet"
        file.write_bytes(query("--format", "parquet"))
        assert duckdb.execute("SELECT count(*), max(value) FROM read_parquet(?)", [str(file)]).fetchall() == [(21, 9.5)]
        assert b"did you mean 'pm25'" in envgw("query", "--config", site.config, "--parameter", "pm52", expect=1).stderr
        assert b"st-9" in envgw("query", "--config", site.config, "--station", "st-9", expect=1).stderr
