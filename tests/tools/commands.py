"""The command `envgw` as a user types it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.tools.site import ENVGW, ROOT


def envgw(
    *arguments: str | Path, expect: int = 0, stdin: bytes = b"", cwd: Path = ROOT, timeout_s: float = 90.0
) -> subprocess.CompletedProcess[bytes]:
    """Run it; AssertionError with all it printed when the exit code is another than `expect`."""
    command: Sequence[str] = [*ENVGW, *(str(argument) for argument in arguments)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ENVGW_")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, timeout=timeout_s, check=False)
    assert done.returncode == expect, (
        f"envgw {' '.join(command[3:])}: exit {done.returncode}\n{done.stdout.decode()[-3000:]}\n{done.stderr.decode()[-3000:]}"
    )
    return done
