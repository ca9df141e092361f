"""A progress bar on the terminal of a long command; nothing where no person looks.

bar       of rows that are read or written
stages    of work in named stages
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

    from gateway.trial.recording import Progress as Stage

Told: TypeAlias = Callable[[int, float | None], None]
"""Rows so far, and the part of the whole that is done (0 to 1; None: not known)."""


@contextmanager
def bar(what: str, *, also_stdout: bool = False) -> Iterator[Told]:
    """A bar on standard error if that is a terminal. `also_stdout`: what is written to standard output would run through it, so
    that must not be a terminal."""
    if not sys.stderr.isatty() or (also_stdout and sys.stdout.isatty()):
        yield lambda rows, part: None
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
    )
    with _shown(*columns) as shown:
        task = shown.add_task(what, total=None, rows=0)

        def told(rows: int, part: float | None) -> None:
            shown.update(task, rows=rows, total=None if part is None else 1.0, completed=part or 0.0)

        yield told


@contextmanager
def stages() -> Iterator[Stage]:
    """A bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, part: None
        return
    with _shown() as shown:
        task = shown.add_task("", total=1.0)

        def told(what: str, part: float) -> None:
            shown.update(task, description=what, completed=part)

        yield told


def _shown(*columns: ProgressColumn) -> Bar:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True), transient=True)
