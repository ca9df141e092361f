"""The two ways in which giving something to somebody else can fail, and what the caller does about each.

DeliveryError
├── Retryable(reason, after_s)   try again: the other side is down, busy, or does not know us (yet)
└── Permanent(reason)            never try this one again: set it aside with the reason, go on with the next
"""

from __future__ import annotations


class EnvgwError(Exception):
    """Base of the errors that an operator sees: the text says what is wrong, where, and what to do."""


class DeliveryError(EnvgwError):
    """Something could not be delivered. `reason` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retryable(DeliveryError):
    """Try again later; not before `after_s` seconds if the other side asked for it.

    `red` says that only a person can mend it (401, 403, unknown bucket): readiness turns red at once, and the
    lane waits without losing anything.
    """

    def __init__(self, reason: str, *, after_s: float | None = None, red: bool = False) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.red = red


class Permanent(DeliveryError):
    """This one will never be accepted: set aside with the reason."""
