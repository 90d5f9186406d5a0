"""Rows per second of every layout of a log, sound and damaged: nothing may be lost, memory stays bounded.

    uv run python benchmarks/logs.py --rows 1000000 [--only LAYOUT ...]

Each log is read twice in a process of its own: as it should be, and with every fifth row damaged at random. A row is printed for
each: what was kept and rejected (together all rows, or the ingest itself ends in an error), the rows per second of CPU time, which
other processes disturb less than the time of the clock, and the peak memory of its largest process; the reasons of rejected rows
go to stderr. Rows may be fewer than were written only in text with quotes, where a damaged quote may join lines.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from log_layouts import LOGS

JOINED = 1e-4
"""The share of the lines that quotes may join with others."""


def read(path: Path) -> None:
    """Ingest a log, and print what became of it."""
    from loopback_core.listens.ingest import ingest
    from loopback_core.listens.sources import find_log
    from loopback_core.settings import SourceSettings

    source, folder = SourceSettings(name=str(path)), path.parent / "out"
    started = sum(os.times()[:4])
    summary = ingest(find_log(source, path.parent), folder, source)
    seconds = sum(os.times()[:4]) - started  # with that of processes that it started
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(
        json.dumps(
            {
                "rows": summary.rows,
                "kept": summary.kept,
                "reasons": {reason: count for reason, count in summary.rejected.items() if count},
                "rejected": sum(summary.rejected.values()),
                "rows_per_second": summary.rows / seconds,
                "peak_mb": peak / 1024,
            }
        )
    )


def measure(layout: str, n: int, rng: np.random.Generator | None) -> dict[str, Any]:
    """Write a log of `n` rows and read it in a process of its own."""
    name, write = LOGS[layout]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path, n, rng)
        command = [sys.executable, __file__, "--read", str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{layout}: {found['rows']:,} rows, {found['reasons']}", file=sys.stderr, flush=True)
    joined = n - found["rows"]
    assert found["kept"] + found["rejected"] == found["rows"], f"{layout}: rows are lost"
    assert 0 <= joined <= (JOINED * n if name.endswith(".csv") and rng else 0), f"{layout}: {joined:,} rows are lost"
    return found


def main() -> None:
    """All layouts, or some, or one log where it is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=LOGS, default=list(LOGS), metavar="LAYOUT", help="; ".join(LOGS))
    parser.add_argument("--read", type=Path, help="used for the process that reads one log")
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    print("| layout | rows/s of CPU | peak MB | every fifth row damaged: rows/s | kept | rejected | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for layout in options.only:
        sound = measure(layout, options.rows, None)
        damaged = measure(layout, options.rows, np.random.default_rng(1))
        print(
            f"| {layout} | {sound['rows_per_second']:,.0f} | {sound['peak_mb']:,.0f} | {damaged['rows_per_second']:,.0f} | "
            f"{damaged['kept']:,} | {damaged['rejected']:,} | {damaged['peak_mb']:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
