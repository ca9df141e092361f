"""A whole site for end-to-end and fault tests: the real command `envgw run` as a process, between real servers.

site = Site(tmp_path, broker_url, history=[…])      writes envgw.yaml, stations.yaml, rules.yaml
site.start()                                         returns when /readyz answers (any colour)
site.status(), site.until(lambda s: …), site.kill(), site.terminate()
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.tools.mosquitto import free_port

ROOT = Path(__file__).resolve().parents[2]
ENVGW = [sys.executable, "-m", "gateway"]
"""The command, as installed."""

SMOKE = {
    "id": "pm25-smoke",
    "name": {"vi": "Khói bụi PM2,5", "en": "PM2.5 smoke"},
    "where": {"medium": "air"},
    "levels": {"warning": {"when": "pm25 > 100", "immediate": True, "clear": "pm25 < 80"}},
    "flapping": False,
}


def air_stations(count: int, *, interval: str = "60s", first: int = 1) -> list[dict[str, Any]]:
    """Stations st-0001 … with one air node an-0001 … each."""
    return [
        {
            "id": f"st-{n:04}",
            "name": {"vi": f"Trạm {n}", "en": f"Station {n}"},
            "lat": 16.06,
            "lon": 108.22,
            "area": "hai-chau",
            "medium": "air",
            "devices": [
                {"id": f"an-{n:04}", "type": "air-node", "topics": [f"sensors/air/an-{n:04}"], "from": "1990-01-01", "interval": interval}
            ],
        }
        for n in range(first, first + count)
    ]


class Site:
    """One gateway with its folder. Kill it, start it again: the folder stays."""

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        *,
        history: Sequence[dict[str, Any]] = ({"name": "local", "kind": "duckdb"},),
        receivers: Sequence[dict[str, Any]] = ({"name": "log", "kind": "log"},),
        stations: Sequence[dict[str, Any]] | None = None,
        rules: Sequence[dict[str, Any]] = (SMOKE,),
        protocol: str = "5",
        broker: dict[str, Any] | None = None,
        subscriptions: Sequence[dict[str, Any]] = ({"topic": "sensors/air/+", "type": "air-node"},),
        **sections: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.config = folder / "envgw.yaml"
        self.log = folder / "envgw.log"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "stations.yaml").write_text(yaml.safe_dump({"stations": list(stations or air_stations(3))}, allow_unicode=True))
        (folder / "rules.yaml").write_text(yaml.safe_dump({"rules": list(rules)}, allow_unicode=True))
        self.settings: dict[str, Any] = {
            "gateway": {"id": "test", "data_dir": "data"},
            "brokers": [
                {"name": "city", "url": broker_url, "protocol": protocol, "subscriptions": list(subscriptions), **(broker or {})},
            ],
            "history": list(history),
            "receivers": list(receivers),
            "stations": ["stations.yaml"],
            "rules": ["rules.yaml"],
            "api": {"port": self.port},
            "ledger": {"low_water": "1MB", "reserve": "1MB"},
            **sections,
        }
        self.write()

    def write(self) -> None:
        """Write envgw.yaml from `settings` (after a test changed them)."""
        self.config.write_text(yaml.safe_dump(self.settings, allow_unicode=True))

    @property
    def data(self) -> Path:
        """The gateway's data folder."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """Process id of the running gateway."""
        assert self.process is not None
        return self.process.pid

    def start(self, *, wrap: Sequence[str] = (), timeout_s: float = 30.0, **popen: Any) -> Site:
        """Start the gateway (under `wrap`, e.g. strace) and wait until its API answers."""
        self.launch(wrap=wrap, **popen)
        self.wait_alive(timeout_s)
        return self

    def launch(self, *, wrap: Sequence[str] = (), **popen: Any) -> None:
        """Start the process without waiting."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ENVGW_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*wrap, *ENVGW, "run", "--config", str(self.config)],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, **popen,
            )  # fmt: skip

    def wait_alive(self, timeout_s: float = 30.0) -> None:
        """Until /healthz answers; AssertionError with the log's end when the process died or time ran out."""
        deadline = time.monotonic() + timeout_s
        while True:
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the gateway did not come up:\n{self.tail()}")
            try:
                if self.get("/healthz").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.02)

    def get(self, path: str, **params: Any) -> httpx.Response:
        """GET from the API."""
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", params=params, timeout=10.0, trust_env=False, verify=False)

    def post(self, path: str, body: Any) -> httpx.Response:
        """POST JSON to the API."""
        return httpx.post(f"http://127.0.0.1:{self.port}{path}", json=body, timeout=60.0, trust_env=False, verify=False)

    def status(self) -> dict[str, Any]:
        """`/api/v1/status`, its accounting identity checked (invariant 2)."""
        found: dict[str, Any] = self.get("/api/v1/status").json()
        assert found["received"] == found["stored"] + sum(found["rejected"].values()) + found["duplicate"] + found["shed"], found
        return found

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """(ready, parts by name) of /readyz."""
        answer = self.get("/readyz")
        return answer.status_code == 200, {part["name"]: part for part in answer.json()["parts"]}

    def until(self, condition: Callable[[dict[str, Any]], Any], timeout_s: float = 30.0) -> dict[str, Any]:
        """Poll the status until `condition` holds; returns it. AssertionError with status and log otherwise."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.status()
            if condition(found):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not reached in {timeout_s} s: {json.dumps(found)[:3000]}\n{self.tail()}")
            time.sleep(0.03)

    def until_ready(self, condition: Callable[[bool, dict[str, Any]], Any], timeout_s: float = 30.0) -> dict[str, Any]:
        """Poll /readyz until `condition(ready, parts)` holds; returns the parts."""
        deadline = time.monotonic() + timeout_s
        while True:
            ready, parts = self.ready()
            if condition(ready, parts):
                return parts
            if time.monotonic() > deadline:
                raise AssertionError(f"not reached in {timeout_s} s: {parts}\n{self.tail()}")
            time.sleep(0.03)

    def until_connected(self, timeout_s: float = 30.0) -> None:
        """Until every broker is connected and its backlog drained."""
        self.until_ready(
            lambda _, parts: all(part["colour"] == "green" for name, part in parts.items() if name.startswith("source")), timeout_s
        )

    def until_delivered(self, received: int, timeout_s: float = 60.0) -> dict[str, Any]:
        """Until so many messages are taken in and no lane has anything waiting."""
        return self.until(lambda s: s["received"] >= received and not any(s["pending"].values()), timeout_s)

    def rows(self, **params: Any) -> list[dict[str, Any]]:
        """Readings from `/api/v1/readings`."""
        text = self.get("/api/v1/readings", since="1970-01-01T00:00Z", until="2100-01-01T00:00Z", **params)
        assert text.status_code == 200, text.text
        return [json.loads(line) for line in text.text.splitlines()]

    def kill(self) -> None:
        """kill -9, and wait for it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout_s: float = 10.0) -> int:
        """SIGTERM; returns the exit code. AssertionError if it takes longer than the 10 s that are promised."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"SIGTERM was not answered within {timeout_s} s:\n{self.tail()}") from None

    def close(self) -> None:
        """Whatever state it is in: gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def cli(self, *arguments: str, expect: int = 0) -> str:
        """Run another `envgw` command with this configuration; returns its standard output."""
        done = subprocess.run(
            [*ENVGW, *arguments, "--config", str(self.config)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def tail(self, lines: int = 40) -> str:
        """The end of the gateway's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


@contextmanager
def running(site: Site) -> Iterator[Site]:
    """A started site that is gone afterwards."""
    try:
        yield site.start()
    finally:
        site.close()
