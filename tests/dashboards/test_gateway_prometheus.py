"""The dashboard for a Prometheus asks for metrics that the gateway has, with labels that they have."""

from __future__ import annotations

import re

import pytest

from dashboards import stored
from dashboards.gateway_prometheus import NAME
from dashboards.lint import queried
from gateway.metrics import METRICS

BOARD = stored.read(stored.PROMETHEUS_FOLDER)[f"{NAME}.en.json"]
TARGETS = [target for panel in queried(BOARD) for target in panel["targets"]]
KNOWN = {metric.name: metric for metric in METRICS}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"])
def test_the_metric_exists_and_has_the_labels(target: dict[str, str]) -> None:
    (name,) = re.findall(r"\b((?:envgw|process)_\w+)\{", target["expr"])
    if name.startswith("process_"):
        assert name == "process_resident_memory_bytes", "a standard one of prometheus_client"
        return
    metric = KNOWN[name.removesuffix("_bucket")]
    assert (metric.type == "histogram") == name.endswith("_bucket")
    assert (metric.type == "counter") == (name.endswith("_total") and "rate(" in target["expr"])
    labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) | set(re.findall(r"by \(instance, (\w+)\)", target["expr"]))
    assert labels - {"instance", "le"} <= set(metric.labels)


def test_gateways_are_found_by_a_metric_that_each_has() -> None:
    (variable,) = [one for one in BOARD["templating"]["list"] if one["type"] == "query"]
    assert variable["query"] == "label_values(envgw_health, instance)"
    assert "envgw_health" in KNOWN


def test_it_asks_a_prometheus() -> None:
    assert {target["datasource"]["type"] for target in TARGETS} == {"prometheus"}
    assert BOARD["templating"]["list"][0]["query"] == "prometheus"
