"""A folder with a configuration, and the command run in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app

REGISTRY = """\
# Stations of the city.
stations:
  - id: bach-dang
    name: {vi: "Bạch Đằng", en: "Bach Dang"}
    lat: 16.0678
    lon: 108.2208
    area: hai-chau/binh-hien   # since July 2025
    medium: air
    devices:
      - {id: an-01, type: air-node, topics: [sensors/air/an-01], from: 2026-01-01}
"""


class Place:
    """envgw.yaml, stations.yaml and whatever a test adds."""

    def __init__(self, folder: Path, registry: str = REGISTRY, **sections: Any) -> None:
        self.folder = folder
        self.registry = folder / "stations.yaml"
        self.registry.write_text(registry, "utf-8")
        settings = {
            "gateway": {"data_dir": "data"},
            "brokers": [
                {
                    "name": "city",
                    "url": "mqtt://127.0.0.1:1",
                    "subscriptions": [{"topic": "sensors/air/+", "type": "air-node"}, {"topic": "sensors/met/+", "type": "met-node"}],
                }
            ],
            "stations": ["stations.yaml"],
            **sections,
        }
        (folder / "envgw.yaml").write_text(yaml.safe_dump(settings))

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def run(self, *arguments: str, expect: int = 0) -> Result:
        found = CliRunner().invoke(app, [*arguments, "--config", str(self.folder / "envgw.yaml")])
        assert found.exit_code == expect, (found.output, found.exception)
        return found
