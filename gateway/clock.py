"""The one place where the shell asks what time it is.

The demo runs on its own clock (a day in six minutes): the same object is handed to the pipeline and to the
simulator, so that devices, timers and windows agree about `now`.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Wall-clock milliseconds since the Unix epoch, optionally running at `speed` from `start_ms`.

    With the defaults it is the real clock, and steps with it (the pipeline notices jumps against `monotonic_ms`
    and journals them). With `start_ms` or `speed` it is derived from the monotonic clock and never jumps.
    """

    def __init__(
        self,
        *,
        start_ms: int | None = None,
        speed: float = 1.0,
        running: bool = True,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"clock speed must be above 0, not {speed}")
        self.speed = speed
        self._wall = wall
        self._monotonic = monotonic
        self._origin: float | None = monotonic() if running else None
        self._start_ms = start_ms
        if start_ms is None and speed != 1.0:
            self._start_ms = int(wall() * 1000)
        if not running and self._start_ms is None:
            raise ValueError("only a clock with a start of its own can be held back: the real one runs")

    def start(self) -> None:
        """Let a clock run that was made with `running=False`; until then it shows its start. Idempotent."""
        if self._origin is None:
            self._origin = self._monotonic()

    def now_ms(self) -> int:
        """Current time in ms since the epoch."""
        if self._start_ms is None:
            return int(self._wall() * 1000)
        return self._start_ms + self._elapsed_ms()

    def monotonic_ms(self) -> int:
        """Monotonic milliseconds on this clock's own scale (speed applied)."""
        return int(self._monotonic() * 1000) if self._start_ms is None else self._elapsed_ms()

    def _elapsed_ms(self) -> int:
        return 0 if self._origin is None else int((self._monotonic() - self._origin) * 1000 * self.speed)

    def real_seconds(self, ms: int) -> float:
        """How many real seconds `ms` of this clock take (for sleeping)."""
        return ms / 1000 / self.speed
