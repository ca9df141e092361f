"""`envgw backup` and `envgw restore`."""

from __future__ import annotations

from pathlib import Path

from gateway.ledger import LedgerExists, LedgerReader, salvage
from gateway.ledger import restore as put_back
from gateway.settings import Settings


def backup(settings: Settings, to: Path) -> Path:
    """Copy the ledger, checked; raises EnvgwError."""
    if to.exists():
        raise LedgerExists(f"{to} exists already: a backup never overwrites; choose another name")
    with LedgerReader(settings.gateway.data_dir / settings.ledger.file) as ledger:
        ledger.backup(to)
    return to


def restore(settings: Settings, source: Path, *, salvage: bool, force: bool) -> list[str]:
    """Put a backup back (or what can be saved of a damaged ledger); returns what to tell the operator."""
    target = settings.gateway.data_dir / settings.ledger.file
    if salvage:
        return _salvage(source, target, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    put_back(source, target, force=force)
    return [f"{target}: restored from {source}"]


def _salvage(source: Path, target: Path, force: bool) -> list[str]:
    saved = target.with_name(target.name + ".salvaged")
    report = salvage(source, saved)
    lines = [f"saved {count} rows of {table}" for table, count in report.kept.items() if count]
    lines += [f"lost {count} rows of {table}" for table, count in report.lost.items() if count]
    lines += report.notes
    put_back(saved, target, force=force or source == target)
    saved.unlink()
    return [*lines, f"{target}: holds what could be saved"]
