"""VictoriaMetrics as a history, through `/api/v2/write`: every value arrives, read back with its own `/api/v1/export`."""

from __future__ import annotations

import time
from pathlib import Path

from tests.tools.history_servers import VictoriaMetrics
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, air_stations, running


def test_every_value_arrives(tmp_path: Path, mosquitto: Mosquitto, victoria_metrics: VictoriaMetrics) -> None:
    now = int(time.time() * 1000)
    count = 600
    site = Site(
        tmp_path / "site", mosquitto.url, stations=air_stations(2, first=7001), rules=[],
        history=[{"name": "metrics", "kind": "influxdb", "url": victoria_metrics.url, "bucket": "city"}],
    )  # fmt: skip
    with running(site):
        site.until_connected()
        messages = [air(7001 + n % 2, at_ms=now - 1000 * n, pm25=n / 4, pm10=None if n % 3 else n) for n in range(count)]
        publish_all(mosquitto.port, messages)
        assert site.until_delivered(count)["stored"] == count
        assert site.ready()[1]["history metrics"]["colour"] == "green"

    def exported(name: str, station: int) -> dict[int, float]:
        (series,) = victoria_metrics.export(f'{{__name__="{name}",station="st-{station}"}}')
        assert series["metric"]["device"] == f"an-{station}"
        assert series["metric"]["area"] == "hai-chau"
        return dict(zip(series["timestamps"], series["values"], strict=True))

    for offset, station in enumerate((7001, 7002)):
        numbers = range(offset, count, 2)
        assert exported("air_pm25", station) == {now - 1000 * n: n / 4 for n in numbers}
        assert exported("air_pm25_qc", station) == {now - 1000 * n: 1 for n in numbers}
        assert exported("air_pm10", station) == {now - 1000 * n: n for n in numbers if not n % 3}
        assert exported("air_pm10_qc", station) == {now - 1000 * n: 9 if n % 3 else 1 for n in numbers}
