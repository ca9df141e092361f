"""Metrics: units in their names, one table, the page current."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from devices.reading import Line, Value
from gateway.core.outcomes import Outcomes, Rejected
from gateway.metrics import METRICS, Metrics, reference
from tests.tools.alerts import transition

LINE = Line("air", "hai-chau", "hc-1", "hai-chau", 0, (Value("pm25", 1.0, 1), Value("pm10", None, 9)))
REJECTED = Rejected(0, 0, "city", "t", b"", 1, False, "?", "not-json", "")


def values(metrics: Metrics) -> dict[str, float]:
    samples = [sample for family in text_string_to_metric_families(metrics.text().decode()) for sample in family.samples]
    return {name(sample.name, sample.labels): sample.value for sample in samples}


def name(base: str, labels: dict[str, str]) -> str:
    return base + "".join(f" {key}={value}" for key, value in sorted(labels.items()))


def test_a_batch_is_counted_by_disposition() -> None:
    metrics = Metrics()
    outcomes = Outcomes(
        lines=[LINE, LINE], rejections=[REJECTED], transitions=[transition()], received=6, stored=2, duplicate=1, shed=2, revisions=1
    )
    metrics.batch(outcomes, {"city": 4, "lora": 2}, step_s=0.001, commit_s=0.004)
    metrics.batch(outcomes, {"city": 6}, step_s=0.001, commit_s=0.3)
    found = values(metrics)
    assert found["envgw_messages_received_total source=city"] == 10
    assert found["envgw_messages_stored_total"] == 4
    assert found["envgw_messages_rejected_total reason=not-json"] == 2
    assert found["envgw_messages_duplicate_total"] == 2
    assert found["envgw_messages_shed_total"] == 4
    assert found["envgw_readings_stored_total"] == 8
    assert found["envgw_revisions_total"] == 2
    assert found["envgw_transitions_total state=firing"] == 2
    assert found["envgw_commit_seconds_bucket le=0.005"] == 1
    assert found["envgw_commit_seconds_sum"] == pytest.approx(0.304)
    assert found["envgw_batch_messages_count"] == 2
    received = sum(value for key, value in found.items() if key.startswith("envgw_messages_received_total"))
    parts = ("stored", "duplicate", "shed")
    assert received == sum(found[f"envgw_messages_{part}_total"] for part in parts) + found["envgw_messages_rejected_total reason=not-json"]


def test_registries_are_apart_and_the_process_is_measured() -> None:
    one, other = Metrics(), Metrics()
    one.stored.inc(5)
    assert values(other)["envgw_messages_stored_total"] == 0
    assert values(one)["process_resident_memory_bytes"] > 0


def test_every_row_of_the_table_exists_and_nothing_else() -> None:
    """A row that no attribute uses would be a promise that is not kept."""
    exposed = {family.name for family in Metrics(process=False).registry.collect()}
    assert exposed == {metric.name.removesuffix("_total") for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_carry_units(metric: object) -> None:
    known = next(row for row in METRICS if row is metric)
    assert known.name.startswith("envgw_")
    assert known.meaning.endswith(".")
    assert (known.type == "counter") == known.name.endswith("_total")
    assert (known.type == "histogram") == bool(known.buckets)
    for unit in ("seconds", "bytes"):
        assert (known.unit == unit) == (f"_{unit}" in known.name), "base units are in the name"


def test_the_reference_is_current() -> None:
    assert Path("docs/reference/metrics.md").read_text() == reference(), "run: python -m gateway.metrics > docs/reference/metrics.md"
