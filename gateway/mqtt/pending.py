"""Deliveries of one source, over all its connections, that the pipeline has not acknowledged yet."""

from __future__ import annotations

from collections import deque

from gateway.mqtt.source import Delivery, SourceHealth

MAX_PENDING_BYTES = 128 * 1024**2
"""Bytes as read from the socket that may wait for their commit, per source; above it the socket is not read."""


class PendingCount:
    """Bounds what a source may have in the inbox and the pipeline: `limit` messages, `limit_bytes` as read.

    The pipeline acknowledges every delivery, in order, also those of connections that are gone; so counting from the
    left is exact.
    """

    __slots__ = ("_chunks", "_health", "bytes", "count", "limit", "limit_bytes")

    def __init__(self, health: SourceHealth, limit: int, limit_bytes: int) -> None:
        self._health = health
        self.limit = limit
        self.limit_bytes = limit_bytes
        self.count = 0
        self.bytes = 0
        self._chunks: deque[list[int]] = deque()

    def add(self, count: int, size: int) -> None:
        """One socket read of `size` bytes brought `count` messages that have to be acknowledged."""
        if count:
            self.count += count
            self.bytes += size
            self._chunks.append([count, size])
            self._health.unacknowledged = self.count

    def acknowledged(self, deliveries: list[Delivery]) -> None:
        """These are done with."""
        left = len([1 for delivery in deliveries if delivery[0].qos])
        self.count -= left
        self._health.unacknowledged = self.count
        while left and self._chunks:
            first = self._chunks[0]
            if first[0] > left:
                first[0] -= left
                return
            left -= first[0]
            self.bytes -= first[1]
            self._chunks.popleft()

    def full(self) -> bool:
        """Whether no more may be read for now."""
        return self.count >= self.limit or self.bytes > self.limit_bytes
