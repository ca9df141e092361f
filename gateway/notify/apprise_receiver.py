"""Receiver `apprise`: e-mail, Telegram, Zalo, Slack … by one Apprise URL.

Apprise is synchronous, says only yes or no, and writes its reasons to its own log. So each delivery runs in this receiver's
one thread under a time-out, and what Apprise logged there becomes the reason, with every secret piece of the URL blotted out.
Whether a refusal is for good cannot be told: everything is tried again until `give_up_after`.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from gateway.core.outcomes import Intent, Transition
from gateway.errors import EnvgwError, Retryable
from gateway.notify.describe import Describer
from gateway.notify.text import Text, render
from gateway.redact import Redactor, parts_of
from gateway.settings import ReceiverSection

_WHY_LINES = 3
_HEARD_LINES = 100


class AppriseReceiver:
    """Sends through Apprise in a thread of its own."""

    def __init__(self, settings: ReceiverSection, describer: Describer) -> None:
        if settings.url is None:
            raise ValueError(f"apprise receiver {settings.name!r} needs `url`")
        self.name = settings.name
        self._url = settings.url.get_secret_value()
        self._timeout_s = settings.timeout / 1000
        self._language = settings.language
        self._describer = describer
        self._redact = Redactor(parts_of(self._url))
        self._thread = ThreadPoolExecutor(1, f"apprise-{settings.name}")
        self._under_way: Future[str] | None = None

    async def warm(self) -> None:
        """Import apprise (0.2 s of CPU) in its thread, off the path of the first alert."""
        await asyncio.wrap_future(self._thread.submit(_import_apprise))

    async def send(self, intent: Intent) -> None:
        """Deliver one intent; a thread that hangs beyond the time-out is waited for, never doubled."""
        if self._under_way is not None and not self._under_way.done():
            raise Retryable(f"receiver {self.name}: the last delivery still hangs in Apprise; waiting for it to end")
        transition = intent.transition
        self._under_way = self._thread.submit(self._deliver, render(transition, self._describer, self._language), transition)
        try:
            why = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._under_way)), self._timeout_s)
        except TimeoutError:
            raise Retryable(f"receiver {self.name}: Apprise did not finish within {self._timeout_s:g} s") from None
        except EnvgwError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place that isolates this receiver: a hundred plugins raise what they like
            raise Retryable(f"receiver {self.name}: Apprise failed with {type(error).__name__}: {self._redact(str(error))}") from None
        if why:
            raise Retryable(f"receiver {self.name}: {self._redact(why)}")

    def _deliver(self, text: Text, transition: Transition) -> str:
        """In the thread: empty if delivered, else why not."""
        apprise = _import_apprise()
        target = apprise.Apprise()
        with _Listening() as heard:
            if not target.add(self._url):
                raise Retryable(
                    f"receiver {self.name}: `url` is not an address that Apprise knows; see github.com/caronc/apprise/wiki", red=True
                )
            kind = {"resolved": apprise.NotifyType.SUCCESS}.get(transition.state)
            kind = kind or {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING}.get(transition.severity)
            # body_format text: nothing in it is taken for Markdown or HTML. interpret_escapes off: no \n tricks from outside.
            delivered = target.notify(
                title=text.title,
                body=text.body,
                notify_type=kind or apprise.NotifyType.FAILURE,
                body_format=apprise.NotifyFormat.TEXT,
                interpret_escapes=False,
            )
        return "" if delivered else "; ".join(heard[-_WHY_LINES:]) or "Apprise could not deliver and did not say why"

    async def close(self) -> None:
        """Do not wait for a hanging delivery; idempotent."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class _Listening(logging.Handler):
    """Collects what Apprise logs about this delivery: its only way to say why.

    Apprise may hand the work to threads of its own, which run in a copy of our context: the context variable tells this
    delivery's lines from those of another receiver, a thread's number would not.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if _delivery.get() is self and len(self._heard) < _HEARD_LINES:
            self._heard.append(record.getMessage())

    def __enter__(self) -> list[str]:
        self._token = _delivery.set(self)
        logging.getLogger("apprise").addHandler(self)
        return self._heard

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
        _delivery.reset(self._token)


_delivery: ContextVar[_Listening | None] = ContextVar("delivery", default=None)


def _import_apprise() -> Any:
    import apprise  # 0.2 s of CPU: only who uses it pays for it

    # Its log lines, and those of the HTTP library below, hold addresses. What matters reaches the operator as our error, blotted.
    logging.getLogger("apprise").propagate = False
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    return apprise
