"""When the backlog that a broker kept for us has been taken in (semantics E5).

Brokers answer in order. A probe (a PINGREQ, or for 3.1.1 an UNSUBSCRIBE of a filter that nobody has) is behind
all our earlier acknowledgements when the broker reads it, and its answer is behind all messages that the broker
had sent by then. So, between the two, the broker's window of messages under way held

    window = delivered before the answer − acknowledged before the probe.

As long as the broker still has a backlog, that window is full: as large as any window can be. If it is empty, or
smaller than one that was seen before on this connection, there was room, so nothing was waiting: drained. This
works under full live traffic, where the socket is never idle, and without knowing the broker's own limit
(mosquitto 20 by default, iotcore always 100, else our Receive Maximum).
"""

from __future__ import annotations


class DrainProbe:
    """The verdict over the probes of one connection. Two in a row must say drained: iotcore may answer early."""

    __slots__ = ("_acknowledged", "_largest", "_positive")

    NEEDED = 2
    INTERVAL_S = 0.05

    def __init__(self) -> None:
        self._acknowledged = 0
        self._largest = 0
        self._positive = 0

    def outstanding(self, count: int) -> None:
        """So many messages are under way (delivered and not acknowledged) right now."""
        if count > self._largest:
            self._largest = count

    def sent(self, acknowledged: int) -> None:
        """A probe goes out, after so many acknowledgements on this connection."""
        self._acknowledged = acknowledged

    def answered(self, delivered: int) -> bool:
        """Its answer is here, after so many deliveries on this connection: whether the backlog is drained."""
        window = delivered - self._acknowledged
        if window == 0 or window < self._largest:
            self._positive += 1
        else:
            self._positive = 0
            self._largest = window
        return self._positive >= self.NEEDED
