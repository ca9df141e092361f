"""Hot reload of stations, types and rules: on SIGHUP, when a file changes, and through the API. All or nothing.

    files ──▶ checked and compiled in a thread ──▶ new windows filled (`gateway.hydrate`) ──▶ one `Config` input ──▶ in force
                   │ anything wrong
                   └──▶ the old configuration runs on; health is yellow and says why, until it is right again

What the core does not know (brokers and their subscriptions, histories, receivers) needs a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from gateway import coreconfig, prehistory
from gateway.config import ConfigError, LoadedConfig, load
from gateway.core.inputs import Config
from gateway.coreconfig import CoreConfig
from gateway.hydrate import Hydrating, Hydration, known
from gateway.ledger import LedgerReader

if TYPE_CHECKING:
    from gateway.app import Gateway

log = structlog.get_logger("reload")

LOOK_S = 2.0
"""How often the files are looked at (real seconds). A change counts once they look the same twice in a row."""

PASSES = 3
"""How often the journal is read on, to fill new windows with what came in meanwhile."""


Seen: TypeAlias = tuple[tuple[str, int, int], ...]
"""(file, when it was written, size) of each."""


class Reader:
    """Reads a configuration again that was loaded once."""

    def __init__(self, loaded: LoadedConfig) -> None:
        self._path = loaded.path
        self.files = files_of(loaded)
        """Its files, and the folders that hold them."""

    def read(self) -> CoreConfig:
        """As the files are now. Raises ConfigError."""
        loaded = load(self._path)
        self.files = files_of(loaded)
        return coreconfig.build(loaded)


def files_of(loaded: LoadedConfig) -> tuple[Path, ...]:
    """The files of a configuration, and the folders that hold them: a new file changes its folder."""
    named = {Path(document.file).absolute() for document in (*loaded.types, *loaded.stations, *loaded.rules)}
    if loaded.path is not None:
        named.add(loaded.path.absolute())
    return tuple(sorted(named | {path.parent for path in named if path != (loaded.path or Path()).absolute()}))


def seen(files: Iterable[Path]) -> Seen:
    """What changes when one of these is written."""
    found = []
    for path in files:
        try:
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, 0 if path.is_dir() else status.st_size))
        except OSError:
            found.append((str(path), 0, 0))
    return tuple(found)


class Reloader:
    """One reload at a time."""

    def __init__(self, gateway: Gateway, reader: Reader | None) -> None:
        """`reader` is None where there are no files (tests): then there is nothing to reload."""
        self._gateway = gateway
        self._reader = reader
        self._busy = asyncio.Lock()
        self._seen = seen(reader.files if reader is not None else ())
        """The files when they were read last."""
        self.trouble = ""
        """Why the last reload was refused; empty when what runs is what the files say."""

    async def reload(self) -> dict[str, Any]:
        """`models.Reloaded`: what changed, or everything that is wrong; then nothing has changed."""
        async with self._busy:
            if self._reader is None:
                return {
                    "changed": False,
                    "problems": ["there are no files to reload"],
                    "digest": self._gateway.config.digest,
                    "windows": [],
                }
            self._seen = await asyncio.to_thread(seen, self._reader.files)
            try:
                found = await asyncio.to_thread(self._reader.read)
            except ConfigError as error:
                problems = [str(problem) for problem in error.problems]
                self.trouble = f"the changed configuration is not in force: {problems[0]}" + (
                    f" (and {len(problems) - 1} more: `envgw check`)" if len(problems) > 1 else ""
                )
                log.error("reload refused; the old configuration runs on", problems=problems)
                return {"changed": False, "problems": problems, "digest": self._gateway.config.digest, "windows": []}
            self._seen = _only(self._seen, self._reader.files) or await asyncio.to_thread(seen, self._reader.files)
            self.trouble = ""
            if found.digest == self._gateway.config.digest:
                return {"changed": False, "problems": [], "digest": found.digest, "windows": []}
            return await self._take(found)

    async def _take(self, config: CoreConfig) -> dict[str, Any]:
        gateway = self._gateway
        hydration = await self.hydrate(config)
        gateway.core.prepare(config.digest, config.interpreter)
        now_ms = gateway.inbox.now_ms()
        await gateway.inbox.submit(Config(now_ms, config.digest, config.text, hydration.windows))
        gateway.configured(config)
        windows = [
            {"window": item.window, "stations": item.stations, "length_s": item.length_ms / 1000, "covered_s": item.covered_ms / 1000}
            for item in hydration.coverage
        ]
        log.info("configuration reloaded", digest=config.digest, rules=len(config.plain["rules"]), windows=windows)
        return {"changed": True, "problems": [], "digest": config.digest, "windows": windows}

    async def hydrate(self, config: CoreConfig) -> Hydration:
        """Windows that the running core lacks, filled from the journal, and from the history before it begins (semantics E6)."""
        gateway = self._gateway
        there, now_ms, plain = known(gateway.core), gateway.inbox.now_ms(), config.plain

        def first(ledger: LedgerReader) -> Hydrating | None:
            work = Hydrating(plain, there, now_ms)
            if not work.needed:
                return None
            work.take_in(ledger)
            return work

        work = await asyncio.to_thread(first, gateway.ledger.ledger)
        if work is None:
            return Hydration()
        filled = await prehistory.fill(work, gateway.query_history(), now_ms)
        if filled.trouble:
            log.warning("windows that begin before the journal are filled in part", **filled._asdict())
        for _ in range(PASSES):
            if not await asyncio.to_thread(work.take_in, gateway.ledger.ledger):
                break
        return work.result()

    async def watch(self) -> None:
        """Reload when a file changes, for ever."""
        if self._reader is None:
            return
        before = self._seen
        while True:
            await asyncio.sleep(LOOK_S)
            now = await asyncio.to_thread(seen, self._reader.files)
            if now == before != self._seen:
                await self.reload()
            before = now


def _only(found: Seen, files: tuple[Path, ...]) -> Seen:
    """What was seen of these files before they were read; nothing if there are others now."""
    return found if [name for name, _, _ in found] == [str(path) for path in files] else ()
