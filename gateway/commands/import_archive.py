"""`envgw import`: an archive file into every history, through the running gateway; without one, into its ledger, for when it runs.

Either way it is committed to the ledger part by part, and each history has it when its lane has come so far. The core does not see
it (`gateway.core.inputs.Imported`), so that nobody is paged and nothing live moves.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import msgspec

from devices.loader import catalogue
from devices.times import parse_instant
from gateway.commands.client import Api, Busy, NotRunning
from gateway.commands.progress import bar
from gateway.core.inputs import Imported
from gateway.core.outcomes import Outcomes
from gateway.errors import EnvgwError
from gateway.imports.archive import Archive, Into, stations_in
from gateway.imports.rows import Part, lines_of
from gateway.ledger import Ledger
from gateway.series.maps import SeriesMap, load_map

if TYPE_CHECKING:
    from gateway.coreconfig import CoreConfig
    from gateway.settings import Settings

SHOWN = 10
"""Refused lines that are told one by one for each reason; all of them go to the file that --refused names."""
Told = Callable[[str], None]


class Sink(Protocol):
    """Who takes the parts."""

    through: str
    now_ms: int

    def put(self, part: Part) -> None:
        """Returns when it is on disk. Raises EnvgwError."""
        ...


class Nowhere:
    """--dry-run."""

    through = "nothing"

    def __init__(self) -> None:
        self.now_ms = _wall_ms()

    def put(self, part: Part) -> None:
        """Is enough."""


class Running:
    """The gateway's API."""

    through = "the running gateway"

    def __init__(self, api: Api, told: Told, sleep: Callable[[float], None] = time.sleep) -> None:
        """Raises NotRunning."""
        self._api, self._told, self._sleep = api, told, sleep
        self.now_ms = parse_instant(api.get("/api/v1/status")["time"], UTC)

    def put(self, part: Part) -> None:
        """Waits as long as a history is too far behind."""
        said = False
        while True:
            try:
                self._api.post("/api/v1/import", msgspec.to_builtins(part))
                return
            except Busy as busy:
                if not said:
                    self._told(f"waiting: {busy}")
                said = True
                self._sleep(busy.after_s)


class Stopped:
    """The ledger of a gateway that does not run. What is put there waits until it does."""

    through = "the ledger of the gateway, which does not run: the histories get it when it is started"

    def __init__(self, ledger: Ledger, core: CoreConfig, ahead_ms: int) -> None:
        self._ledger, self._core, self._ahead_ms = ledger, core, ahead_ms
        self.now_ms = _wall_ms()

    def put(self, part: Part) -> None:
        """One transaction."""
        if self._ledger.free_space_low():
            raise EnvgwError(f"the disk of {self._ledger.path} is nearly full (ledger.low_water): free some space, and run this again")
        lines = lines_of(part, self._core.interpreter.registry, catalogue(), self.now_ms, self._ahead_ms)
        # No time goes by in the ledger: what its brokers redeliver after an outage is looked for in the hours before its last input.
        now_ms = self._ledger.last_received_ms() or self.now_ms
        self._ledger.commit([Imported(now_ms, part.origin, len(lines), tuple(lines))], Outcomes(archive=lines, journal=[0]))


@contextmanager
def sink(settings: Settings, core: CoreConfig, told: Told, *, dry_run: bool) -> Iterator[Sink]:
    """Where the parts go. Raises EnvgwError."""
    if dry_run:
        yield Nowhere()
        return
    try:
        yield Running(Api(settings), told)
        return
    except NotRunning:
        pass
    ledger = Ledger(settings.gateway.data_dir / settings.ledger.file, settings.ledger)
    try:
        yield Stopped(ledger, core, settings.time.accept_ahead)
    finally:
        ledger.close()


