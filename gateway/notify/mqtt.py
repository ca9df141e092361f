"""Receiver `mqtt`: one retained topic per alert.

While an alert is open its topic holds the current state as a retained JSON document, so that who subscribes later sees
every open alert at once. When it is over the resolved document is published retained (it replaces the firing one at
the broker in the same instant), and then an empty retained message clears the topic: subscribers see *resolved*, then
an empty payload, and afterwards nothing stays. A crash between the two repeats both, which changes nothing. QoS 1:
`send` returns after the broker's PUBACK; a PUBACK that refuses (MQTT 5: not authorised, quota) is an error.
A broker that was restarted may have forgotten what is retained (mosquitto writes its database every half hour by default), so
the open alerts are kept here too and published again, unchanged, on every new connection; while an alert is open, a
connection that was lost is made again at once (`keep`).
MQTT 3.1.1 cannot refuse a PUBLISH: a broker that forbids the topic there takes it silently. Prefer protocol 5.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import re
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
import structlog

from devices.times import iso
from gateway.core.outcomes import Intent, Transition
from gateway.errors import EnvgwError, Permanent, Retryable
from gateway.notify.describe import Describer
from gateway.notify.text import name_of, render
from gateway.settings import BrokerSection, ReceiverSection

if TYPE_CHECKING:
    from gateway.notify.publisher import Publisher

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.5
PLACEHOLDERS = ("rule", "station", "device", "area", "severity")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NOT_IN_A_LEVEL = re.compile(r"[+#/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_LONGEST_LEVEL = 200
_CREDENTIALS = {0x86, 0x87, 0x8C}
"""CONNACK reasons (MQTT 5, 3.2.2.2) that a person must mend: bad user or password, not authorised, bad method."""


class MqttReceiver:
    """Publishes to one broker over a connection that stays open; reconnects when it is needed and gone."""

    def __init__(self, settings: ReceiverSection, broker: BrokerSection, describer: Describer, gateway: str = "envgw") -> None:
        check_template(settings.topic)
        self.name = settings.name
        self._settings = settings
        self._broker = broker
        self._describer = describer
        # Not the client id of the gateway's own subscription to the same broker: two with one id throw each other out.
        self._client_id = f"envgw-{gateway}-receiver-{settings.name}"
        self._timeout_s = settings.timeout / 1000
        address = urlsplit(broker.url)
        self._host, self._tls = address.hostname or "", address.scheme == "mqtts"
        self._port = address.port or (8883 if self._tls else 1883)
        self._where = f"receiver {settings.name} (broker {broker.name}, {self._host}:{self._port})"
        self._client: Publisher | None = None
        self._lock = asyncio.Lock()
        """Held while something is published: a connection has one user at a time."""
        self._held: dict[str, tuple[bytes, Publisher | None]] = {}
        """Topic → document of each open alert, and the connection that took it."""
        self._news = asyncio.Event()

    def recall(self, open_alerts: Sequence[Transition]) -> None:
        """See `gateway.notify.base.Keeper`."""
        for transition in open_alerts:
            with contextlib.suppress(Permanent):  # a topic that is too long was refused when it was to be told
                self._held.update({topic: (payload, None) for topic, payload in self.messages(transition)})

    async def warm(self) -> None:
        """Import aiomqtt (0.1 s of CPU) in a thread, off the path of the first alert."""
        await asyncio.to_thread(importlib.import_module, "gateway.notify.publisher")

    async def send(self, intent: Intent) -> None:
        """Publish the alert's state; on a connection that broke while idle, once more on a new one without waiting."""
        messages = self.messages(intent.transition)
        async with self._lock:
            await self._in_time(messages, again=self._client is not None)
            for topic, payload in messages:
                if payload:
                    self._held[topic] = (payload, self._client)
                else:
                    self._held.pop(topic, None)
        self._news.set()

    async def _in_time(self, messages: list[tuple[str, bytes]], *, again: bool = False) -> None:
        """Publish within the timeout; `again`: if it fails, once more on a new connection. Raises Retryable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    await self._publish(messages)
                except Retryable as error:
                    if not again or error.red:
                        raise
                    await self._publish(messages)
        except TimeoutError:
            await self._drop()
            raise Retryable(f"{self._where}: no acknowledgement within {self._timeout_s:g} s; is the broker up and reachable?") from None

    async def keep(self) -> None:
        """As long as alerts are open: on every new connection, publish again what an earlier one took."""
        pause_s = _FIRST_PAUSE_S
        while True:
            if not self._held:
                self._news.clear()
                await self._news.wait()
                continue
            try:
                await self._publish_held()
            except Retryable as error:
                log.warning("open alerts cannot be kept retained; trying again", receiver=self.name, reason=error.reason)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(pause_s * 2, self._settings.backoff_max / 1000)
                continue
            pause_s = _FIRST_PAUSE_S
            client = self._client
            if client is None or any(taken_by is not client for _, taken_by in self._held.values()):
                continue  # the connection was changed by `send` meanwhile
            await client.lost()
            async with self._lock:
                if self._client is client:
                    await self._drop()

    async def _publish_held(self) -> None:
        async with self._lock:
            await self._in_time([])
        for topic in list(self._held):
            async with self._lock:
                payload, taken_by = self._held.get(topic, (b"", self._client))
                if taken_by is not self._client:
                    await self._in_time([(topic, payload)])
                    self._held[topic] = (payload, self._client)

    def messages(self, transition: Transition) -> list[tuple[str, bytes]]:
        """(topic, retained payload) to publish, in order; an empty payload clears what is retained."""
        topic = topic_of(self._settings.topic, transition)
        if len(topic.encode()) > 65535:
            raise Permanent(f"{self._where}: the topic of {transition.episode} is longer than MQTT allows")
        if transition.state != "resolved":
            return [(topic, self._document(transition))]
        last = [(topic, self._document(transition))] if self._settings.send_resolved else []
        return [*last, (topic, b"")]

    def _document(self, transition: Transition) -> bytes:
        text = render(transition, self._describer, self._settings.language)
        return orjson.dumps(
            {
                "id": transition.episode,
                "rule": transition.rule,
                "kind": transition.kind,
                "severity": transition.severity,
                "state": transition.state,
                "reason": transition.reason,
                "mode": transition.mode,
                "station": transition.station,
                "device": transition.device,
                "area": transition.area,
                "parameter": transition.parameter,
                "value": transition.value,
                "unit": transition.unit,
                "limit": transition.limit,
                "flag": transition.flag,
                "since": iso(transition.started_ms),
                "time": iso(transition.event_ms),
                "names": {language: name_of(transition, language) for language in ("vi", "en")},
                "station_names": {language: self._describer.station(transition.station, language) for language in ("vi", "en")},
                "advice": transition.advice,
                "title": text.title,
                "text": text.body,
            }
        )

    async def _publish(self, messages: list[tuple[str, bytes]]) -> None:
        from aiomqtt import MqttError

        from gateway.notify.publisher import Refused

        try:
            if self._client is None:
                self._client = await self._connect()
            for topic, payload in messages:
                await self._client.deliver(topic, payload)
        except Refused as error:
            raise Retryable(f"{self._where} refused an alert ({error}); allow this user to publish on its topic", red=True) from None
        except MqttError as error:
            await self._drop()
            code = getattr(getattr(error, "rc", None), "value", None)
            if code in _CREDENTIALS:
                raise Retryable(f"{self._where} refused the connection: {error}; check `username` and `password`", red=True) from None
            raise Retryable(f"{self._where}: {error}; is the broker running and reachable?") from None
        except (OSError, ValueError) as error:
            await self._drop()
            raise Retryable(f"{self._where}: {error}") from None

    async def _connect(self) -> Publisher:
        from aiomqtt import ProtocolVersion

        from gateway.notify.publisher import Publisher

        broker = self._broker
        client = Publisher(
            self._host,
            self._port,
            username=broker.username,
            password=broker.password.get_secret_value() if broker.password else None,
            identifier=self._client_id,
            protocol=ProtocolVersion.V5 if broker.protocol == "5" else ProtocolVersion.V311,
            tls_context=self._tls_context() if self._tls else None,
            keepalive=max(1, broker.keep_alive // 1000),
            timeout=self._timeout_s,
        )
        await client.__aenter__()
        return client

    def _tls_context(self) -> ssl.SSLContext:
        broker = self._broker
        context = ssl.create_default_context(cafile=str(broker.ca_file) if broker.ca_file else None)
        if broker.cert_file:
            context.load_cert_chain(str(broker.cert_file), str(broker.key_file) if broker.key_file else None)
        return context

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        from aiomqtt import MqttError

        with contextlib.suppress(MqttError, TimeoutError, OSError):  # it is being given up: how it ends is of no interest
            async with asyncio.timeout(1):
                await client.__aexit__(None, None, None)

    async def close(self) -> None:
        """Disconnect; idempotent."""
        await self._drop()


def check_template(template: str) -> None:
    """Raise EnvgwError if a topic template is not one: an unknown placeholder, or a wildcard."""
    for name in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            allowed = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise EnvgwError(f"topic {template!r}: {{{name}}} is not a placeholder; write one of {allowed}")
    rest = _PLACEHOLDER.sub("", template)
    if not template or set("+#\0{}") & set(rest):
        raise EnvgwError(f"topic {template!r} is not a topic to publish to: it is empty, or has a wildcard or a single brace")


def topic_of(template: str, transition: Transition) -> str:
    """The alert's topic. One pass, so that a value that looks like a placeholder stays a value.

    Two devices of one station can be silent at once; their alerts must not share a topic, or the end of one would
    clear the other. So `/<device>` is appended where the alert belongs to a device and the template does not name it.
    """
    values = {name: level(str(getattr(transition, name))) for name in PLACEHOLDERS}
    topic = _PLACEHOLDER.sub(lambda match: values[match[1]], template)
    group = transition.episode.removeprefix(transition.rule + "/").rpartition("/")[0]
    if transition.device and "{device}" not in template and group not in ("", transition.station):
        topic += f"/{values['device']}"
    return topic


def level(value: str) -> str:
    """A value as one level of a topic: separators, wildcards, controls and a leading `$` become `_`, as does nothing at all."""
    text = _NOT_IN_A_LEVEL.sub("_", value[:_LONGEST_LEVEL])
    return "_" + text[1:] if text.startswith("$") else text or "_"
