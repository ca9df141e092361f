"""`python -m tests.bench [--quick] [--only PART …]`: measure, print a table of what was measured against the budgets."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import whole
from tests.bench.measure import Table
from tests.bench.plant import Plant

PARTS = ("whole",)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of small sizes: about a minute, and coarse")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part only; may be repeated")
    arguments = parser.parse_args()
    wanted = arguments.only or list(PARTS)
    quick = arguments.quick
    table = Table()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="envgw-bench-") as folder:
        plant = Plant(Path(folder))
        try:
            if "whole" in wanted:
                whole.measure(plant, table, count=20_000 if quick else 150_000, rounds=1 if quick else 3)
        finally:
            plant.close()
    print(f"\n{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, {time.monotonic() - began:.0f} s\n")
    print(table.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
