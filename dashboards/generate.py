"""Writes every dashboard as JSON into dashboards/json, where Grafana's provisioning and `envgw dashboards push` read it.

Those that ask a Prometheus go to dashboards/prometheus: only `push --prometheus` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import air_station, alerts, city_now, gateway_board, gateway_prometheus, quality, ward_report, water_station
from dashboards.lint import problems
from dashboards.stored import FOLDER, PROMETHEUS_FOLDER
from dashboards.words import LANGUAGES, Language

BOARDS: dict[str, Callable[[Language], Any]] = {
    city_now.NAME: city_now.build,
    air_station.NAME: air_station.build,
    water_station.NAME: water_station.build,
    alerts.NAME: alerts.build,
    quality.NAME: quality.build,
    gateway_board.NAME: gateway_board.build,
    ward_report.NAME: ward_report.build,
}
PROMETHEUS_BOARDS: dict[str, Callable[[Language], Any]] = {gateway_prometheus.NAME: gateway_prometheus.build}


class Unsound(ValueError):
    """A dashboard breaks a rule of `dashboards.lint`: a fault of ours."""


def generated(boards: Mapping[str, Callable[[Language], Any]] = BOARDS) -> dict[str, str]:
    """File name → text, for every dashboard in every language. Raises Unsound."""
    texts = {}
    for name, build in boards.items():
        for language in LANGUAGES:
            text = json.dumps(build(language), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
            found = problems(json.loads(text))
            if found:
                raise Unsound(f"{name}.{language}: " + "; ".join(found))
            texts[f"{name}.{language}.json"] = text
    return texts


def write_all() -> list[Path]:
    """Write all where the package keeps them; returns what changed."""
    return write(FOLDER) + write(PROMETHEUS_FOLDER, PROMETHEUS_BOARDS)


def write(folder: Path, boards: Mapping[str, Callable[[Language], Any]] = BOARDS) -> list[Path]:
    """Write what changed, and remove languages of these dashboards that are no more; returns both."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = generated(boards)
    changed = [folder / name for name, text in texts.items() if not (folder / name).exists() or (folder / name).read_text("utf-8") != text]
    for path in changed:
        path.write_text(texts[path.name], "utf-8")
    gone = [path for path in sorted(folder.glob("*.json")) if path.name not in texts and path.name.split(".")[0] in boards]
    for path in gone:
        path.unlink()
    return changed + gone
