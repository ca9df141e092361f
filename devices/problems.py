"""What is wrong in a configuration, and where: found in plain data, shown to the operator as `file:line`.

The pure packages do not know files. They say *where in the data* a problem is (a path of keys and indices); the
configuration loader, which read the data, knows which file and line that path stands for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import ValidationError

DataPath = tuple[str | int, ...]


class ConfigProblem(NamedTuple):
    """One thing that is wrong: `path` in the data, e.g. `("stations", 3, "devices", 0, "type")`, and what to do."""

    path: DataPath
    message: str

    def under(self, *prefix: str | int) -> ConfigProblem:
        """The same problem in data that stands under `prefix`."""
        return ConfigProblem(prefix + self.path, self.message)

    def __str__(self) -> str:
        where = ".".join(str(step) for step in self.path) or "configuration"
        return f"{where}: {self.message}"


class ConfigError(ValueError):
    """A configuration cannot be used. `problems` holds all that was found, never only the first."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


_KINDER = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
}


def from_pydantic(error: ValidationError, prefix: DataPath = ()) -> list[ConfigProblem]:
    """Every error of a pydantic validation, with its path under `prefix`. The offending input is never repeated (it may be a secret)."""
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        message = _KINDER.get(item["type"], item["msg"].removeprefix("Value error, "))
        # `step:…` is the name of an alternative of a union (devices.codecs.model.Step), not a place in the data.
        place = tuple(step for step in item["loc"] if not str(step).startswith("step:"))
        if item["type"] == "missing" and place:
            message = f"`{place[-1]}` {message}"  # it has no line of its own that would name it
        found.append(ConfigProblem(prefix + place, message))
    return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'pm25'?"` when something known looks like `name`, else an empty text."""
    close: Sequence[str] = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
