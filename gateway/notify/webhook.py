"""Receiver `webhook`: JSON in the shape of Alertmanager's webhook, version 4.

Source of the shape: Prometheus documentation, "Alerting: Configuration", `<webhook_config>`, and the types `template.Data`
and `webhook.Message` of prometheus/alertmanager. Whatever understands Alertmanager understands this: one alert a message,
`status` firing or resolved. An alert whose data stopped is still `firing` (silence is never "all clear"); annotation
`state` says `unknown`.

What an answer means: 2xx delivered. 401, 403 and redirects (a wrong address): only a person can mend it, so red and wait.
404, 408, 409, 425, 429, 5xx and time-outs: try again, not before Retry-After. Other 4xx: never accepted, set aside.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from devices.times import iso
from gateway.core.outcomes import Intent, Transition
from gateway.errors import Permanent, Retryable
from gateway.httpx_later import import_httpx
from gateway.notify.describe import Describer
from gateway.notify.text import both, name_of, render
from gateway.redact import Redactor, parts_of, show_host
from gateway.settings import ReceiverSection

if TYPE_CHECKING:
    import httpx

_RETRYABLE_4XX = {401, 403, 404, 408, 409, 425, 429}
_RED = {401, 403}
_NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: Alertmanager's `endsAt` of an alert that is still firing."""
_QUOTED_ANSWER = 300
_REST_S = 0.5
_REST_BYTES = 65_536


