"""`python -m dashboards`: writes every dashboard as JSON into dashboards/json, where Grafana's provisioning reads it."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import city_now
from dashboards.words import LANGUAGES

FOLDER = Path(__file__).parent / "json"


def generated() -> dict[str, str]:
    """File name → text, for every dashboard in every language."""
    boards = {f"city-now.{language}.json": city_now.build(language) for language in LANGUAGES}
    return {name: json.dumps(board, cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n" for name, board in boards.items()}


def main(folder: Path = FOLDER) -> list[Path]:
    """Write what changed; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = [
        folder / name for name, text in generated().items() if not (folder / name).exists() or (folder / name).read_text("utf-8") != text
    ]
    for path in changed:
        path.write_text(generated()[path.name], "utf-8")
    return changed


if __name__ == "__main__":
    for path in main():
        print(path)
