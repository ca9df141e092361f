"""What is generated in `docs/` is current, complete, and true of the files that are shipped."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.config import yamlfile
from gateway.reference import pages as reference
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = reference.generated()


@pytest.mark.parametrize("name", PAGES, ids=str)
def test_generated_file_is_current(name: Path) -> None:
    assert (reference.DOCS / name).read_text("utf-8") == PAGES[name], f"docs/{name} is stale: make schemas"


def test_every_setting_has_a_row_with_a_sentence() -> None:
    page = reference.configuration_page()
    for title, model in reference.sections(Settings):
        assert f"## {title}\n" in page
        for name, field in model.model_fields.items():
            (row, *_) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
            assert row.count("|") == 5 + row.count("\\|")
            assert field.description or field.annotation in (type(value) for _, value in Settings()), f"{title} {name} needs a description"


def test_writing_twice_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "generated", lambda: PAGES)
    assert len(reference.write(tmp_path)) == len(PAGES)
    assert reference.write(tmp_path) == []


@cache
def schema(name: str) -> jsonschema.Draft202012Validator:
    found = json.loads((ROOT / "docs" / "schema" / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


SHIPPED = [
    *(
        ("envgw", path)
        for path in (ROOT / "examples" / "envgw.yaml", *sorted(ROOT.glob("gateway/demo/envgw.yaml")), ROOT / "deploy" / "envgw.yaml")
    ),
    *(("stations", path) for path in (ROOT / "examples" / "stations.yaml", *sorted(ROOT.glob("gateway/demo/stations.yaml")))),
    *(("rules", path) for path in (ROOT / "examples" / "rules.yaml", *sorted(ROOT.glob("gateway/demo/rules.yaml")))),
    *(("type", path) for path in sorted(ROOT.glob("devices/types/*.yaml"))),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "path"), SHIPPED, ids=lambda value: value if isinstance(value, str) else value.parent.name + "-" + value.stem
)
def test_the_schema_accepts_what_is_shipped(name: str, path: Path) -> None:
    environ = {"MQTT_PASSWORD": "x", "INFLUX_TOKEN": "x"}
    data = yamlfile.read(path, tags=True, environ=environ).data
    errors = [f"{error.json_path}: {error.message}" for error in schema(name).iter_errors(data)]
    assert errors == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("envgw", {"gatway": {}}),
        ("envgw", {"api": {"port": "http"}}),
        ("envgw", {"time": {"accept_ahead": "soon"}}),
        ("envgw", {"ledger": {"reserve": "lots"}}),
        ("stations", {"stations": [{"id": "a"}]}),
        ("rules", {"rules": [{"id": "a", "name": {"en": "x"}, "levels": {"urgent": {"when": "pm25 > 1"}}}]}),
        ("type", {"id": "x", "format": "flat-json"}),
    ],
)
def test_the_schema_refuses_what_is_wrong(name: str, data: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        schema(name).validate(data)
