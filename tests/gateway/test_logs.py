"""Log lines: for people or machines, never with a secret, a repeated failure once."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from gateway.logs import Once, secrets_of, setup
from gateway.redact import Redactor, parts_of, show_host
from gateway.settings import BrokerSection, HistorySection, LogSection, ReceiverSection, Settings

SETTINGS = Settings(
    brokers=[BrokerSection(name="city", url="mqtt://h:1", password="mqtt-pass-1", subscriptions=[{"topic": "#", "type": "x"}])],
    history=[HistorySection(name="influx", kind="influxdb", url="http://h:8086", token="influx-token-2")],
    receivers=[
        ReceiverSection(name="chat", kind="apprise", url="tgram://123456789:AAtelegramtoken/-1001234"),
        ReceiverSection(
            name="hook", kind="webhook", url="https://duty:pw%2F9x@hooks.example:8443/services/T0AAAAAA1/x?token=abc4&format=text"
        ),
    ],
)
SECRETS = ["mqtt-pass-1", "influx-token-2", "AAtelegramtoken", "123456789:AAtelegramtoken", "pw%2F9x", "pw/9x", "T0AAAAAA1", "abc4"]


@pytest.fixture
def lines() -> Iterator[Callable[[str], io.StringIO]]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def start(format_: str) -> io.StringIO:
        stream = io.StringIO()
        setup(LogSection.model_validate({"format": format_}), secrets_of(SETTINGS), stream)
        return stream

    yield start
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("format_", ["console", "json"])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_reaches_the_log_by_any_way(lines: Callable[[str], io.StringIO], format_: str, secret: str) -> None:
    stream = lines(format_)
    log = structlog.get_logger()
    log.warning(
        f"event {secret}", field=f"x{secret}y", nested={"deep": [secret, (secret,)]}, key=RuntimeError(secret), payload=secret.encode()
    )
    try:
        raise ValueError(f"in the traceback {secret}")
    except ValueError:
        log.exception("failed")
    logging.getLogger("some.library").warning("library says %s", secret)
    try:
        raise ValueError(f"in the library's traceback {secret}")
    except ValueError:
        logging.getLogger("some.library").exception("library failed")
    text = stream.getvalue()
    assert secret not in text
    assert text.count("***") >= 8
    assert "in the traceback ***" in text
    assert "library says ***" in text


def test_json_lines_are_json_with_time_and_level(lines: Callable[[str], io.StringIO]) -> None:
    stream = lines("json")
    structlog.get_logger().info("trạm mới", station="hai-chau", count=3)
    logging.getLogger("x").warning("from a library")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["station"], first["count"]) == ("trạm mới", "info", "hai-chau", 3)
    assert first["timestamp"].endswith("Z")
    assert second["event"] == "from a library"


def test_libraries_that_log_addresses_are_kept_at_warning(lines: Callable[[str], io.StringIO]) -> None:
    stream = lines("json")
    for name in ("httpx", "apprise", "uvicorn.access"):
        logging.getLogger(name).info("POST https://x/token")
    assert stream.getvalue() == ""


def test_setup_twice_writes_each_line_once(lines: Callable[[str], io.StringIO]) -> None:
    lines("json")
    stream = lines("json")
    logging.getLogger("x").warning("once")
    assert stream.getvalue().count("once") == 1


def test_what_is_no_secret_stays_readable() -> None:
    redact = Redactor(secrets_of(SETTINGS))
    assert redact("POST to hooks.example:8443, format text, by duty on topic air/services") == (
        "POST to hooks.example:8443, format text, by duty on topic air/services"
    )
    assert parts_of("http://127.0.0.1:8080/alerts") == {"http://127.0.0.1:8080/alerts"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h.example:8443/a?b=c", "https://h.example:8443"),
        ("http://h/x", "http://h"),
        ("x://[", "(unreadable address)"),
        ("", "://?"),
    ],
)
def test_show_host(url: str, shown: str) -> None:
    assert show_host(url) == shown


def test_a_repeated_failure_is_logged_once_then_counted() -> None:
    now = 0.0
    with structlog.testing.capture_logs() as logs:
        once = Once(structlog.get_logger(), reminder_s=3600, monotonic=lambda: now)
        assert [once.failed("lane influx", "connection refused") for _ in range(100)] == [True] + [False] * 99
        assert once.failed("lane duck", "disk full"), "another one is another failure"
        assert once.failed("lane influx", "401 unauthorized"), "another reason is news"
        now = 3601
        assert once.failed("lane influx", "401 unauthorized"), "a reminder that it lasts"
        assert once.recovered("lane influx")
        assert not once.recovered("lane influx")
        assert once.failed("lane influx", "connection refused"), "after a recovery it is news again"
    assert [line["event"] for line in logs if line.get("what") == "lane influx"] == [
        "connection refused",
        "401 unauthorized",
        "401 unauthorized",
        "works again",
        "connection refused",
    ]
    assert next(line for line in logs if line["event"] == "works again")["failures"] == 102


def test_remembered_failures_are_bounded() -> None:
    with structlog.testing.capture_logs():
        once = Once(structlog.get_logger(), limit=10)
        for number in range(1000):
            once.failed(f"device {number}", "x")
        assert not once.failed("device 999", "x")
        assert once.failed("device 0", "x"), "forgotten, so logged again"
