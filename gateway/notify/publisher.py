"""An aiomqtt client that tells when a publish failed. (Imported with the first delivery: aiomqtt costs 0.1 s of CPU.)

aiomqtt 2.5 leaves two things out that an alert needs, and both hooks are private there: tests with a real broker guard them.
It drops the reason code of a PUBACK, so that a refused message looks delivered; and a publish that waits for its PUBACK
does not notice that the connection is gone, it waits for the whole time-out.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt


class Refused(Exception):
    """The broker answered a PUBLISH with a failure (MQTT 5 only)."""


class Publisher(aiomqtt.Client):
    """Publishes retained at QoS 1, one message at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._gone = asyncio.Event()
        self._refusal: str | None = None

    async def deliver(self, topic: str, payload: bytes) -> None:
        """Return after the broker's PUBACK. Raises Refused, or aiomqtt.MqttError when the connection is or gets lost."""
        self._refusal = None
        publish = asyncio.ensure_future(self.publish(topic, payload, qos=1, retain=True))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({publish, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not publish.done():
                raise aiomqtt.MqttError("the connection was lost before the broker acknowledged")
            publish.result()
        finally:
            publish.cancel()
            gone.cancel()
        if self._refusal is not None:
            raise Refused(self._refusal)

    async def lost(self) -> None:
        """Return when the connection is gone."""
        await self._gone.wait()

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        if getattr(reason_code, "is_failure", False):
            self._refusal = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._gone.set()
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
