"""`envgw doctor`: everything outside the gateway that it needs, looked at one by one, each with what to do.

config    the configuration and every file it names
ledger    its folder: may it be written, is there room
gateway   the running one's health
brokers   can they be reached (TLS included); passwords are not tried: a second login would throw the gateway out
history   each history: version, rights, retention, clock, what is missing
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from gateway import coreconfig
from gateway.commands.client import Api, NotRunning
from gateway.config import ConfigError, load
from gateway.errors import EnvgwError
from gateway.findings import Finding, State, Topic
from gateway.history.upkeep import make_upkeep
from gateway.ledger.disk import free_bytes
from gateway.mqtt.endpoint import connect_failure, parse_url, tls_context
from gateway.settings import BrokerSection, HistorySection, Settings

_MB = 1024**2


async def examine(config: Path | None, topic: Topic | None, name: str | None) -> list[Finding]:
    """All that is asked for: one topic or every one, one broker or history or all of them. Raises EnvgwError for an unknown name."""
    try:
        loaded = load(config)
        where = str(loaded.path) if loaded.path else "built-in defaults (no envgw.yaml here)"
        coreconfig.build(loaded)
    except ConfigError as error:
        return [Finding("config", "content", State.WRONG, str(problem), "mend that place") for problem in error.problems]
    settings = loaded.settings
    findings: list[Finding] = []
    if topic in (None, Topic.CONFIG):
        findings.append(Finding("config", "content", State.OK, where))
    if topic in (None, Topic.LEDGER):
        findings += ledger(settings)
    if topic in (None, Topic.GATEWAY):
        findings += await asyncio.to_thread(gateway, settings)
    if topic in (None, Topic.BROKERS):
        brokers = [broker for broker in settings.brokers if name in (None, broker.name)]
        _known(name, brokers, "broker", [broker.name for broker in settings.brokers])
        for found in await asyncio.gather(*map(_broker, brokers)):
            findings += found
    if topic in (None, Topic.HISTORY):
        for section in chosen(settings, name):
            findings += await history(section, settings.gateway.data_dir)
    return findings


def chosen(settings: Settings, name: str | None) -> list[HistorySection]:
    """The histories of that name, or all. Raises EnvgwError if there is none."""
    found = [section for section in settings.history if name in (None, section.name)]
    _known(name, found, "history", [section.name for section in settings.history])
    return found


def _known(name: str | None, found: object, what: str, names: list[str]) -> None:
    if name is not None and not found:
        raise EnvgwError(f"no {what} {name!r} is configured; there is: {', '.join(names) or 'none'}")


def ledger(settings: Settings) -> list[Finding]:
    """The folder of the ledger, and its disk."""
    path = settings.gateway.data_dir / settings.ledger.file
    folder = next(folder for folder in path.parents if folder.exists())
    if not os.access(folder, os.W_OK):
        return [Finding("ledger", "folder", State.WRONG, f"{folder} cannot be written by this user", "give it to the gateway's user")]
    size = sum(file.stat().st_size for file in folder.glob(path.name + "*")) if folder == path.parent else 0
    says = f"{path}, {size / _MB:.0f} MB" if size else f"{path} is not there yet: the gateway makes it when it starts"
    findings = [Finding("ledger", "file", State.OK, says)]
    free, low = free_bytes(folder / path.name), settings.ledger.low_water
    says = f"{free / _MB:.0f} MB free in {folder}"
    if free < low:
        says += f", less than ledger.low_water ({low / _MB:.0f} MB): the gateway takes nothing in"
        findings.append(Finding("ledger", "space", State.WRONG, says, "free some space"))
    elif free < low + settings.ledger.journal_max_size - min(size, settings.ledger.journal_max_size):
        says += f"; the journal alone may take {settings.ledger.journal_max_size / _MB:.0f} MB (ledger.journal_max_size)"
        findings.append(Finding("ledger", "space", State.WARNING, says, "make room, or lower ledger.journal_max_size"))
    else:
        findings.append(Finding("ledger", "space", State.OK, says))
    return findings


def gateway(settings: Settings) -> list[Finding]:
    """What the running gateway says of itself."""
    if not settings.api.enabled:
        return [Finding("gateway", "health", State.OK, "not asked: its API is switched off (api.enabled)")]
    try:
        parts = Api(settings, timeout_s=10.0).get("/readyz", accept=(503,))["parts"]
    except NotRunning:
        return [Finding("gateway", "health", State.WARNING, "does not run (or listens elsewhere)", "start it: envgw run")]
    except (EnvgwError, KeyError, TypeError, ValueError) as error:
        return [
            Finding("gateway", "health", State.WRONG, f"does not answer as a gateway does: {error}", "is another program on that port?")
        ]
    colours = {"yellow": State.WARNING, "red": State.WRONG}
    bad = [
        Finding("gateway", part["name"], colours[part["colour"]], part["reason"], "see there")
        for part in parts
        if part["colour"] in colours
    ]
    return bad or [Finding("gateway", "health", State.OK, "runs, health is green")]


async def _broker(settings: BrokerSection) -> list[Finding]:
    part = f"broker {settings.name}"
    try:
        endpoint = parse_url(settings.url)
        context = tls_context(settings) if endpoint.tls else None
    except EnvgwError as error:
        return [Finding(part, "address", State.WRONG, str(error), "mend its section")]
    try:
        async with asyncio.timeout(settings.connect_timeout / 1000):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context)
    except (OSError, TimeoutError) as error:
        return [Finding(part, "connection", State.WRONG, connect_failure(settings, endpoint, error), "start it, or mend its address")]
    writer.close()
    return [Finding(part, "connection", State.OK, f"{endpoint} takes connections{' by TLS' if context else ''}")]


async def history(section: HistorySection, data_dir: Path) -> list[Finding]:
    """One history."""
    try:
        upkeep = make_upkeep(section, data_dir)
    except EnvgwError as error:
        return [Finding(f"history {section.name}", "settings", State.WRONG, str(error), "mend its section")]
    try:
        return await upkeep.examine()
    finally:
        await upkeep.close()