def run(
    settings: Settings, core: CoreConfig, path: Path, series_map: SeriesMap, into: Into, *,
    dry_run: bool, refused_to: Path | None, told: Told,
) -> dict[str, Any]:  # fmt: skip
    """Bring the file in; returns the report. Raises EnvgwError, after telling how far it came."""
    if into.station is not None and into.only is None and series_map.station.column is not None:
        _one_station(path, series_map, into.station)
    with _refusals(path, refused_to, told) as refused, sink(settings, core, told, dry_run=dry_run) as to:
        archive = Archive(path, series_map, core.interpreter, into, to.now_ms + settings.time.accept_ahead, refused)
        parts = 0
        try:
            with bar(path.name) as shown:
                total = _rows_in(path, series_map)
                for part in archive.parts():
                    to.put(part)
                    parts += 1
                    shown(archive.report.rows, archive.report.rows / total if total else None)
        except (EnvgwError, KeyboardInterrupt):
            told(f"stopped after {parts} parts, about line {archive.report.rows}: what was stored stays; running it again is harmless")
            raise
        return {"file": str(path), "map": series_map.map, "through": to.through, "written": not dry_run, **archive.report.document()}


def read_map(name: str, form: str) -> SeriesMap:
    """The map, for a file of this form, whichever the map itself says."""
    found = load_map(name)
    if found.format == "usgs-json":
        raise EnvgwError(f"map {name!r} is for USGS JSON, not for {form}")
    return found.model_copy(update={"format": form})


def _one_station(path: Path, series_map: SeriesMap, station: str) -> None:
    found = stations_in(path, series_map)
    if len(found) > 1:
        names = ", ".join(f"{name} ({rows} rows)" for name, rows in sorted(found.items())[:10])
        raise EnvgwError(
            f"{path} holds {len(found)} stations: {names}. Say which is {station!r} with --only NAME; "
            "or leave --station out, and each row goes to the station of that id"
        )


@contextmanager
def _refusals(path: Path, to: Path | None, told: Told) -> Iterator[Callable[[int, str, str], None]]:
    """Tells the first few of each reason, and writes all to a file if there is one."""
    seen: dict[str, int] = {}
    file: TextIO | None = None
    try:
        if to is not None:
            file = to.open("w", encoding="utf-8", newline="")
        writer = None if file is None else csv.writer(file, lineterminator="\n")
        if writer is not None:
            writer.writerow(("line", "reason", "detail"))

        def refused(line: int, reason: str, detail: str) -> None:
            seen[reason] = seen.get(reason, 0) + 1
            if writer is not None:
                writer.writerow((line, reason, detail))
            if seen[reason] <= SHOWN:
                told(f"{path}:{line}: {reason}: {detail}")
            elif seen[reason] == SHOWN + 1:
                told(f"{path}: more lines are refused as {reason}" + ("" if file else ": --refused FILE lists them all"))

        yield refused
    except OSError as error:
        if to is None or error.filename != str(to):
            raise
        raise EnvgwError(f"{to}: the list of refused lines cannot be written: {error.strerror}") from error
    finally:
        if file is not None:
            file.close()


def _rows_in(path: Path, series_map: SeriesMap) -> int | None:
    """About how many rows a CSV file has, for the progress bar; None where nothing tells cheaply."""
    if series_map.format != "csv":
        return None
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _wall_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def table(report: dict[str, Any]) -> Iterator[str]:
    """For people."""
    done = f"stored through {report['through']}" if report["written"] else "would be stored (a dry run: nothing was)"
    yield f"{report['file']}: {report['rows']} rows read, {report['stored']} values {done}"
    if report["left_out"]:
        yield f"  {report['left_out']} rows are of other stations (--only)"
    for reason, count in report["refused"].items():
        yield f"  {count} refused: {reason}"
    for parameter, flags in report["flags"].items():
        yield f"  {parameter:<16} " + ", ".join(f"{count} flag {flag}" for flag, count in flags.items())
    if report["again"]:
        yield f"  {report['again']} values came again for the same time: the later one stands"
    if report["labelled"]:
        yield f"  {report['labelled']} values carry a label that does not count (`usable` of the map): --doubt-labelled makes them suspect"
    if report["not_installed"]:
        yield f"  {report['not_installed']} rows are of times at which the registry has their device nowhere: see its `from`"
    if report["first"] is not None:
        yield f"  {report['first']} to {report['last']}, {', '.join(report['stations'])}"
        if report["written"]:
            of = "".join(f" --station {station}" for station in report["stations"])
            when = f"--since {report['first']} --until {report['last']}"
            yield f"summaries and indices of these hours and days: envgw history rebuild {when}{of}"
