"""What `envgw doctor` and `envgw history setup` say: one line each, with what to do where something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How it is with one thing that was looked at."""

    OK = "ok"
    DONE = "done"
    """It was not so, and has been made so just now."""
    WARNING = "warning"
    """It works; somebody should know."""
    WRONG = "wrong"
    """It does not work until somebody does what the line says."""


class Topic(StrEnum):
    """What can be looked at alone."""

    CONFIG = "config"
    LEDGER = "ledger"
    GATEWAY = "gateway"
    BROKERS = "brokers"
    HISTORY = "history"


class Finding(NamedTuple):
    """One line. `part` is what was looked at (`history city`, `broker docks`), `check` which property of it."""

    part: str
    check: str
    state: State
    says: str
    do: str = ""
    """What to do; empty if nothing is to be done."""


def all_right(findings: Iterable[Finding]) -> bool:
    """False if something is wrong: the command then ends with 1."""
    return not any(finding.state is State.WRONG for finding in findings)
