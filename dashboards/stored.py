"""The dashboards as they are shipped: JSON files, one for each dashboard and language. Reading them needs no library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "json"
PROMETHEUS_FOLDER = Path(__file__).parent / "prometheus"
"""Those that ask a Prometheus: not provisioned with the others, because not every city has one."""
PROVISIONED_UID = "envgw-influxql"
"""The data source of deploy/grafana/provisioning, which dashboards begin with unless the page chooses another."""
PROVISIONED_NAME = "envgw"


class NoDashboards(ValueError):
    """The folder holds none, or something that is none. The text says what to do."""


def read(folder: Path = FOLDER, languages: tuple[str, ...] = ("vi", "en")) -> dict[str, dict[str, Any]]:
    """File name → dashboard, of these languages, in order of name. Raises NoDashboards."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        if path.suffixes[0].removeprefix(".") not in languages:
            continue
        try:
            board = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise NoDashboards(f"{path} is not JSON ({error}): write it anew with `envgw dashboards build --to {folder}`") from None
        if not isinstance(board, dict) or not board.get("uid") or not board.get("title"):
            raise NoDashboards(f"{path} is no dashboard: it has no `uid` or no `title`")
        found[path.name] = board
    if not found:
        raise NoDashboards(f"no dashboards in {folder}: write them with `envgw dashboards build --to {folder}`")
    return found