class WebhookReceiver:
    """POSTs each intent to one address. At least once: a receiver tells repeats by the `Idempotency-Key` header."""

    def __init__(self, settings: ReceiverSection, describer: Describer, external_url: str = "", gateway: str = "envgw") -> None:
        if settings.url is None:
            raise ValueError(f"webhook receiver {settings.name!r} needs `url`")
        self.name = settings.name
        self._url = settings.url.get_secret_value()
        self._timeout_s = settings.timeout / 1000
        self._language = settings.language
        self._describer = describer
        self._external_url = external_url.rstrip("/")
        self._gateway = gateway
        self._redact = Redactor(parts_of(self._url))
        self._where = f"receiver {settings.name} ({show_host(self._url)})"
        self._client: httpx.AsyncClient | None = None

    async def warm(self) -> None:
        """Import httpx (0.3 s of CPU) off the path of the first alert; called in the background after the start."""
        await asyncio.to_thread(import_httpx)
        self._connection()

    async def send(self, intent: Intent) -> None:
        """Deliver one intent within the configured whole time, answer included."""
        httpx = import_httpx()
        transition = intent.transition
        body = orjson.dumps(self.message(transition))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": _ascii(intent_id(transition)),
            "X-Envgw-Episode": _ascii(transition.episode),
        }
        taken = False
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._connection().stream("POST", self._url, content=body, headers=headers) as answer:
                    if 200 <= answer.status_code < 300:
                        taken = True
                        await _rest(answer)
                        return
                    quoted = await _beginning(answer)
                self._refuse(answer.status_code, answer.headers, quoted)
        except TimeoutError:
            if taken:
                return
            raise Retryable(
                f"{self._where}: no complete answer within {self._timeout_s:g} s; is it overloaded or behind a firewall?"
            ) from None
        except httpx.InvalidURL as error:
            raise Retryable(
                f"{self._where}: `url` is not an address ({self._redact(str(error))}); mend it in the configuration", red=True
            ) from None
        except httpx.UnsupportedProtocol:
            raise Retryable(f"{self._where}: `url` must begin with http:// or https://; mend it in the configuration", red=True) from None
        except (httpx.HTTPError, OSError) as error:
            # `from None`: httpx errors carry the request, and with it the address and its secrets, into tracebacks.
            said = self._redact(str(error))
            raise Retryable(f"{self._where}: {type(error).__name__}: {said}; is it running and reachable?") from None

    def message(self, transition: Transition) -> dict[str, Any]:
        """The JSON document of a transition (Alertmanager webhook version 4)."""
        labels = labels_of(transition)
        annotations = self._annotations(transition)
        status = "resolved" if transition.state == "resolved" else "firing"
        group = {"alertname": labels["alertname"], "station": labels.get("station", "")}
        page = f"{self._external_url}/api/v1/alerts/{quote(transition.episode, safe='')}" if self._external_url else ""
        return {
            "version": "4",
            "groupKey": "{}:{" + ", ".join(f"{key}={_go_quote(value)}" for key, value in sorted(group.items())) + "}",
            "truncatedAlerts": 0,
            "status": status,
            "receiver": self.name,
            "groupLabels": group,
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": self._external_url,
            "alerts": [
                {
                    "status": status,
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": iso(transition.started_ms),
                    "endsAt": iso(transition.event_ms) if status == "resolved" else _NEVER,
                    "generatorURL": page,
                    "fingerprint": fingerprint(labels),
                }
            ],
        }

    def _annotations(self, transition: Transition) -> dict[str, str]:
        vietnamese, english = render(transition, self._describer, "vi"), render(transition, self._describer, "en")
        own = {"vi": vietnamese, "en": english}.get(self._language) or both(vietnamese, english)
        annotations = {
            "summary": own.title,
            "description": own.body,
            "summary_vi": vietnamese.title,
            "summary_en": english.title,
            "description_vi": vietnamese.body,
            "description_en": english.body,
            "name_vi": name_of(transition, "vi"),
            "name_en": name_of(transition, "en"),
            "advice_vi": transition.advice.get("vi", ""),
            "advice_en": transition.advice.get("en", ""),
            "advice": " / ".join(text for text in (transition.advice.get("vi", ""), transition.advice.get("en", "")) if text),
            "station_vi": self._describer.station(transition.station, "vi"),
            "station_en": self._describer.station(transition.station, "en"),
            "state": transition.state,
            "reason": transition.reason,
            "value": "" if transition.value is None else repr(transition.value),
            "unit": transition.unit,
            "limit": "" if transition.limit is None else repr(transition.limit),
            "episode": transition.episode,
            "gateway": self._gateway,
            "changed_at": iso(transition.event_ms),
            "mode": transition.mode,
        }
        return {key: value for key, value in annotations.items() if value}

    def _refuse(self, status: int, headers: Mapping[str, str], quoted: str) -> None:
        said = self._redact(f": {quoted}") if quoted else ""
        if status in _RED:
            raise Retryable(f"{self._where} answered {status}{said}; check the credentials in its `url`", red=True)
        if 300 <= status < 400:
            raise Retryable(
                f"{self._where} answered {status} (a redirect, which is not followed); write the final address in `url`", red=True
            )
        if status < 500 and status not in _RETRYABLE_4XX:
            raise Permanent(f"{self._where} answered {status}{said}: it will not accept this message")
        raise Retryable(f"{self._where} answered {status}{said}", after_s=retry_after_s(headers, time.time()))

    def _connection(self) -> httpx.AsyncClient:
        if self._client is None:
            httpx = import_httpx()
            # One intent at a time: one connection, kept open. The whole time is bounded by asyncio.timeout in send.
            self._client = httpx.AsyncClient(
                timeout=None, follow_redirects=False, limits=httpx.Limits(max_connections=2, max_keepalive_connections=1)
            )
        return self._client

    async def close(self) -> None:
        """Close the connection; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def labels_of(transition: Transition) -> dict[str, str]:
    """Labels identify the alert: they are the same in all messages of an episode. Empty ones are left out."""
    labels = {
        "alertname": transition.rule,
        "severity": transition.severity,
        "kind": transition.kind,
        "station": transition.station,
        "device": transition.device,
        "area": transition.area,
        "parameter": transition.parameter,
        "exercise": "true" if transition.mode == "exercise" else "",
    }
    return {key: value for key, value in labels.items() if value}


def intent_id(transition: Transition) -> str:
    """The same for every try of one intent, another for each state change of an episode."""
    return f"{transition.episode}/{transition.state}/{transition.event_ms}"


def fingerprint(labels: Mapping[str, str]) -> str:
    """Prometheus' own label-set fingerprint (prometheus/common `model.LabelSet.Fingerprint`): FNV-1a, 64 bits."""
    digest = 14695981039346656037
    for key in sorted(labels):
        for byte in key.encode() + b"\xff" + labels[key].encode("utf-8", "replace") + b"\xff":
            digest = ((digest ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds asked for by Retry-After (RFC 9110 10.2.3): a number, or a date (against the answer's own Date)."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text).timestamp()
        return max(0.0, until - (parsedate_to_datetime(headers["date"]).timestamp() if headers.get("date") else now_s))
    except ValueError:
        return None


async def _rest(answer: httpx.Response) -> None:
    """Read what is left of a short answer: only then is its connection kept. What comes of it changes nothing: it was a success."""
    size = 0
    with contextlib.suppress(TimeoutError, import_httpx().HTTPError):
        async with asyncio.timeout(_REST_S):
            async for chunk in answer.aiter_raw():
                size += len(chunk)
                if size > _REST_BYTES:
                    return


async def _beginning(answer: httpx.Response) -> str:
    """The first characters of an answer, for the operator; never all of an endless one."""
    async for chunk in answer.aiter_bytes(_QUOTED_ANSWER):
        text = chunk[:_QUOTED_ANSWER].decode("utf-8", "replace")
        return "".join(char if char.isprintable() else " " for char in text).strip()
    return ""


def _ascii(text: str) -> str:
    """Header values are ASCII: everything else is percent-encoded, so that ids stay distinct."""
    return quote(text, safe="/:@!$&'()*,;=+-._~")


def _go_quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
