"""Sliding windows over the readings of one parameter at one station: what `avg(pm25, 1h)` looks at.

A window is `(t - length, t]` in event time (semantics C4). Readings are gathered in *buckets* of `width` ms, at most
`BUCKETS` of them whatever the reporting interval (semantics E7), aligned to the epoch; a late reading goes to its bucket.

    width = (length + reach) / SPREAD        reach: how far back a late reading may ask for the window as it was

Error. A bucket belongs to the window if its *newest* reading does. So while a bucket holds one reading (interval >= width)
every statistic is exact; else the window reaches up to one width, never more, further back than asked. Asked for a
past instant it may besides end up to one width early. Median and p95 are taken from the readings themselves as long as a bucket
holds fewer than `rules.samples.EXACT` different ones, else from values rounded by at most 1 % (2 % where one bucket holds more than
`BINS` different values, 4 % where twice that, and so on).

Memory. 8 bytes a column and bucket: 3 columns always (newest time, count, sum), 2 more for min and max, 1 for stddev, 3 for
rate, delta, first and last. A full window of averages takes 3 KB, one of all statistics but median and p95 9 KB; those
two keep 16 bytes a different reading or bin besides.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import reduce
from operator import add

import msgspec

from rules.columns import Integers, Numbers, integers, numbers
from rules.language.nodes import Statistic
from rules.samples import put_in, ranked, take_out

BUCKETS = 128
"""A window never has more (semantics E7)."""

SPREAD = 96
"""Buckets that span length and reach: the rest lets old ones be thrown away many at a time."""

REACH_LENGTHS = 3
"""A window is kept at most so many times its own length into the past."""

_EXTREMES, _SPREAD, _ENDS, _SAMPLES = 1, 2, 4, 8
_NEEDS: dict[str, int] = {
    "min": _EXTREMES, "max": _EXTREMES, "stddev": _SPREAD, "rate": _ENDS, "delta": _ENDS, "first": _ENDS, "last": _ENDS,
    "median": _SAMPLES, "p95": _SAMPLES,
}  # fmt: skip
BETWEEN = frozenset(("avg", "min", "max", "median", "p95", "first", "last"))
"""With one more reading, and none that leaves, these move towards that reading and not beyond it."""
ROUNDED = frozenset(("median", "p95"))
"""These may see a reading rounded."""

_HOUR_MS = 3_600_000


def parts_of(statistics: Iterable[str]) -> int:
    """What a window must keep for these statistics (sum, count and avg need nothing more than every window has)."""
    parts = 0
    for statistic in statistics:
        parts |= _NEEDS.get(statistic, 0)
    return parts


class WindowState(msgspec.Struct, array_like=True, gc=False):
    """The readings of a window, oldest bucket first. Columns that `parts` does not ask for stay empty."""

    length_ms: int
    width_ms: int
    parts: int
    edge_ms: int = -(1 << 62)
    """The newest bucket takes readings up to here."""
    head: int = 0
    """The oldest bucket that is inside the window as of the newest reading; those before are within reach."""
    count: int = 0
    """Of the buckets from `head` on; -1: `settle` must count and sum anew."""
    total: float = 0.0
    """Sum of the same."""
    leaves_ms: int = -(1 << 62)
    """Not before this does the bucket at `head` leave the window."""
    times: Integers = msgspec.field(default_factory=integers)
    """Event time of the newest reading of each bucket."""
    counts: Integers = msgspec.field(default_factory=integers)
    totals: Numbers = msgspec.field(default_factory=numbers)
    lows: Numbers = msgspec.field(default_factory=numbers)
    highs: Numbers = msgspec.field(default_factory=numbers)
    squares: Numbers = msgspec.field(default_factory=numbers)
    """Sum of squared deviations from the bucket's own mean."""
    began: Integers = msgspec.field(default_factory=integers)
    """Event time of the oldest reading of each bucket."""
    firsts: Numbers = msgspec.field(default_factory=numbers)
    lasts: Numbers = msgspec.field(default_factory=numbers)
    samples: list[Numbers] = []
    """Value, weight, value, weight … in rising order of value, for each bucket."""

    # ------------------------------------------------------------------ taking in

    def append(self, at_ms: int, value: float) -> None:
        """A reading that is not older than any before."""
        self.count = -1
        if at_ms > self.edge_ms:
            self.edge_ms = at_ms + -at_ms % self.width_ms
            self.times.append(at_ms)
            self.counts.append(1)
            self.totals.append(value)
            if self.parts:
                self._begin(len(self.times) - 1, at_ms, value)
            if len(self.times) >= BUCKETS:
                self._trim(at_ms)
        elif self.parts:
            self._join(len(self.times) - 1, at_ms, value)
        else:
            self.counts[-1] += 1
            self.totals[-1] += value
            self.times[-1] = at_ms

    def extend(self, pairs: Numbers, start: int) -> None:
        """Time, value, time, value … from `start` on, as `append` would take them one by one: the outcome is the same, bit for bit."""
        if self.parts or start == len(pairs) - 2:
            for index in range(start, len(pairs), 2):
                self.append(int(pairs[index]), pairs[index + 1])
            return
        self.count = -1
        times, counts, totals = self.times, self.counts, self.totals
        newest = pairs[-2]
        if newest <= self.edge_ms:
            found = pairs[start + 1 :: 2]  # all go to the newest bucket
            counts[-1] += len(found)
            totals[-1] = reduce(add, found, totals[-1])
            times[-1] = int(newest)
            return
        width_ms, edge_ms = self.width_ms, self.edge_ms
        for at_ms, value in zip(map(int, pairs[start::2]), pairs[start + 1 :: 2], strict=True):
            if at_ms > edge_ms:  # as in `append`
                edge_ms = at_ms + -at_ms % width_ms
                times.append(at_ms)
                counts.append(1)
                totals.append(value)
                if len(times) >= BUCKETS:
                    self._trim(at_ms)
            else:
                counts[-1] += 1
                totals[-1] += value
                times[-1] = at_ms
        self.edge_ms = edge_ms

    def insert(self, at_ms: int, value: float) -> None:
        """A reading that may be older than others. Out of reach it is forgotten."""
        times = self.times
        if not times or at_ms >= times[-1]:
            self.append(at_ms, value)
            return
        if at_ms <= times[-1] - SPREAD * self.width_ms:
            return
        index = self._bucket(at_ms)
        if index is None:
            index = bisect_left(times, at_ms)
            times.insert(index, at_ms)
            self.counts.insert(index, 1)
            self.totals.insert(index, value)
            if self.parts:
                self._begin(index, at_ms, value)
            if len(times) >= BUCKETS:
                self._trim(times[-1])
        else:
            self._join(index, at_ms, value)
        self.count = -1

    def insert_once(self, at_ms: int, value: float) -> None:
        """A reading of which nobody knows any more whether its instant was taken in before: then the value is another now.

        A bucket of several readings knows the newest of their instants (and the oldest, if it keeps ends). What is newer (or
        older) than all of them was not there: a backlog that comes in its order is taken in. Between them it stays as it is.
        """
        index = self._bucket(at_ms)
        if (
            index is None
            or at_ms > self.times[index]
            or (self.began and at_ms < self.began[index])
            or (self.counts[index] == 1 and self.times[index] != at_ms)
        ):
            self.insert(at_ms, value)
        elif self.counts[index] == 1:
            self.revise(at_ms, self.totals[index], value)

    def revise(self, at_ms: int, old: float, new: float) -> None:
        """The reading at `at_ms` is another one now. (In a bucket of several, an extreme that it was stays.)"""
        index = self._bucket(at_ms)
        if index is None or (self.counts[index] == 1 and self.times[index] != at_ms):
            return  # it was never taken in
        if self.counts[index] == 1:
            self.totals[index] = new
            for column in (self.lows, self.highs, self.firsts, self.lasts):
                if column:
                    column[index] = new
            if self.parts & _SAMPLES:
                self.samples[index] = array("d", (new, 1.0))
        else:
            self._unjoin(index, old)
            self._join(index, at_ms, new)
        self.count = -1

    def _bucket(self, at_ms: int) -> int | None:
        times, width = self.times, self.width_ms
        number = -(-at_ms // width)
        index = bisect_left(times, at_ms)
        for near in (index, index - 1):
            if 0 <= near < len(times) and -(-times[near] // width) == number:
                return near
        return None

    def _begin(self, index: int, at_ms: int, value: float) -> None:
        parts = self.parts
        if parts & _EXTREMES:
            self.lows.insert(index, value)
            self.highs.insert(index, value)
        if parts & _SPREAD:
            self.squares.insert(index, 0.0)
        if parts & _ENDS:
            self.began.insert(index, at_ms)
            self.firsts.insert(index, value)
            self.lasts.insert(index, value)
        if parts & _SAMPLES:
            self.samples.insert(index, array("d", (value, 1.0)))

    def _join(self, index: int, at_ms: int, value: float) -> None:
        """One more reading for a bucket. The running count and sum are the caller's."""
        parts = self.parts
        before = self.counts[index]
        if parts & _SPREAD:
            mean = self.totals[index] / before
            self.squares[index] += (value - mean) * (value - (self.totals[index] + value) / (before + 1))
        if parts & _EXTREMES:
            if value < self.lows[index]:
                self.lows[index] = value
            if value > self.highs[index]:
                self.highs[index] = value
        if parts & _ENDS:
            if at_ms >= self.times[index]:
                self.lasts[index] = value
            if at_ms < self.began[index]:
                self.began[index], self.firsts[index] = at_ms, value
        if parts & _SAMPLES:
            put_in(self.samples[index], value)
        self.counts[index] = before + 1
        self.totals[index] += value
        if at_ms > self.times[index]:
            self.times[index] = at_ms

    def _unjoin(self, index: int, value: float) -> None:
        left = self.counts[index] - 1
        if self.parts & _SPREAD:
            mean = (self.totals[index] - value) / left
            self.squares[index] = max(0.0, self.squares[index] - (value - mean) * (value - self.totals[index] / (left + 1)))
        if self.parts & _SAMPLES:
            take_out(self.samples[index], value)
        self.counts[index] = left
        self.totals[index] -= value

    def _trim(self, newest_ms: int) -> None:
        """Throw away what is out of reach: at least a quarter of the buckets, so that this is seldom."""
        gone = bisect_right(self.times, newest_ms - SPREAD * self.width_ms)
        for column in (
            self.times, self.counts, self.totals, self.lows, self.highs, self.squares, self.began, self.firsts, self.lasts, self.samples,
        ):  # fmt: skip
            if column:
                del column[:gone]
        self.count = -1

    def settle(self) -> None:
        """Count and sum what is in the window as of the newest reading. Of the buckets alone, so that it does not matter when."""
        if self.count < 0:
            self.head = head = bisect_right(self.times, self.times[-1] - self.length_ms)
            self.leaves_ms = self.times[head] + self.length_ms
            self.count = sum(self.counts[head:])
            self.total = math.fsum(self.totals[head:])

    def shift(self, delta_ms: int) -> None:
        """The gateway's clock was stepped: what was just now stays just now (semantics A1). Late readings may miss their bucket by one."""
        for column in (self.times, self.began):
            for index, at_ms in enumerate(column):
                column[index] = at_ms + delta_ms
        if self.times:
            self.edge_ms = self.times[-1]
            self.count = -1

    # ------------------------------------------------------------------ looking

    def value(self, statistic: Statistic, at_ms: int) -> float | None:
        """The statistic over `(at_ms - length, at_ms]`; None when too few readings are there to have one."""
        self.settle()
        times = self.times
        low, high = self.head, len(times)
        if high and at_ms < times[-1]:
            high = bisect_right(times, at_ms)
            low = bisect_right(times, at_ms - self.length_ms)
        elif at_ms >= self.leaves_ms:
            oldest = at_ms - self.length_ms
            while low < high and times[low] <= oldest:
                low += 1
        if low == self.head and high == len(times):
            count, total = self.count, self.total
        else:
            count, total = sum(self.counts[low:high]), math.fsum(self.totals[low:high])
        if statistic == "count":
            return float(count)
        if not count:
            return None
        if statistic == "avg":
            return total / count
        if statistic == "sum":
            return total
        if statistic == "max":
            return max(self.highs[low:high])
        if statistic == "min":
            return min(self.lows[low:high])
        if statistic == "last":
            return self.lasts[high - 1]
        if statistic == "first":
            return self.firsts[low]
        if statistic == "stddev":
            return self._stddev(low, high, count, total / count)
        if statistic in ("median", "p95"):
            return self._quantile(statistic, low, high, count)
        span = times[high - 1] - self.began[low]
        if span <= 0:
            return None
        delta = self.lasts[high - 1] - self.firsts[low]
        return delta if statistic == "delta" else delta * _HOUR_MS / span

    def outside_until(self, low: float, high: float) -> int:
        """From this event time on nothing that the window holds now is outside low … high: no mean, extreme or end of a bucket."""
        self.settle()
        for index in range(len(self.times) - 1, self.head - 1, -1):
            seen = [self.totals[index] / self.counts[index]]
            seen += [column[index] for column in (self.lows, self.highs, self.firsts, self.lasts) if column]
            if self.samples:
                seen += (self.samples[index][0], self.samples[index][-2])
            if min(seen) < low or max(seen) > high:
                return self.times[index] + self.length_ms + self.width_ms
        return -(1 << 62)

    def readings(self, at_ms: int) -> int:
        """How many readings are inside `(at_ms - length, at_ms]`."""
        return int(self.value("count", at_ms) or 0)

    def _stddev(self, low: int, high: int, count: int, mean: float) -> float | None:
        """Of the readings as a sample (n - 1); None below two of them."""
        if count < 2:
            return None
        between = (n * (total / n - mean) ** 2 for n, total in zip(self.counts[low:high], self.totals[low:high], strict=True))
        return math.sqrt((math.fsum(self.squares[low:high]) + math.fsum(between)) / (count - 1))

    def _quantile(self, statistic: str, low: int, high: int, count: int) -> float:
        """The middle reading (the mean of two if their number is even), or the smallest that 95 % do not exceed."""
        pairs = sorted((bucket[index], bucket[index + 1]) for bucket in self.samples[low:high] for index in range(0, len(bucket), 2))
        ranks = (math.ceil(0.95 * count),) if statistic == "p95" else ((count + 1) // 2, count // 2 + 1)
        return sum(ranked(pairs, rank) for rank in ranks) / len(ranks)


def new_window(length_ms: int, parts: int, lateness_ms: int) -> WindowState:
    """An empty window. `lateness_ms` is how late a reading may be and still be evaluated; see the module for the reach it has."""
    reach = min(lateness_ms, REACH_LENGTHS * length_ms)
    return WindowState(length_ms, -(-(length_ms + reach) // SPREAD), parts)
