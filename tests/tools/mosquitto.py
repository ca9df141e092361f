"""A real mosquitto on a free port, to be killed and started again at will."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

BINARY = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """One broker with its own folder. `start`, `kill` (kill -9), `stop` (SIGTERM) may be called in any order.

    Defaults are those the gateway documents: nothing dropped behind a slow subscriber, persistence on. `config` are
    further lines in front of the listener's; `listener` lines come behind `listener PORT 127.0.0.1`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: tuple[str, ...] = (),
        listener: tuple[str, ...] = (),
        persistence: bool = True,
        anonymous: bool = True,
        port: int | None = None,
    ) -> None:
        if BINARY is None:
            raise FileNotFoundError("mosquitto is not installed: apt-get install mosquitto")
        self.folder = folder
        self.port = port or free_port()
        self.persistence = persistence
        folder.mkdir(parents=True, exist_ok=True)
        self._config = [
            # Started as root it would become user `mosquitto`, who cannot reach pytest's folders (and any pytest that starts
            # on the same machine closes them again).
            *(["user root"] if os.getuid() == 0 else []),
            "max_inflight_messages 0",
            "max_queued_messages 0",
            f"allow_anonymous {'true' if anonymous else 'false'}",
            f"persistence {'true' if persistence else 'false'}",
            f"persistence_location {folder}/",
            *config,
            f"listener {self.port} 127.0.0.1",
            *listener,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "mosquitto.log"

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, timeout_s: float = 10.0) -> Mosquitto:
        """Start it and wait until it listens."""
        assert self._process is None, "it runs already"
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join(self._config) + "\n")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([str(BINARY), "-c", str(path)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"mosquitto did not start:\n{self.log()}") from None
                time.sleep(0.01)

    def save(self) -> None:
        """Have it write its database now (SIGUSR1), and wait until the file is new."""
        assert self._process is not None
        database = self.folder / "mosquitto.db"
        before = database.stat().st_mtime_ns if database.exists() else 0
        self._process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while not database.exists() or database.stat().st_mtime_ns == before:
            if time.monotonic() > deadline:
                raise RuntimeError(f"mosquitto did not save its database:\n{self.log()}")
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it saves its database if persistence is on."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Throw its database away (while it is stopped): it will not know any session."""
        assert self._process is None
        (self.folder / "mosquitto.db").unlink(missing_ok=True)

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _end(self, signal_number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal_number)
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    async def start_async(self) -> Mosquitto:
        """`start` without holding up the event loop."""
        return await asyncio.to_thread(self.start)

    def __enter__(self) -> Mosquitto:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()


def password_file(path: Path, **users: str) -> Path:
    """A mosquitto password file (`password_file PATH`) with these users."""
    path.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
    path.chmod(0o644)
    return path
