"""`envgw rules backtest`: from the command's words to a recording, and its result."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Any, TypeAlias

from devices.registry import DEFAULT_ZONE
from devices.times import iso, parse_zone
from gateway.api.times import parse_instant
from gateway.clock import Clock
from gateway.commands.progress import stages
from gateway.commands.query import rows
from gateway.coreconfig import CoreConfig
from gateway.errors import EnvgwError
from gateway.series.maps import load_map
from gateway.settings import Settings
from gateway.trial import backtest
from gateway.trial.backtest import Backtest, Labels
from gateway.trial.recording import Progress, Recording, as_if, from_file, from_history, of_stations

_Rules: TypeAlias = Sequence[Mapping[str, Any]]


def over_file(
    path: Path, map_name: str, core: CoreConfig | None, new: Sequence[Path], against: Sequence[Path] | None, stations: Sequence[str],
    labels: Labels, begin_ms: int | None = None,
) -> tuple[Backtest, Recording]:  # fmt: skip
    """Over a file of series, as if it began at `begin_ms`. Raises EnvgwError, ConfigError."""
    rules, old = _versions(new, core, against)
    with stages() as told:
        recording = from_file(path, load_map(map_name), core, told)
        if stations:
            recording = of_stations(recording, stations)
        if begin_ms is not None:
            recording = as_if(recording, begin_ms)
        with _collecting_seldom():
            return backtest.run(recording, rules, old, labels, told), recording


def over_history(
    settings: Settings, core: CoreConfig, since: str, until: str, new: Sequence[Path], against: Sequence[Path] | None,
    stations: Sequence[str],
) -> tuple[Backtest, Recording]:  # fmt: skip
    """Over the configured history, through the running gateway if there is one. Raises EnvgwError, ConfigError."""
    rules, old = _versions(new, core, against)
    now = Clock().now_ms()
    try:
        since_ms, until_ms = parse_instant(since, now), parse_instant(until, now)
    except ValueError as error:
        raise EnvgwError(str(error)) from None
    if since_ms >= until_ms:
        raise EnvgwError(f"--since {since} is not before --until {until}: exchange them")
    warm_ms = backtest.warm_up_ms(backtest.compiled([*rules, *(old or ())], core.plain))

    async def read(told: Progress) -> Recording:
        first = iso(since_ms - warm_ms)
        return await from_history(rows(settings, None, None, first, iso(until_ms)), core, since_ms - warm_ms, until_ms, told)

    with stages() as told:
        recording = asyncio.run(read(told))
        if stations:
            recording = of_stations(recording, stations)
        with _collecting_seldom():
            return backtest.run(recording, rules, old, Labels(), told, since_ms), recording


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """A recording is long and stays: walking it again and again for cycles would take a tenth of the time (as in `gateway.app`)."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def _versions(new: Sequence[Path], core: CoreConfig | None, against: Sequence[Path] | None) -> tuple[_Rules, _Rules | None]:
    """The rules to try (without files those of the configuration, wherever it has them), and those to compare with."""
    rules: _Rules = backtest.rules_of(new) if new or core is None else core.plain["rules"]
    if not rules:
        raise EnvgwError("there are no rules to try: name some with --rules")
    return rules, None if against is None else backtest.rules_of(against)


def zone_of(recording: Recording) -> tzinfo:
    """The zone that times are shown in."""
    return parse_zone(str(recording.plain.get("timezone", DEFAULT_ZONE)))
