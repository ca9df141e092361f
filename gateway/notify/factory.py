"""From a receiver's settings to the receiver."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import EnvgwError
from gateway.notify.apprise_receiver import AppriseReceiver
from gateway.notify.base import Receiver
from gateway.notify.describe import Describer
from gateway.notify.log import Listener, LogReceiver
from gateway.notify.mqtt import MqttReceiver
from gateway.notify.webhook import WebhookReceiver
from gateway.settings import BrokerSection, ReceiverSection


def make_receiver(
    settings: ReceiverSection,
    *,
    describer: Describer,
    brokers: Mapping[str, BrokerSection],
    gateway: str = "envgw",
    external_url: str = "",
    listener: Listener | None = None,
) -> Receiver:
    """The receiver that `settings` describe; nothing is connected or imported for it before the first delivery.

    `brokers` by name; `gateway` is the gateway's id (client ids, alerts); `external_url` is where people reach the API,
    for links; `listener` is called by a `log` receiver with each delivery. Raises EnvgwError on settings that cannot work.
    """
    if settings.kind == "webhook":
        return WebhookReceiver(settings, describer, external_url=external_url, gateway=gateway)
    if settings.kind == "apprise":
        return AppriseReceiver(settings, describer)
    if settings.kind == "log":
        return LogReceiver(settings, describer, listener)
    broker = brokers.get(settings.broker or "")
    if broker is None:
        raise EnvgwError(f"receiver {settings.name!r} names broker {settings.broker!r}, which is not configured; known: {sorted(brokers)}")
    return MqttReceiver(settings, broker, describer, gateway=gateway)
