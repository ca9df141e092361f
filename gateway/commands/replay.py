"""`envgw replay --station`: what would change, the question, and the change."""

from __future__ import annotations

import json
import sys
from typing import Any

from gateway.commands.client import Api
from gateway.settings import Settings

_PATH = "/api/v1/reinterpret"


def station(settings: Settings, name: str, since: str, until: str | None, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Returns the exit code: 1 when the answer to the question was no. Raises EnvgwError."""
    api = Api(settings)
    body: dict[str, Any] = {"station": name, "since": since, "until": until or "now", "apply": False}
    if yes and not dry_run:
        found = api.post(_PATH, {**body, "apply": True})
        _tell(found, as_json)
        return 0
    found = api.post(_PATH, body)
    _tell(found, as_json)
    if dry_run or not found["lines"]:
        return 0
    if not _asked(f"write {found['lines']} lines to the histories? [y/N] "):
        print("nothing was written", file=sys.stderr)
        return 1
    # Relative times mean the same instants as when they were shown.
    _tell(api.post(_PATH, {"station": name, "since": found["since"], "until": found["until"], "apply": True}), as_json)
    return 0


def _asked(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "c", "có", "co")


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    done = "written" if found["written"] else "would be written"
    print(
        f"{found['station']}, {found['since']} to {found['until']}: {found['messages']} messages read again, {found['lines']} lines {done}"
    )
    for row in found["parameters"]:
        different = {key: row[key] for key in ("changed", "reflagged", "added", "withdrawn") if row[key]}
        if not different:
            print(f"  {row['parameter']:<16} {row['readings']:>8} readings, none differs")
            continue
        shift = "" if row["mean_shift"] is None else f"  mean {row['mean_before']:.4g} -> {row['mean_after']:.4g} {row['unit']}"
        what = ", ".join(f"{count} {name}" for name, count in different.items())
        print(f"  {row['parameter']:<16} {row['readings']:>8} readings, {what}{shift}  {row['first']} to {row['last']}")
    if found["left_rejected"]:
        print(f"  {found['left_rejected']} messages that were rejected could be read now: envgw replay --reason … takes them in")
