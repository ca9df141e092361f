"""Real InfluxDB 1.6 and VictoriaMetrics (Debian's packages) on free ports, to be killed, frozen and started again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.tools.mosquitto import free_port

INFLUXD = shutil.which("influxd")
VICTORIA_METRICS = shutil.which("victoria-metrics")


class _Server:
    """A program with an HTTP port and a folder. `start`, `kill` (kill -9), `freeze`, `thaw` in any order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "server.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self, timeout_s: float = 30.0) -> Any:
        """Start it and wait until it answers /ping."""
        assert self._process is None, "it runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.get("/ping")
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"{self.command()[0]} did not start:\n{self._log.read_text(errors='replace')[-3000:]}") from None
                time.sleep(0.02)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def get(self, path: str, **params: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(params)}", timeout=30) as answer:
            body: bytes = answer.read()
            return body


class Influxd(_Server):
    """InfluxDB 1.6. Databases are cheap: give each test its own."""

    def __init__(self, folder: Path, *, auth: bool = False) -> None:
        super().__init__(folder)
        self._auth = auth

    def command(self) -> list[str]:
        config = self.folder / "influxdb.conf"
        config.write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:0"\n[meta]\ndir = "{self.folder}/meta"\n'
            f'[data]\ndir = "{self.folder}/data"\nwal-dir = "{self.folder}/wal"\nquery-log-enabled = false\n'
            f'[http]\nbind-address = "127.0.0.1:{self.port}"\nlog-enabled = false\nauth-enabled = {str(self._auth).lower()}\n'
            "[monitor]\nstore-enabled = false\n"
        )
        return [str(INFLUXD), "-config", str(config)]

    def query(self, statement: str, **params: str) -> list[dict[str, Any]]:
        """One InfluxQL statement; its series."""
        data = urllib.parse.urlencode({"q": statement, "epoch": "ms", **params}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=data, timeout=30) as answer:
            (result,) = json.load(answer)["results"]
        assert "error" not in result, result
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def create(self, database: str, *, duration: str = "INF") -> None:
        shard = "1000w" if duration == "INF" else "1h"  # wide shards: old test data would make one a week
        self.query(f'CREATE DATABASE "{database}" WITH DURATION {duration} REPLICATION 1 SHARD DURATION {shard} NAME "all"')


class VictoriaMetrics(_Server):
    """VictoriaMetrics, started as our documentation demands, or with other values of the two flags that matter (None: left out)."""

    def __init__(self, folder: Path, *, dedup: str | None = "1ms", retention: str | None = "100y") -> None:
        super().__init__(folder)
        self._given = [("-dedup.minScrapeInterval", dedup), ("-retentionPeriod", retention)]

    def command(self) -> list[str]:
        return [
            str(VICTORIA_METRICS),
            f"-storageDataPath={self.folder}/data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            *(f"{flag}={value}" for flag, value in self._given if value is not None),
            "-memory.allowedBytes=128MB",
            "-loggerLevel=WARN",
        ]

    def flush(self) -> None:
        """Make what was written so far visible, and older than what follows."""
        self.get("/internal/force_flush")

    def export(self, selector: str) -> list[dict[str, Any]]:
        """Series that fit, as `{"metric": labels, "values": […], "timestamps": […]}`; what is just written is flushed first."""
        self.flush()
        body = self.get("/api/v1/export", **{"match[]": selector, "reduce_mem_usage": "0"})
        return [json.loads(line) for line in body.splitlines()]
