"""Whom a command talks to: the gateway of its own configuration, and nobody else who happens to have the port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.commands.client import Api, NotRunning
from gateway.config import load
from gateway.ledger import Ledger
from gateway.settings import LedgerSection, Settings


class Anybody(BaseHTTPRequestHandler):
    """Answers everything, as the gateway of another installation on the same port does."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"whose": "theirs"}')

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@pytest.fixture
def theirs() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Anybody)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def configured(tmp_path: Path, server: ThreadingHTTPServer) -> Settings:
    config = tmp_path / "envgw.yaml"
    config.write_text(f"gateway: {{data_dir: data}}\napi: {{port: {server.server_address[1]}}}\n")
    return load(config, environ={}).settings


def test_another_gateway_on_the_port_is_told_nothing_while_ours_does_not_run(tmp_path: Path, theirs: ThreadingHTTPServer) -> None:
    settings = configured(tmp_path, theirs)
    settings.gateway.data_dir.mkdir()
    Ledger(settings.gateway.data_dir / settings.ledger.file, LedgerSection()).close()
    api = Api(settings)
    for ask in (lambda: api.get("/api/v1/status"), lambda: api.post("/api/v1/import", {}), lambda: api.stream("/x").__enter__()):
        with pytest.raises(NotRunning, match=r"the gateway of .*data does not run"):
            ask()
    assert theirs.asked == []  # type: ignore[attr-defined]


def test_ours_is_asked_while_it_runs(tmp_path: Path, theirs: ThreadingHTTPServer) -> None:
    settings = configured(tmp_path, theirs)
    settings.gateway.data_dir.mkdir()
    ledger = Ledger(settings.gateway.data_dir / settings.ledger.file, LedgerSection())
    try:
        assert Api(settings).get("/api/v1/status") == {"whose": "theirs"}
    finally:
        ledger.close()


def test_where_there_is_no_ledger_the_address_counts(tmp_path: Path, theirs: ThreadingHTTPServer) -> None:
    """The gateway runs on another machine, or in a container whose files are not here."""
    assert Api(configured(tmp_path, theirs)).get("/api/v1/status") == {"whose": "theirs"}
