"""`python -m tests.bench [--quick] [--only PART …]`: measure, and print a table of what was measured against the budgets."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import formats, history, hours, latency, life, parts, whole
from tests.bench.measure import Table
from tests.bench.plant import Plant

PARTS = ("whole", "parts", "hours", "formats", "latency", "memory", "start", "backlog", "history")


def main() -> int:
    """Run what was asked for; 0 however the budgets fare: a bench reports, it does not judge a commit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of small sizes: a minute or two, and coarse")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part only; may be repeated")
    arguments = parser.parse_args()
    wanted = arguments.only or list(PARTS)
    quick = arguments.quick
    rounds = 1 if quick else 3
    table = Table()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="envgw-bench-") as folder:
        plant = Plant(Path(folder))
        try:
            full_speed, commit_ms = 10_000.0, 2.0
            if "whole" in wanted:
                full_speed = whole.measure(plant, table, count=16_000 if quick else 150_000, rounds=rounds)
            if "parts" in wanted or "latency" in wanted:
                commit_ms = parts.measure(plant, table, count=10_000 if quick else 60_000, rounds=rounds)
            if "hours" in wanted:
                hours.measure(plant, table, stations=200 if quick else 1000, rates=(100, 1_000, 2_000))
            if "formats" in wanted:
                formats.measure(table, count=4_000 if quick else 20_000, rounds=rounds)
            if "latency" in wanted:
                latency.measure(plant, table, samples=60 if quick else 300, commit_ms=commit_ms, full_speed=full_speed)
            if "memory" in wanted:
                life.memory(plant, table, further=1000 if quick else 4000)
            if "start" in wanted:
                life.starts(plant, table, journal=10_000 if quick else 45_000, rounds=rounds)
            if "backlog" in wanted:
                life.backlog(plant, table, count=20_000 if quick else 200_000, judge=not quick)
                latency.beside_backlog(plant, table, count=20_000 if quick else 200_000)
            if "history" in wanted:
                history.measure(plant, table, sizes=[history.Size(100, 5)] if quick else [history.Size(100, 10), history.Size(100, 60)])
        finally:
            plant.close()
    print(f"\n{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, {time.monotonic() - began:.0f} s")
    print("Telegraf and eKuiper are not in Debian: the yardstick is the counting paho-mqtt subscriber (DESIGN section 6).\n")
    print(table.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
