"""What one message may hold at most, whatever its format. Beyond it a message is refused whole: wrong-shape or too-deep."""

from __future__ import annotations

MAX_DEPTH = 16
"""Deepest nesting of objects and arrays that is taken in, the message itself counted."""
MAX_RECORDS = 2_000
"""Lines, SenML instants, Sparkplug timestamps … of one message."""
MAX_VALUES = 5_000
"""Values (pairs) of one message, over all its records."""
