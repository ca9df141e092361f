"""`envgw types list|show|test|new`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.errors import EnvgwError
from tests.gateway.commands.place import Place

MESSAGE = '{"sn": "q-7", "at": "2026-03-14T02:00:00Z", "measured_at": 1773453600, "pm2_5": 12.5, "tempf": 86}'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_every_shipped_type_is_green(place: Place) -> None:
    found = json.loads(place.run("types", "test", "--json").stdout)
    assert found["red_types"] == 0
    assert found["green_types"] >= 40


def test_a_type_from_a_captured_message_is_green_at_once_and_known_when_named(place: Place) -> None:
    message = place.write("message.json", MESSAGE)
    target = place.folder / "my-node.yaml"
    from typer.testing import CliRunner

    from gateway.cli import app

    made = ["types", "new", "--from", str(message), "--topic", "sensors/q/q-7", "--id", "my-node", "--output", str(target)]
    assert CliRunner().invoke(app, made).exit_code == 0
    assert CliRunner().invoke(app, made).exit_code == 2, "it never overwrites"
    said = place.run("types", "test", str(target)).stdout
    assert "green  my-node" in said
    config = place.folder / "envgw.yaml"
    config.write_text(config.read_text() + "types: [my-node.yaml]\n")
    shown = json.loads(place.run("types", "show", "my-node", "--json").stdout)
    assert [(row["field"], row["parameter"], row["unit"]) for row in shown["fields"]] == [
        ("pm2_5", "pm25", "µg/m³"),
        ("tempf", "air_temp", "°F"),
    ]
    assert "my-node" in place.run("types", "show", "my-node").stdout
    listed = {row["id"]: row["shipped"] for row in json.loads(place.run("types", "list", "--json").stdout)}
    assert (listed["my-node"], listed["air-node"]) == (False, True)
    decoded = place.run("decode", str(message), "--type", "my-node", "--topic", "sensors/q/q-7").stdout
    assert "air_temp" in decoded
    assert "30 Cel" in decoded


def test_a_red_example_shows_the_difference_and_fails(place: Place) -> None:
    file = place.write(
        "t.yaml",
        "id: t\ntitle: {vi: t, en: t}\nformat: flat-json\ndevice: {field: id}\ninterval: 60s\n"
        'fields: {p: {parameter: pm25, unit: "ug/m3"}}\n'
        "examples:\n  - {message: {id: x, p: 3}, device: x, readings: {pm25: 4}}\n",
    )
    found = place.run("types", "test", str(file), expect=1).stdout
    assert "red    t" in found
    assert "pm25: 3.0, expected 4.0" in found


def test_a_file_that_cannot_be_used_is_told_with_its_line(place: Place) -> None:
    file = place.write("t.yaml", "id: t\ntitle: {vi: t, en: t}\nformat: flat-json\n")
    told = place.run("types", "test", str(file), expect=1).stderr
    assert "`interval` is missing" in told
    assert "`fields` is missing" in told
    wrong = 'id: t\ntitle: {vi: t, en: t}\nformat: flat-jsn\ninterval: 60s\nfields: {p: {parameter: pm25, unit: "ug/m3"}}\n'
    assert (
        "t.yaml:3: unknown format 'flat-jsn'; did you mean 'flat-json'?"
        in place.run("types", "test", str(place.write("t.yaml", wrong)), expect=1).stderr
    )


def test_a_message_that_nothing_reads(place: Place) -> None:
    from typer.testing import CliRunner

    from gateway.cli import app

    found = CliRunner().invoke(app, ["types", "new", "--from", str(place.write("m", b"\xff\x00")), "--id", "x", "--topic", "a/b"])
    assert isinstance(found.exception, EnvgwError)
