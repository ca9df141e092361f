"""How commands reach the running gateway: its HTTP API at the address that the configuration names.

Many gateways have the same address: the demo's, for one. So nobody is asked while our own ledger lies here and no process works on
it: whoever answers then is another installation's, and would be told what is meant for ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from gateway.errors import EnvgwError
from gateway.settings import Settings


class NotRunning(EnvgwError):
    """No gateway answers at the configured address."""


class Busy(EnvgwError):
    """The gateway cannot do it now; it says when to ask again."""

    def __init__(self, text: str, after_s: float) -> None:
        super().__init__(text)
        self.after_s = after_s


class Api:
    """A client of one gateway's API."""

    def __init__(self, settings: Settings, *, timeout_s: float = 30.0) -> None:
        host = settings.api.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.base = f"http://{f'[{host}]' if ':' in host else host}:{settings.api.port}"
        self._timeout = httpx.Timeout(timeout_s, connect=2.0)
        self._ledger = settings.gateway.data_dir / settings.ledger.file

    def get(self, path: str, *, accept: tuple[int, ...] = (), **params: Any) -> Any:
        """JSON of a GET. Raises NotRunning, or EnvgwError with what the gateway says is wrong; `accept` are no errors."""
        return self._call("GET", path, accept, params={key: value for key, value in params.items() if value is not None})

    def post(self, path: str, body: Any) -> Any:
        """JSON of a POST; may take long (replay): no time limit on the answer."""
        return self._call("POST", path, (), json=body, timeout=httpx.Timeout(None, connect=2.0))

    def _call(self, method: str, path: str, accept: tuple[int, ...], **options: Any) -> Any:
        options.setdefault("timeout", self._timeout)
        self._ours()
        try:
            answer = httpx.request(method, self.base + path, trust_env=False, **options)
        except httpx.ConnectError:
            raise NotRunning(self._not_running()) from None
        except httpx.HTTPError as error:
            raise EnvgwError(f"the gateway at {self.base} does not answer: {error or type(error).__name__}") from None
        if answer.status_code not in accept:
            _raise_for(answer)
        return answer.json()

    @contextmanager
    def stream(self, path: str, **params: Any) -> Iterator[Iterator[bytes]]:
        """Chunks of a streamed answer."""
        wanted = {key: value for key, value in params.items() if value is not None}
        self._ours()
        try:
            with httpx.stream("GET", self.base + path, params=wanted, trust_env=False, timeout=self._timeout) as answer:
                if answer.status_code >= 400:
                    answer.read()
                _raise_for(answer)
                yield answer.iter_bytes()
        except httpx.ConnectError:
            raise NotRunning(self._not_running()) from None
        except httpx.HTTPError as error:
            raise EnvgwError(f"the answer of {self.base} broke off: {error or type(error).__name__}. Ask again") from None

    def _ours(self) -> None:
        from gateway.ledger.disk import let_go  # a quarter of a second that `--help` need not wait

        if let_go(self._ledger):
            raise NotRunning(f"the gateway of {self._ledger.parent} does not run: start it (`envgw run`), or name another with --config")

    def _not_running(self) -> str:
        return f"no gateway answers at {self.base}: start it (`envgw run`), or name its configuration with --config"


def _raise_for(answer: httpx.Response) -> None:
    if answer.status_code < 400:
        return
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:300] or answer.reason_phrase
    if answer.status_code == 503:
        after = answer.headers.get("Retry-After", "")
        raise Busy(str(detail), float(after) if after.isdecimal() else 5.0)
    raise EnvgwError(str(detail))
