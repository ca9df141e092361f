"""What one input may cost a reader, whoever feeds it."""

MAX_SECONDS = 0.05
"""CPU for an input of at most LONGEST bytes."""
MAX_BYTES = 10_000_000
"""Memory for the same."""
LONGEST = 65_536
