"""QoS 0 has no back-pressure: at the limit messages are shed, counted, and readiness turns red (semantics B3)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, running


def test_B3_shed_messages_are_counted_and_turn_readiness_red(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(
        tmp_path / "site", mosquitto.url, limits={"qos0_queue": 50},
        subscriptions=[{"topic": "sensors/air/+", "type": "air-node", "qos": 0}],
    )  # fmt: skip
    with running(site):
        site.until_connected()
        assert site.ready()[0]
        lock = sqlite3.connect(site.data / "ledger.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")  # nothing can be committed
        publish_all(mosquitto.port, [air(1 + n % 3, pm25=n) for n in range(400)], qos=0)
        parts = site.until_ready(lambda ready, parts: not ready and "inbox" in parts)
        assert parts["inbox"]["colour"] == "red"
        assert "qos 1" in parts["inbox"]["reason"]
        assert site.status()["shed"] == 0, "what is not committed is not shown"
        lock.execute("ROLLBACK")
        lock.close()
        status = site.until(lambda s: s["received"] == 400 and not any(s["pending"].values()))
        assert status["shed"] > 300 - 50
        assert status["stored"] + status["shed"] == 400
        assert len(site.rows(parameter="pm25")) == status["stored"]
        ready, parts = site.ready()
        assert not ready, "it stays red for a while: somebody must see it"
        assert f"envgw_messages_shed_total {float(status['shed'])}" in site.get("/metrics").text
