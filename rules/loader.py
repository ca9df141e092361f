"""The shipped rules (`rules/library/*.yaml`), and `use:`: a rule of one's own that begins with a shipped one.

    rules:
      - use: pm25-smoke
        where: {area: "hai-chau/*"}
        levels: {critical: {when: "avg(pm25, 1h) > 200"}, warning: off}
        mode: shadow

What is written replaces what the library says: `where`, `mode` and so on as a whole, `name` and `advice` language by language, `levels`
severity by severity and word by word (`off` takes a severity away). Without an `id` of its own the rule has the library's.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

from devices.problems import did_you_mean


class UseError(ValueError):
    """`use:` cannot be followed. `key` is where in the rule it is wrong."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@cache
def library() -> dict[str, dict[str, Any]]:
    """Id → rule as it stands in the shipped files, `file` added; in the order of the files."""
    folder = resources.files("rules").joinpath("library")
    found = {}
    for name in sorted(item.name for item in folder.iterdir() if item.name.endswith(".yaml")):
        for rule in yaml.safe_load(folder.joinpath(name).read_text("utf-8"))["rules"]:
            found[rule["id"]] = {**rule, "file": name}
    return found


def expand(item: Any) -> Any:
    """A rule with its `use:` followed; anything else as it is. Raises UseError."""
    if not isinstance(item, dict) or "use" not in item:
        return item
    name = item["use"]
    base = library().get(name) if isinstance(name, str) else None
    if base is None:
        raise UseError(
            "use", f"no rule {name!r} in the library{did_you_mean(str(name), library())}; `envgw rules list --library` shows them"
        )
    rule = {key: value for key, value in base.items() if key != "file"}
    for key, value in item.items():
        if key == "levels":
            rule[key] = _levels(rule[key], value)
        elif key in ("name", "advice") and isinstance(value, dict):
            rule[key] = {**rule.get(key, {}), **value}
        elif key != "use":
            rule[key] = value
    return rule


def _levels(base: dict[str, Any], own: Any) -> Any:
    if not isinstance(own, dict):
        return own
    levels: dict[str, Any] = dict(base)
    for severity, level in own.items():
        if level in ("off", False):  # YAML reads `off` as false
            if severity not in levels:
                raise UseError("levels", f"the library's rule has no level {severity!r} to take away: it has {', '.join(base)}")
            del levels[severity]
        elif isinstance(level, dict):
            kept = dict(levels.get(severity, {}))
            if "when" in level and "clear" not in level:
                kept.pop("clear", None)  # the old clear line belongs to the old condition
            levels[severity] = {**kept, **level}
        else:
            levels[severity] = level
    return levels
