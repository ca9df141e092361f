"""Faults and episodes: each does to the messages what its name says, and nothing to anybody else's."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from devices.device_type import parse
from devices.loader import catalogue, shipped_types
from gateway.simulate.fleet import KINDS, Fleet, Outgoing, registry_fleet, synthetic_fleet
from gateway.simulate.scenario import Scenario, ScenarioError, load_scenario

START = 1_773_594_000_000
MINUTE = 60_000


def fleet_of(scenario: dict[str, Any] | None = None, *, count: int = 2, seed: int = 5, device_type: str = "air-node") -> Fleet:
    return synthetic_fleet(
        count, scenario=Scenario.model_validate(scenario or {}), seed=seed, start_ms=START, interval_ms=MINUTE, device_type=device_type
    )


def said(fleet: Fleet, device: int, minutes: int) -> list[Outgoing]:
    topic = fleet.devices[device].topic
    return [message for message in fleet.messages(START, START + minutes * MINUTE) if message.topic == topic]


def pm25(messages: list[Outgoing]) -> list[float]:
    return [json.loads(message.payload)["pm25"] for message in messages]


@pytest.mark.parametrize("device_type", sorted(KINDS))
def test_every_simulated_type_is_decoded_by_its_device_type_without_a_refusal(device_type: str) -> None:
    kind = parse(shipped_types()[device_type], catalogue())
    for message in fleet_of(device_type=device_type).messages(START, START + 30 * MINUTE):
        decoded = kind.decode(message.payload, tuple(message.topic.split("/")))
        assert decoded.refused == []  # type: ignore[union-attr]
        assert decoded.device == message.topic.split("/")[2]  # type: ignore[union-attr]
        assert {value.parameter for value in decoded.values} == {parameter for _, parameter, _ in KINDS[device_type].fields}  # type: ignore[union-attr]
        assert {value.flag for value in decoded.values} == {1}  # type: ignore[union-attr]
        assert decoded.time_ms == (None if device_type == "level-gauge" else message.time_ms)  # type: ignore[union-attr]


def test_the_same_seed_gives_the_same_bytes_however_time_is_cut() -> None:
    scenario = {"faults": [{"device": "*", "kind": "garbage", "share": 0.1}, {"device": "*", "kind": "duplicate", "share": 0.1}]}
    whole = list(fleet_of(scenario, count=5).messages(START, START + 600 * MINUTE))
    fleet = fleet_of(scenario, count=5)
    edges = [START, START + 1, START + 77_777, START + 100 * MINUTE, START + 100 * MINUTE, START + 599 * MINUTE, START + 600 * MINUTE]
    cut = [message for since, until in itertools.pairwise(edges) for message in fleet.messages(since, until)]
    assert whole == cut
    assert len(whole) > 5 * 600
    assert whole != list(fleet_of(scenario, count=5, seed=6).messages(START, START + 600 * MINUTE))


def test_stuck_freezes_one_parameter_of_one_device_while_it_lasts() -> None:
    fleet = fleet_of({"faults": [{"device": "sim-00001", "kind": "stuck", "parameter": "pm25", "from": "10m", "until": "20m"}]})
    values = pm25(said(fleet, 0, 30))
    assert len(set(values[10:20])) == 1
    assert len(set(values[:10])) > 3
    assert len(set(values[20:])) > 3
    assert len(set(pm25(said(fleet, 1, 30))[10:20])) > 3
    assert fleet.faults["stuck"] >= 10


def test_stuck_at_a_value_spike_and_drift() -> None:
    true = pm25(said(fleet_of(), 0, 120))
    stuck = pm25(said(fleet_of({"faults": [{"device": "sim-00001", "kind": "stuck", "parameter": "pm25", "value": 1200}]}), 0, 120))
    assert set(stuck) == {1200.0}
    spiky = pm25(said(fleet_of({"faults": [{"device": "*", "kind": "spike", "parameter": "pm25", "share": 0.1, "size": 10}]}), 0, 120))
    hit = [index for index, (now, was) in enumerate(zip(spiky, true, strict=True)) if now != was]
    assert 2 <= len(hit) <= 30
    assert all(spiky[index] == pytest.approx(10 * true[index], rel=0.02) for index in hit)
    drifting = pm25(
        said(fleet_of({"faults": [{"device": "*", "kind": "drift", "parameter": "pm25", "from": "0s", "per_hour": 6}]}), 0, 120)
    )
    assert drifting[-1] - true[-1] == pytest.approx(12, abs=0.25)


def test_dropout_is_silence_and_duplicates_are_equal() -> None:
    quiet = fleet_of({"faults": [{"device": "sim-00001", "kind": "drop-out", "from": "10m", "until": "20m", "every": "30m"}]})
    assert len(said(quiet, 0, 60)) == 40
    assert len(said(quiet, 1, 60)) == 60
    doubled = said(fleet_of({"faults": [{"device": "sim-00001", "kind": "duplicate"}]}), 0, 10)
    assert len(doubled) == 20
    assert doubled[0::2] == doubled[1::2]


@pytest.mark.parametrize(("behind", "offset_ms"), [(False, 7 * 3_600_000), (True, -7 * 3_600_000)])
def test_clock_skew_moves_the_devices_time_only(behind: bool, offset_ms: int) -> None:
    kind = parse(shipped_types()["air-node"], catalogue())
    fault = {"device": "*", "kind": "clock-skew", "offset": "7h", "behind": behind}
    for message, true in zip(said(fleet_of({"faults": [fault]}), 0, 20), said(fleet_of(), 0, 20), strict=True):
        decoded = kind.decode(message.payload, tuple(message.topic.split("/")))
        assert decoded.time_ms == message.time_ms + offset_ms  # type: ignore[union-attr]
        assert message.time_ms == true.time_ms


def test_garbage_is_rejected_by_the_decoder_each_time() -> None:
    kind = parse(shipped_types()["air-node"], catalogue())
    messages = said(fleet_of({"faults": [{"device": "*", "kind": "garbage"}]}), 0, 200)
    reasons = {kind.decode(message.payload, tuple(message.topic.split("/"))).reason.value for message in messages}  # type: ignore[union-attr]
    assert {"empty", "not-json"} <= reasons


def test_smoke_rises_stays_and_clears_at_its_station_only() -> None:
    episode = {"station": "sim-00001", "kind": "smoke", "from": "60m", "until": "180m", "peak": 250, "ramp": "10m"}
    fleet = fleet_of({"episodes": [episode]})
    smoky, clean = pm25(said(fleet, 0, 240)), pm25(said(fleet, 1, 240))
    assert max(smoky[:60]) < 80
    assert min(smoky[72:168]) > 240
    assert max(smoky[181:]) < 80
    assert max(clean) < 80
    for message in said(fleet, 0, 240):
        body = json.loads(message.payload)
        assert body["pm1"] < body["pm25"] < body["pm10"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("faults: [{device: a, kind: stuk}]", "faults.0.kind"),
        ("faults: [{device: a, kind: stuck, from: 2h, until: 1h}]", "`until` must be later"),
        ("faults: [{device: a, kind: stuck, from: soon}]", "90s, 10m"),
        ("faults: [{device: a, kind: stuck, every: 1h}]", "`every` needs"),
        ("episodes: [{station: a, kind: smoke, from: 0s, until: 1h, peak: -1}]", "episodes.0.peak"),
        ("faults: [", ":1: this is not YAML"),
    ],
)
def test_a_wrong_scenario_names_the_file_and_the_place(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)


def test_a_device_that_was_taken_away_is_silent(tmp_path: Path) -> None:
    """Moved and swapped devices are listed twice; what stands nowhere any more would only be refused."""
    registry = tmp_path / "stations.yaml"
    registry.write_text(
        "stations:\n"
        "  - id: a\n"
        "    devices:\n"
        "      - {id: an-01, type: air-node, topics: [s/old], to: 2026-03-01}\n"
        "      - {id: an-02, type: air-node, topics: [s/stays], from: 2026-01-01, to: 2026-09-01}\n"
        "  - {id: b, devices: [{id: an-01, type: air-node, topics: [s/moved], from: 2026-03-01}]}\n"
    )
    fleet = registry_fleet(registry, scenario=Scenario(), seed=1, start_ms=START)
    assert [(device.id, device.station, device.topic) for device in fleet.devices] == [("an-02", "a", "s/stays"), ("an-01", "b", "s/moved")]
