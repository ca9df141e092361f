"""From nothing to a running gateway with `envgw history setup` and `envgw doctor`, and what doctor says when a server dies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tools.history_servers import Influxd
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, running


def doctor(site: Site, *arguments: str, expect: int = 0) -> dict[str, list[str]]:
    """Part → states of its lines."""
    document: dict[str, Any] = json.loads(site.cli("doctor", *arguments, "--json", expect=expect))
    found: dict[str, list[str]] = {}
    for line in document["findings"]:
        found.setdefault(line["part"], []).append(line["state"])
    return found


def test_setup_run_and_a_server_that_dies(tmp_path: Path, mosquitto: Mosquitto, make_influxd: Callable[..., Influxd]) -> None:
    influx = make_influxd().start()
    section = {"name": "city", "kind": "influxdb", "api": "v1", "url": influx.url, "bucket": "readings", "timeout": "1s"}
    site = Site(tmp_path / "site", mosquitto.url, history=[section, {"name": "local", "kind": "duckdb"}])
    assert "wrong" in doctor(site, "history", expect=1)["history city"]
    assert "done     history city" in site.cli("history", "setup")
    assert "done" not in site.cli("history", "setup")
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [air(1, pm25=5)])
        site.until_delivered(1)
        found = doctor(site)
        assert set(found) == {"config", "ledger", "gateway", "broker city", "history city", "history local"}
        assert all(states <= {"ok", "warning"} for states in map(set, found.values())), found
        assert set(found["history city"]) == set(found["gateway"]) == {"ok"}
        influx.kill()
        found = doctor(site, "history", expect=1)
        assert found["history city"] == ["wrong"]
        assert set(found["history local"]) == {"ok"}
