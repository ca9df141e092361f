"""The pages about quality are true: measured tables are current, and both languages tell of every flag and index."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.loader import catalogue
from devices.qc import model as models
from gateway.reference import quality as reference_quality
from tests.bench import quality

ROOT = Path(__file__).parents[2]
EXPLANATION = (ROOT / "docs" / "explanation" / "quality.md").read_text("utf-8")
REFERENCE = reference_quality.page()


@pytest.mark.slow
def test_the_usefulness_tables_are_what_is_measured() -> None:
    page = quality.PAGE.read_text("utf-8")
    table = page.split(quality.BEGIN)[1].split(quality.END)[0].strip()
    assert table == quality.report(list(quality.scores())), "python -m tests.bench.quality --write"


@pytest.mark.parametrize("language", ["Tiếng Việt", "English"])
def test_each_language_tells_every_flag_and_index(language: str) -> None:
    part = EXPLANATION.split(f"\n## {language}\n")[1].split("\n## ")[0]
    for flag in "12349":
        assert f"| **{flag} " in part
    for index in ("VN_AQI", "US AQI", "VN_WQI", "NowCast"):
        assert index in part
    assert "quality-usefulness.md" in part


def test_every_parameter_of_air_and_water_has_its_defaults() -> None:
    for parameter in catalogue().values():
        assert (f"| `{parameter.id}` |" in REFERENCE) == (parameter.medium != "device")
    assert "| `turbidity` | NTU | 30 | 30 | 500 | 4 | 6 h, 12 h |  |" in REFERENCE
    assert "| `wind_dir` | ° | off | off | off | off | off |  |" in REFERENCE


def test_every_setting_of_quality_has_a_row() -> None:
    sections = [
        item for item in vars(models).values() if isinstance(item, type) and issubclass(item, models.Model) and item is not models.Model
    ]
    assert len(sections) == 13
    for model in sections:
        for name, field in model.model_fields.items():
            assert any(line.startswith(f"| `{name}` |") and str(field.description) in line for line in REFERENCE.splitlines())


def test_a_score_counts_readings_events_and_delay() -> None:
    labels = {2: "1", 3: "1", 6: "1", 8: "10"}
    flags = [1, 3, 1, 3, 1, 1, 1, 4, 9, 1]
    found = quality.score("s", "pm25", [n * 60_000 for n in range(10)], flags, labels)
    assert [(event.kind, event.begin, event.end, event.first, event.flagged) for event in found.events] == [
        (quality.KINDS["1"], 2, 4, 3, 1), (quality.KINDS["1"], 6, 7, None, 0), ("no value", 8, 9, 8, 1),
    ]  # fmt: skip
    assert (found.right, found.wrong) == (1, 2)
    rows = quality.report([found]).splitlines()
    assert "| s | `pm25` | no value | 1 of 1 | 1 of 1 | none |" in rows
    assert f"| s | `pm25` | {quality.KINDS['1']} | 1 of 2 | 1 of 3 | 1 min |" in rows
    assert "| s | `pm25` | 10 | 3 | 33% | 333.33 |" in rows
