"""Questions to the embedded history in SQL, and how its rows become the rows of an answer.

An answer is ordered by station, device and parameter, so it is asked for some series at a time: as many as give a sort that fits in
memory. The first rows are there at once, and the whole is read within one snapshot. Names are looked up here: DuckDB sorts numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from gateway.history.base import (
    FINAL,
    INDEX_NOTES,
    SUMMARY_NOTES,
    Notes,
    Resolution,
    StoredNotes,
    StoredReading,
    is_asked,
    is_summary,
    notes_of,
)

if TYPE_CHECKING:
    import duckdb

_Row = tuple[Any, ...]
Statement = tuple[str, dict[str, object]]

_AT_ONCE = 200_000
"""About so many rows are sorted at once: 10 MB."""
_FEW = 64
"""So many series are named in the statement, which lets DuckDB pass over row groups by what they hold; more are only joined."""

_SPAN = "time_ms > $since AND time_ms <= $until"
_WANTED = "WITH wanted AS (SELECT unnest($ids) AS id, unnest($places) AS place, unnest($kinds) AS kind)"
_READINGS = f"""{_WANTED}
SELECT series, time_ms, value, flag FROM reading_all JOIN wanted ON id = series WHERE {_SPAN} {{named}}
ORDER BY place, time_ms, kind, revision DESC
"""
# Notes become columns of the value that they are about: of each the newest, whatever revision of the value it came with.
_TOLD = (*((name, "text") for name in INDEX_NOTES), *((name, "number") for name in SUMMARY_NOTES))
_WITH_NOTES = f"""{_WANTED}, whole AS (SELECT unnest($lines) AS line, unnest($of) AS id),
told AS (
    SELECT series AS id, time_ms, {", ".join(f"arg_max({kind}, revision) FILTER (name = '{name}') AS told_{name}" for name, kind in _TOLD)}
    FROM note_all JOIN wanted ON id = series WHERE {_SPAN} {{named}} GROUP BY series, time_ms
), marks AS (
    SELECT series AS line, time_ms, arg_max(number, revision) AS told_{FINAL}
    FROM note_all WHERE {_SPAN} AND name = '{FINAL}' AND series IN (SELECT line FROM whole) GROUP BY series, time_ms
)
SELECT found.id, found.time_ms, value, flag, {", ".join(f"told_{name}" for name, _ in _TOLD)}, told_{FINAL}
FROM (
    SELECT series AS id, time_ms, revision, value, flag FROM reading_all WHERE {_SPAN} {{named}}
    UNION ALL SELECT series, time_ms, revision, value, flag FROM summary_all WHERE {_SPAN} {{named}}
) AS found JOIN wanted USING (id)
LEFT JOIN told ON told.id = found.id AND told.time_ms = found.time_ms
LEFT JOIN whole ON whole.id = found.id LEFT JOIN marks ON marks.line = whole.line AND marks.time_ms = found.time_ms
ORDER BY place, found.time_ms, kind, revision DESC
"""
_NAMES = (*INDEX_NOTES, *SUMMARY_NOTES, FINAL)
_NOTES = f"""
SELECT time_ms, station, device, area, CASE parameter WHEN '' THEN name ELSE parameter || '_' || name END AS field, number, text
FROM note_all JOIN series ON id = series WHERE medium = $medium AND ($station IS NULL OR station = $station) AND {_SPAN}
ORDER BY station, device, time_ms, area, field, revision DESC
"""

T_co = TypeVar("T_co", covariant=True)


class Question(Protocol[T_co]):
    """What to ask, statement by statement, and how their rows become an answer. One reader's thread calls it at a time."""

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Look up what is needed beforehand. Raises duckdb.Error."""
        ...

    def next(self) -> Statement | None:
        """The next statement, when all rows of the one before were fed."""
        ...

    def feed(self, rows: Sequence[_Row]) -> Iterator[T_co]:
        """The rows of the answer that are whole by now."""
        ...

    def rest(self) -> Iterator[T_co]:
        """Those that only the end makes whole."""
        ...


class _Series(NamedTuple):
    """Who a series is of. `place` is its order in the answer; areas of one parameter share it, and media."""

    place: int
    kind: int
    names: tuple[str, str, str, str, str]
    """Station, device, area, medium, parameter."""


class Readings:
    """For `History.query`."""

    def __init__(self, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int, resolution: Resolution) -> None:
        self._station, self._parameters, self._resolution = station, parameters, resolution
        self._span: dict[str, object] = {"since": since_ms, "until": until_ms}
        self._series: dict[int, _Series] = {}
        self._lines: dict[int, int] = {}
        """Series → the own series of its line."""
        self._order: list[list[int]] = []
        """Place → its series."""
        self._asked = self._count = self._rows = 0
        self._with_notes = False
        self._key = (0, 0, 0)
        """Place, kind and time of the last row."""

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        media = [
            name
            for (name,) in connection.execute("SELECT DISTINCT medium FROM series ORDER BY medium").fetchall()
            if is_asked(name, self._parameters, self._resolution)
        ]
        self._with_notes = any(is_summary(name) for name in media)
        found = connection.execute(
            "SELECT station, device, parameter, medium, area, id FROM series WHERE list_contains($media, medium) "
            "AND ($station IS NULL OR station = $station) "
            "AND ($parameters IS NULL OR parameter = '' OR list_contains($parameters, parameter)) ORDER BY ALL",
            {
                "media": media,
                "station": self._station,
                "parameters": None if self._parameters is None else list(self._parameters),
            },
        ).fetchall()
        own = {(station, device, medium, area): number for station, device, parameter, medium, area, number in found if not parameter}
        last: _Row = ()
        for station, device, parameter, medium, area, number in found:
            if parameter:
                if (station, device, parameter) != last:
                    last = (station, device, parameter)
                    self._order.append([])
                self._order[-1].append(number)
                self._series[number] = _Series(len(self._order), media.index(medium), (station, device, area, medium, parameter))
                if (line := own.get((station, device, medium, area))) is not None:
                    self._lines[number] = line

    def next(self) -> Statement | None:
        begin = self._asked
        if begin == len(self._order):
            return None
        # Four times as many as before, but no more than fit by what those before gave.
        self._count = max(1, min(4 * self._count, _AT_ONCE * begin // max(1, self._rows)))
        self._asked = min(begin + self._count, len(self._order))
        ids = [number for place in self._order[begin : self._asked] for number in place]
        series = [self._series[number] for number in ids]
        asked = self._span | {"ids": ids, "places": [one.place for one in series], "kinds": [one.kind for one in series]}
        if self._with_notes:
            of = [number for number in ids if number in self._lines]
            asked |= {"lines": [self._lines[number] for number in of], "of": of}
        named = f"AND series IN ({', '.join(map(str, ids))})" if len(ids) <= _FEW else ""
        return (_WITH_NOTES if self._with_notes else _READINGS).format(named=named), asked

    def feed(self, rows: Sequence[_Row]) -> Iterator[StoredReading]:
        """Of the revisions of a reading the first, which is the newest."""
        self._rows += len(rows)
        series, (place, kind, last_ms) = self._series, self._key
        for number, time_ms, value, flag, *said in rows:
            its_place, its_kind, names = series[number]
            if time_ms != last_ms or its_place != place or its_kind != kind:
                place, kind, last_ms = its_place, its_kind, time_ms
                yield StoredReading._make((time_ms, *names, value, flag, _told(said, value) if said else ()))
        self._key = (place, kind, last_ms)

    def rest(self) -> Iterator[StoredReading]:
        return iter(())


def _told(said: list[str | float | None], value: float | None) -> Notes:
    return notes_of({name: content for name, content in zip(_NAMES, said, strict=True) if content is not None}, value)


class Points:
    """For `History.notes`."""

    def __init__(self, medium: str, station: str | None, since_ms: int, until_ms: int) -> None:
        self._medium = medium
        self._statement: Statement | None = (
            _NOTES,
            {"medium": medium, "station": station, "since": since_ms, "until": until_ms},
        )
        self._key: _Row = ()
        self._fields: dict[str, str | float] = {}

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Nothing is needed."""

    def next(self) -> Statement | None:
        statement, self._statement = self._statement, None
        return statement

    def feed(self, rows: Sequence[_Row]) -> Iterator[StoredNotes]:
        """The fields of a point come one after the other, each the newest first."""
        for time_ms, station, device, area, field, number, text in rows:
            key = (time_ms, station, device, area)
            if key != self._key:
                yield from self.rest()
                self._key = key
            self._fields.setdefault(field, number if text is None else text)

    def rest(self) -> Iterator[StoredNotes]:
        if self._fields:
            time_ms, station, device, area = self._key
            yield StoredNotes(time_ms, station, device, area, self._medium, tuple(self._fields.items()))
        self._fields = {}
