"""Brings the gauges up to date from the running gateway, when Prometheus asks. Counters of lanes and sources follow them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from prometheus_client import Counter

from gateway.health import overall

if TYPE_CHECKING:
    from gateway.app import Gateway


def update(gateway: Gateway) -> None:
    """Cheap enough for every scrape: no ledger query, no lock."""
    metrics = gateway.metrics
    for lane in gateway.history_lanes:
        metrics.lane_backlog.labels(lane.name).set(lane.health.backlog_lines)
        _follow(metrics.lane_written.labels(lane.name), lane.health.written_lines)
        _follow(metrics.lane_retries.labels(lane.name), lane.health.retries)
        _follow(metrics.lane_refused.labels(lane.name), lane.health.refused_lines)
    for out in gateway.receiver_lanes:
        metrics.receiver_backlog.labels(out.name).set(out.health.backlog)
        _follow(metrics.receiver_delivered.labels(out.name), out.health.sent)
        _follow(metrics.receiver_retries.labels(out.name), out.health.retries)
        _follow(metrics.receiver_undelivered.labels(out.name), out.health.set_aside)
    for source in gateway.sources:
        health = source.health
        metrics.source_connected.labels(source.name).set(health.connected and health.drained)
        metrics.source_unacknowledged.labels(source.name).set(health.unacknowledged)
        _follow(metrics.source_reconnects.labels(source.name), health.reconnects)
        _follow(metrics.source_sessions_lost.labels(source.name), health.sessions_lost)
    for severity, count in gateway.shown.firing.items():
        metrics.alerts_firing.labels(severity).set(count)
    metrics.events_clients.set(gateway.events.clients)
    _follow(metrics.events_disconnected, gateway.events.disconnected)
    parts = gateway.standing.parts()
    metrics.health.set(overall(parts))
    for part in parts:
        metrics.health_part.labels(part.name).set(part.colour)
    ledger = gateway.data_dir / gateway.settings.ledger.file
    metrics.ledger_bytes.set(sum(file.stat().st_size for file in ledger.parent.glob(ledger.name + "*")))
    metrics.disk_free_bytes.set(shutil.disk_usage(gateway.data_dir).free)


def _follow(counter: Counter, total: float) -> None:
    """Bring a counter up to a total that is kept elsewhere and only grows."""
    counter.inc(max(0.0, total - counter._value.get()))
