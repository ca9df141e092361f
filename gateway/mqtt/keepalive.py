"""PINGREQ, PINGRESP and their two uses: a broker that hangs is noticed, and a drained backlog is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.mqtt.drain import DrainProbe


class KeepAlive:
    """The pings of one connection.

    A PINGREQ goes out every three quarters of the keep-alive whatever else is sent: that keeps the broker content and
    asks for a sign of life in one. Any byte from the broker counts as one, because the answer may be behind much
    else. While the socket is not read (`hold`) pings go on and no answer is expected.
    """

    def __init__(
        self,
        interval_s: float,
        *,
        send: Callable[[], None],
        delivered: Callable[[], int],
        acknowledged: Callable[[], int],
        on_drained: Callable[[], None],
        on_dead: Callable[[str], None],
    ) -> None:
        """`interval_s` is the MQTT keep-alive (0: none). `send` writes a PINGREQ; `delivered` and `acknowledged` count
        this connection's messages with an acknowledgement; `on_drained` is called once, `on_dead` with the reason."""
        self.interval_s = interval_s
        self._send = send
        self._delivered = delivered
        self._acknowledged = acknowledged
        self._on_drained = on_drained
        self._on_dead = on_dead
        self._loop = asyncio.get_running_loop()
        self._probe = DrainProbe()
        self._asked_at: float | None = None
        self._held = False
        self._watching = False
        self._stopped = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """The broker has accepted us."""
        self._later("next", self.interval_s * 0.75, self.ping)

    def watch_backlog(self) -> None:
        """We are subscribed: from now on ask until the backlog is drained."""
        self._watching = True
        self.ping()

    def stop(self) -> None:
        """The connection is gone."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def ping(self) -> None:
        """Send a PINGREQ, unless the last one is not answered yet."""
        self._later("next", self.interval_s * 0.75, self.ping)
        if self._held:
            self._send()
        elif self._asked_at is None:
            self._asked_at = self._loop.time()
            self._probe.sent(self._acknowledged())
            self._later("dead", self._patience_s(), self._check)
            self._send()

    def heard(self) -> None:
        """Something came from the broker."""
        if self._asked_at is not None:
            self._asked_at = self._loop.time()
        self._probe.outstanding(self._delivered() - self._acknowledged())

    def pong(self) -> None:
        """A PINGRESP came. Call it after the messages in front of it are counted."""
        if self._asked_at is None:
            return  # the answer to one that was sent while the socket was not read
        self._asked_at = None
        self._cancel("dead")
        if not self._watching:
            return
        if self._probe.answered(self._delivered()):
            self._watching = False
            self._on_drained()
        else:
            self._later("probe", DrainProbe.INTERVAL_S, self.ping)

    def hold(self) -> None:
        """The socket is not read from now on."""
        self._held = True
        self._asked_at = None
        self._cancel("dead")

    def release(self) -> None:
        """The socket is read again."""
        self._held = False
        self.ping()

    def _patience_s(self) -> float:
        return max(1.0, self.interval_s or 60.0)

    def _check(self) -> None:
        if self._asked_at is None:
            return
        quiet = self._loop.time() - self._asked_at
        if quiet < self._patience_s() * 0.99:
            self._later("dead", self._patience_s() - quiet, self._check)
        else:
            self._on_dead(f"the broker has not answered a PINGREQ for {quiet:.0f} s")

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._cancel(name)
        if not self._stopped and seconds > 0:
            self._timers[name] = self._loop.call_later(seconds, call)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
