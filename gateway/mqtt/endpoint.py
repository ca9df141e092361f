"""How a broker is reached: its address, its TLS context, and how long to wait before the next attempt."""

from __future__ import annotations

import random
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.errors import EnvgwError
from gateway.settings import BrokerSection

_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Endpoint(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_url(url: str) -> Endpoint:
    """`mqtt://host[:port]` (1883) or `mqtts://host[:port]` (8883). Raises EnvgwError saying what to write."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EnvgwError(f"broker url: {error}; write mqtt://host:port or mqtts://host:port") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise EnvgwError(f"broker url must read mqtt://host:port or mqtts://host:port, not {_without_password(url)!r}")
    if parts.username or parts.password:
        raise EnvgwError("broker url holds a user or password: write them as `username` and `password: !env NAME`")
    if port is None:
        port = _PORTS[parts.scheme]
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise EnvgwError(f"broker url has something behind the port: write {parts.scheme}://{parts.hostname}:{port}")
    return Endpoint(parts.hostname, port, parts.scheme == "mqtts")


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"…@{tail}" if at else head + tail


def tls_context(settings: BrokerSection) -> ssl.SSLContext:
    """The TLS context of an mqtts:// broker: certificate and host name are always verified.

    Raises EnvgwError naming the file that cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file and str(settings.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise EnvgwError(f"ca_file {settings.ca_file} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file is not None:
        try:
            context.load_cert_chain(str(settings.cert_file), settings.key_file and str(settings.key_file), password="")
        except (OSError, ssl.SSLError) as error:
            files = f"cert_file {settings.cert_file}" + (f" with key_file {settings.key_file}" if settings.key_file else "")
            raise EnvgwError(f"{files} cannot be used: {error}; it must be PEM, its key not encrypted") from error
    return context


def connect_failure(settings: BrokerSection, endpoint: Endpoint, error: BaseException) -> str:
    """Why no connection came about, in words that say what to do."""
    where = f"{endpoint} of broker {settings.name!r}"
    if isinstance(error, EnvgwError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {where} is not trusted ({error.verify_message}): check ca_file and the host name in url"
    if isinstance(error, ssl.SSLError):
        return f"TLS with {where} failed ({error.reason or error}): is it a TLS port, and does it want cert_file and key_file?"
    if isinstance(error, TimeoutError):
        return f"{where} does not answer within {settings.connect_timeout / 1000:g} s: check address, port and firewall"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {where}: start the broker, or correct url"
    if isinstance(error, ConnectionResetError):
        return f"{where} reset the connection before it was set up: is the port right (TLS or plain)?"
    return f"cannot connect to {where}: {getattr(error, 'strerror', None) or error}"


class Backoff:
    """Capped exponential back-off with full jitter: the n-th pause is uniform in [0, min(cap, first × 2ⁿ)].

    Full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015) spreads the gateways of a city that all lost
    the same broker. A connection resets it only when it lasted `STABLE_S`: a broker that accepts and drops us
    at once is not hammered.
    """

    FIRST_S = 0.25
    STABLE_S = 5.0

    def __init__(self, cap_s: float, rng: random.Random) -> None:
        self._cap = cap_s
        self._rng = rng
        self._tries = 0

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        ceiling = min(self._cap, self.FIRST_S * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return self._rng.uniform(0, ceiling)

    def lasted(self, seconds: float) -> None:
        """A connection that was set up has ended after `seconds`."""
        if seconds >= self.STABLE_S:
            self._tries = 0
