"""`interactions` and `temporal_splits` of a log larger than memory: seconds and peak memory of each, under a limit.

    uv run python benchmarks/large_log.py [--events N ...] [--users N] [--tracks N] [--limit-gb 4] [--folder PATH]
        [--engines loopback duckdb] [--steps STEP ...] [--keep]

The log is generated: Parquet parts of a million rows, seeded. Each step runs in a process of its own whose RLIMIT_DATA is the
limit: it counts all private memory that can be written to, so what the allocator holds, not only what is resident; what is
mapped from files does not count. A step that needs more fails. `peak MB` is the highest resident memory of the process.
DuckDB does the same work in SQL (`large_log_duckdb.py`). `grown` is `interactions` again after the last part was added to a log whose
other parts were cleaned before; ours alone. Parts, steps and results are deleted at the end unless --keep.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from large_log_parts import PART_ROWS, write_part

STEPS = ("interactions", "temporal_splits", "grown")

RETURN_MEMORY = {"_RJEM_MALLOC_CONF": "retain:false", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Allocators give address space back that they do not use: else RLIMIT_DATA counts it."""


def make_log(folder: Path, events: int, users: int, tracks: int) -> None:
    """Write the parts that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = max(1, round(events / PART_ROWS))
    rows = events // parts
    for number in range(parts):
        if not (folder / f"part-{number:05}.parquet").exists():
            write_part(folder, number, parts, users, tracks, rows)


def run_step(engine: str, step: str, folder: Path, limit_gb: float) -> None:
    """The step in this process: prints a JSON line of what it took."""
    if limit_gb:
        resource.setrlimit(resource.RLIMIT_DATA, (int(limit_gb * 1e9), int(limit_gb * 1e9)))
    log, home = folder / "log", folder / engine
    home.mkdir(parents=True, exist_ok=True)
    if step == "grown":
        cleaned_before(log, home)
    before = os.times()
    started = time.perf_counter()
    if engine == "duckdb":
        from large_log_duckdb import duckdb_step

        found = duckdb_step(step, log, home, limit_gb)
    else:
        found = loopback_step(step, log, home)
    seconds, after = time.perf_counter() - started, os.times()
    took = {
        "seconds": seconds,
        "cpu_seconds": after.user + after.system - before.user - before.system,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "mb_written": sum(file.stat().st_size for file in (home / step).rglob("*") if file.is_file()) / 1e6,
    }
    print(json.dumps(took | found))


def loopback_step(step: str, log: Path, home: Path) -> dict[str, object]:
    """One of our steps; returns counts of what it made."""
    from loopback_core.listens.fingerprint import file_digests
    from loopback_core.listens.ingest import ingest
    from loopback_core.listens.sources import find_log
    from loopback_core.settings import SourceSettings, SplitSettings
    from loopback_core.splits import split_listens

    if step != "temporal_splits":
        source = SourceSettings(name=str(log))
        raw = find_log(source, home)
        if step == "grown":
            raw = replace(raw, sha256=file_digests(raw))
        made = ingest(raw, home / step, source, kept=home / "kept" if step == "grown" else None)
        return {"rows": made.rows, "kept": made.kept, "tracks": made.tracks, "users": made.users}
    summary = split_listens(home / "interactions", home / step, SplitSettings())
    return {**summary.events, "tracks": summary.tracks}


def cleaned_before(log: Path, home: Path) -> None:
    """Make `interactions` of all parts but the last, and keep what was cleaned of each."""
    from loopback_core.listens.fingerprint import file_digests
    from loopback_core.listens.ingest import ingest
    from loopback_core.listens.sources import find_log
    from loopback_core.settings import SourceSettings

    kept = home / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    source = SourceSettings(name=str(log))
    raw = find_log(source, home)
    raw = replace(raw, files=raw.files[:-1])
    ingest(replace(raw, sha256=file_digests(raw)), home / "grown", source, kept=kept)


def measure(engine: str, step: str, folder: Path, limit_gb: float) -> dict[str, float] | None:
    """A step in a process of its own; None when it failed, which is said."""
    shutil.rmtree(folder / engine / step, ignore_errors=True)
    command = [sys.executable, __file__, "--step", engine, step, "--folder", str(folder), "--limit-gb", str(limit_gb)]
    environment = (
        os.environ | RETURN_MEMORY | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path[1:]])}
    )
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(f"{engine} {step} failed ({done.returncode}): {done.stderr.strip()[-600:]}", file=sys.stderr, flush=True)
        return None
    took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{engine} {step}: {took}", file=sys.stderr, flush=True)
    return took


def main() -> None:
    """Every size and engine, as rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[19_100_000])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--tracks", type=int, default=3_000_000)
    parser.add_argument("--limit-gb", type=float, default=4.0, help="10^9 bytes; 0: none")
    parser.add_argument("--engines", nargs="+", default=["loopback", "duckdb"])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--folder", type=Path, help="default: a temporary one")
    parser.add_argument("--keep", action="store_true", help="do not delete what was made")
    parser.add_argument("--step", nargs=2, help="used for the process of one step: engine and step")
    options = parser.parse_args()
    if options.step:
        run_step(*options.step, options.folder, options.limit_gb)
        return
    print("| events | step | engine | seconds | CPU seconds | peak MB | MB written |")
    print("| ---: | --- | --- | ---: | ---: | ---: | ---: |")
    root = options.folder or Path(tempfile.mkdtemp())
    for events in options.events:
        folder = root / str(events)
        make_log(folder / "log", events, options.users, options.tracks)
        for step in options.steps:
            for engine in options.engines if step != "grown" else ["loopback"]:
                took = measure(engine, step, folder, options.limit_gb)
                shown = (
                    "failed | | |"
                    if took is None
                    else " | ".join(f"{took[key]:,.0f}" for key in ("seconds", "cpu_seconds", "peak_mb", "mb_written"))
                )
                print(f"| {events:,} | {step} | {engine} | {shown} |", flush=True)
        if not options.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
