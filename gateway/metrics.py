"""The gateway's metrics for Prometheus: one table that says what each means, and the object that holds their values.

Counters only grow, from 0 at each start (Prometheus expects that); `envgw status` shows the ledger's totals. They are
updated once a batch, never once a message. `docs/reference/metrics.md` is made from the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from gateway.core.accounted import OWN_MEDIUM
from gateway.core.outcomes import Outcomes

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """One row of the table. `unit` is the base unit of the value; `buckets` are upper bounds in that unit."""

    name: str
    type: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_COUNTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)

METRICS: tuple[Metric, ...] = (
    Metric("envgw_messages_received_total", "counter", "messages", ("source",), "Messages taken in and committed, by broker."),
    Metric("envgw_messages_stored_total", "counter", "messages", (), "Messages with at least one reading stored."),
    Metric("envgw_messages_rejected_total", "counter", "messages", ("reason",), "Messages rejected, by reason (see rejections)."),
    Metric("envgw_messages_duplicate_total", "counter", "messages", (), "Messages that were there already."),
    Metric(
        "envgw_messages_shed_total", "counter", "messages", (), "QoS 0 messages dropped at the inbox limit. Anything above 0 lost data."
    ),
    Metric("envgw_readings_stored_total", "counter", "readings", (), "Values stored, missing ones (flag 9) included."),
    Metric("envgw_revisions_total", "counter", "readings", (), "Readings that replaced an earlier value of the same time."),
    Metric("envgw_transitions_total", "counter", "transitions", ("state",), "Alerts that became firing, unknown or resolved."),
    Metric("envgw_step_seconds", "histogram", "seconds", (), "Time of one step of the core (one batch).", _SECONDS),
    Metric("envgw_commit_seconds", "histogram", "seconds", (), "Time of one commit of the ledger, fsync included.", _SECONDS),
    Metric("envgw_batch_messages", "histogram", "messages", (), "Messages in one step and one commit.", _COUNTS),
    Metric("envgw_commit_failures_total", "counter", "commits", (), "Commits that failed and were tried again unchanged."),
    Metric("envgw_lane_backlog_lines", "gauge", "lines", ("lane",), "Lines that wait for a history or receiver lane."),
    Metric("envgw_lane_written_lines_total", "counter", "lines", ("lane",), "Lines that a history has taken."),
    Metric("envgw_lane_retries_total", "counter", "tries", ("lane",), "Writes that failed and are tried again."),
    Metric("envgw_lane_refused_lines_total", "counter", "lines", ("lane",), "Lines that a history refused for good; they are set aside."),
    Metric("envgw_receiver_backlog_messages", "gauge", "messages", ("receiver",), "Notifications that wait for a receiver."),
    Metric("envgw_receiver_delivered_total", "counter", "messages", ("receiver",), "Notifications delivered."),
    Metric("envgw_receiver_retries_total", "counter", "tries", ("receiver",), "Deliveries that failed and are tried again."),
    Metric("envgw_receiver_undelivered_total", "counter", "messages", ("receiver",), "Notifications set aside: refused, or given up."),
    Metric(
        "envgw_receiver_delay_seconds",
        "histogram",
        "seconds",
        ("receiver",),
        "From an alert's commit to its delivery.",
        (0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0),
    ),
    Metric("envgw_source_connected", "gauge", "1 or 0", ("source",), "1 while the broker is connected and its backlog drained."),
    Metric("envgw_source_unacknowledged", "gauge", "messages", ("source",), "Messages received and not yet acknowledged."),
    Metric("envgw_source_reconnects_total", "counter", "connections", ("source",), "Connections made again after one was lost."),
    Metric("envgw_source_sessions_lost_total", "counter", "sessions", ("source",), "How often a broker had forgotten our session."),
    Metric("envgw_alerts_firing", "gauge", "alerts", ("severity",), "Open alerts, those whose data stopped included."),
    Metric("envgw_events_clients", "gauge", "clients", (), "Clients of the live event stream."),
    Metric("envgw_events_disconnected_total", "counter", "clients", (), "Event stream clients disconnected because they were too slow."),
    Metric("envgw_health", "gauge", "0, 1 or 2", (), "Health of the whole gateway: 0 green, 1 yellow, 2 red."),
    Metric("envgw_health_part", "gauge", "0, 1 or 2", ("part",), "Health of one part, as in /readyz."),
    Metric("envgw_ledger_bytes", "gauge", "bytes", (), "Size of the ledger's files."),
    Metric("envgw_disk_free_bytes", "gauge", "bytes", (), "Free space on the ledger's disk."),
)

_BY_NAME = {metric.name: metric for metric in METRICS}


class Metrics:
    """The values. One registry an instance, so that two gateways (or tests) in one process do not share them."""

    def __init__(self, *, process: bool = True) -> None:
        self.registry = CollectorRegistry()
        self.received = self._counter("envgw_messages_received_total")
        self.stored = self._counter("envgw_messages_stored_total")
        self.rejected = self._counter("envgw_messages_rejected_total")
        self.duplicate = self._counter("envgw_messages_duplicate_total")
        self.shed = self._counter("envgw_messages_shed_total")
        self.readings = self._counter("envgw_readings_stored_total")
        self.revisions = self._counter("envgw_revisions_total")
        self.transitions = self._counter("envgw_transitions_total")
        self.step_seconds = self._histogram("envgw_step_seconds")
        self.commit_seconds = self._histogram("envgw_commit_seconds")
        self.batch_messages = self._histogram("envgw_batch_messages")
        self.commit_failures = self._counter("envgw_commit_failures_total")
        self.lane_backlog = self._gauge("envgw_lane_backlog_lines")
        self.lane_written = self._counter("envgw_lane_written_lines_total")
        self.lane_retries = self._counter("envgw_lane_retries_total")
        self.lane_refused = self._counter("envgw_lane_refused_lines_total")
        self.receiver_backlog = self._gauge("envgw_receiver_backlog_messages")
        self.receiver_delivered = self._counter("envgw_receiver_delivered_total")
        self.receiver_retries = self._counter("envgw_receiver_retries_total")
        self.receiver_undelivered = self._counter("envgw_receiver_undelivered_total")
        self.receiver_delay = self._histogram("envgw_receiver_delay_seconds")
        self.source_connected = self._gauge("envgw_source_connected")
        self.source_unacknowledged = self._gauge("envgw_source_unacknowledged")
        self.source_reconnects = self._counter("envgw_source_reconnects_total")
        self.source_sessions_lost = self._counter("envgw_source_sessions_lost_total")
        self.alerts_firing = self._gauge("envgw_alerts_firing")
        self.events_clients = self._gauge("envgw_events_clients")
        self.events_disconnected = self._counter("envgw_events_disconnected_total")
        self.health = self._gauge("envgw_health")
        self.health_part = self._gauge("envgw_health_part")
        self.ledger_bytes = self._gauge("envgw_ledger_bytes")
        self.disk_free_bytes = self._gauge("envgw_disk_free_bytes")
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)

    def batch(self, outcomes: Outcomes, received: Mapping[str, int], step_s: float, commit_s: float) -> None:
        """Count one committed batch: its outcomes, messages received by source, and how long step and commit took."""
        for source, count in received.items():
            self.received.labels(source).inc(count)
        self.stored.inc(outcomes.stored)
        self.duplicate.inc(outcomes.duplicate)
        self.shed.inc(outcomes.shed)
        self.revisions.inc(outcomes.revisions)
        self.readings.inc(sum([len(line.values) for line in outcomes.lines if line.medium != OWN_MEDIUM]))
        for rejected in outcomes.rejections:
            self.rejected.labels(rejected.reason).inc()
        for transition in outcomes.transitions:
            self.transitions.labels(transition.state).inc()
        self.step_seconds.observe(step_s)
        self.commit_seconds.observe(commit_s)
        if outcomes.received:
            self.batch_messages.observe(outcomes.received)

    def text(self) -> bytes:
        """The exposition, in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)

    def _counter(self, name: str) -> Counter:
        return cast(Counter, self._make(name, "counter"))

    def _gauge(self, name: str) -> Gauge:
        return cast(Gauge, self._make(name, "gauge"))

    def _histogram(self, name: str) -> Histogram:
        return cast(Histogram, self._make(name, "histogram"))

    def _make(self, name: str, kind: str) -> Counter | Gauge | Histogram:
        metric = _BY_NAME[name]
        if metric.type != kind:
            raise TypeError(f"{name} is a {metric.type} in the table, not a {kind}")
        if metric.type == "counter":
            return Counter(name, metric.meaning, metric.labels, registry=self.registry)
        if metric.type == "gauge":
            return Gauge(name, metric.meaning, metric.labels, registry=self.registry)
        return Histogram(name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets)


def reference() -> str:
    """`docs/reference/metrics.md`: the table for people. `python -m gateway.metrics > docs/reference/metrics.md`."""
    lines = [
        "# Metrics",
        "",
        "What `/metrics` shows, in Prometheus' text format. Made from `gateway/metrics.py` by `python -m gateway.metrics`; do not edit.",
        "",
        "Counters start at 0 with the process and only grow. Histograms have `_bucket`, `_sum` and `_count` series.",
        "Beside these there are the usual `process_*` and `python_*` metrics of the Prometheus client.",
        "",
        "| Name | Type | Unit | Labels | Meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.type} | {metric.unit} | {labels} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
