"""Questions to the embedded history in SQL, and how its rows become the rows of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from gateway.history.base import FINAL, Resolution, StoredNotes, StoredReading, is_asked, is_summary, notes_of

if TYPE_CHECKING:
    import duckdb

_Row = tuple[Any, ...]

_SPAN = "time_ms > $since AND time_ms <= $until"
_WANTED = """
WITH wanted AS (
    SELECT id, station, device, area, medium, parameter, dense_rank() OVER (ORDER BY station, device, parameter) AS place
    FROM series WHERE ($station IS NULL OR station = $station) AND ($parameters IS NULL OR list_contains($parameters, parameter))
    AND list_contains($media, medium) AND parameter <> ''
)"""
_READINGS = f"""{_WANTED}
SELECT time_ms, station, device, area, medium, parameter, value, flag
FROM (SELECT place, id, time_ms, medium AS kind, revision, value, flag FROM reading JOIN wanted ON id = series WHERE {_SPAN}) AS found
JOIN wanted USING (id)
ORDER BY found.place, time_ms, kind, revision DESC
"""
# A value first, then what is said of it; a raw reading asked for beside an index has nothing beside it.
_WITH_NOTES = f"""{_WANTED}, whole AS (
    SELECT own.id AS line, wanted.id, wanted.place, wanted.medium
    FROM series AS own JOIN wanted USING (medium, station, device, area) WHERE own.parameter = ''
)
SELECT time_ms, station, device, area, medium, parameter, name, value, flag, text
FROM (
    SELECT place, id, time_ms, medium AS kind, '' AS name, revision, value, flag, NULL AS text
    FROM reading JOIN wanted ON id = series WHERE {_SPAN}
    UNION ALL SELECT place, id, time_ms, medium, '', revision, value, flag, NULL
    FROM summary JOIN wanted ON id = series WHERE {_SPAN}
    UNION ALL SELECT place, id, time_ms, medium, name, revision, number, 0, text
    FROM note JOIN wanted ON id = series WHERE {_SPAN}
    UNION ALL SELECT place, id, time_ms, medium, name, revision, number, 0, text
    FROM note JOIN whole ON line = series WHERE {_SPAN} AND name = '{FINAL}'
) AS found JOIN wanted USING (id)
ORDER BY found.place, time_ms, kind, name, revision DESC
"""
_NOTES = f"""
SELECT time_ms, station, device, area, CASE parameter WHEN '' THEN name ELSE parameter || '_' || name END AS field, number, text
FROM note JOIN series ON id = series WHERE medium = $medium AND ($station IS NULL OR station = $station) AND {_SPAN}
ORDER BY station, device, time_ms, area, field, revision DESC
"""


T_co = TypeVar("T_co", covariant=True)


class Assembly(Protocol[T_co]):
    """Rows in the order of their statement → the rows of the answer."""

    def feed(self, rows: Sequence[_Row]) -> Iterator[T_co]:
        """Those that are whole by now."""
        ...

    def rest(self) -> Iterator[T_co]:
        """Those that only the end makes whole."""
        ...


class Question(NamedTuple, Generic[T_co]):
    """A statement, what it asks for, and who puts the answer together."""

    sql: str
    asked: dict[str, object]
    assembly: Assembly[T_co]


def readings(
    connection: duckdb.DuckDBPyConnection, station: str | None, parameters: Sequence[str] | None,
    since_ms: int, until_ms: int, resolution: Resolution,
) -> Question[StoredReading]:  # fmt: skip
    """For `History.query`. Looks up which measurements there are; raises duckdb.Error."""
    names = [name for (name,) in connection.execute("SELECT DISTINCT medium FROM series").fetchall()]
    media = [name for name in names if is_asked(name, parameters, resolution)]
    asked: dict[str, object] = {"station": station, "parameters": None if parameters is None else list(parameters), "media": media}
    with_notes = any(is_summary(name) for name in media)
    return Question(
        _WITH_NOTES if with_notes else _READINGS, asked | {"since": since_ms, "until": until_ms}, _Told() if with_notes else _Newest()
    )


def notes(medium: str, station: str | None, since_ms: int, until_ms: int) -> Question[StoredNotes]:
    """For `History.notes`."""
    return Question(_NOTES, {"medium": medium, "station": station, "since": since_ms, "until": until_ms}, _Points(medium))


class _Newest:
    """Of the revisions of a reading the first, which is the newest."""

    def __init__(self) -> None:
        self._key: _Row = ()

    def feed(self, rows: Sequence[_Row]) -> Iterator[StoredReading]:
        key = self._key
        for row in rows:
            its = (row[0], row[1], row[2], row[4], row[5])
            if its != key:
                key = its
                yield StoredReading(*row)
        self._key = key

    def rest(self) -> Iterator[StoredReading]:
        return iter(())


class _Told:
    """A reading and then what is said of it, each the newest first."""

    def __init__(self) -> None:
        self._key: _Row = ()
        self._reading: StoredReading | None = None
        self._notes: dict[str, str | float] = {}

    def feed(self, rows: Sequence[_Row]) -> Iterator[StoredReading]:
        for time_ms, station, device, area, medium, parameter, name, value, flag, text in rows:
            key = (time_ms, station, device, medium, parameter)
            if key != self._key:
                yield from self.rest()
                self._key = key
            if name:
                self._notes.setdefault(name, value if text is None else text)
            elif self._reading is None:
                self._reading = StoredReading(time_ms, station, device, area, medium, parameter, value, flag)

    def rest(self) -> Iterator[StoredReading]:
        if self._reading is not None:
            yield self._reading._replace(notes=notes_of(self._notes, self._reading.value)) if self._notes else self._reading
        self._reading, self._notes = None, {}


class _Points:
    """The fields of a point one after the other, each the newest first."""

    def __init__(self, medium: str) -> None:
        self._medium = medium
        self._key: _Row = ()
        self._fields: dict[str, str | float] = {}

    def feed(self, rows: Sequence[_Row]) -> Iterator[StoredNotes]:
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
