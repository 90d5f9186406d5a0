"""The whole chain at full size, asset by asset: time, memory and bytes, with the rates of the machine for comparison.

    uv run python benchmarks/full_size.py [--events N ...] [--folder PATH] [--baselines ID ...] [--trials N]
        [--start ASSET] [--skip PART ...]
    uv run python benchmarks/full_size.py --fill docs/results/full-size.md RESULTS.json ...

The log is the generated one; at 19,100,000 events it has the size of Last.fm-1K: 992 users, about 1.5M tracks and 174k
artists, two plays in three repeats. Every asset is made by the command that a user would give, in a separate process,
so that its peak is its own; existing assets are made again, except the log. Several sizes (--events) make the
growth curve. In addition, in the same run: a plain-Python ingest, the training step of the reference, exact search.
The CPU used by other processes is printed, since such machines are shared. --start keeps what an earlier run
in this folder made before an asset: `--start baselines --baselines cheap ials --trials 4` asks what iALS adds. The
results are one JSON file in --folder (default: .loopback/benchmarks); --fill writes the given ones into the block
`[//]: # (full-size)` of a Markdown file.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from indexes import measure_indexes
from machine import Machine, foreign_load, measure_machine

CHAIN = (
    "raw_listens",
    "interactions",
    "temporal_splits",
    "trained_towers",
    "trained_ranker",
    "track_embeddings",
    "faiss_index",
    "baselines",
    "evaluation",
)
CHEAP = (
    *("popularity_users", "popularity_plays", "popularity_decayed", "artist_popularity"),
    *(
        "personal_most_played",
        "personal_most_recent",
        "personal_decayed",
        "recent_artist",
        "same_artist",
        "ease_artists",
    ),
)
HERE = Path(__file__).parent


def run(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a command: seconds, CPU seconds, peak of its largest process, bytes on disk, CPU of other processes."""
    used = [0.0]
    with foreign_load(lambda: used[0]) as load:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        used[0] = usage.ru_utime + usage.ru_stime
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode(errors='replace')[-3000:]}")
    return {
        "command_seconds": seconds,
        "cpu_seconds": used[0],
        "command_peak_mb": usage.ru_maxrss * 1024 / 1e6,
        "disk_read_bytes": usage.ru_inblock * 512,
        "disk_written_bytes": usage.ru_oublock * 512,
        "foreign_cores": load.foreign_cores,
    }


def measure_chain(
    home: Path,
    events: int,
    users: int,
    baselines: list[str],
    seed: int = 0,
    trials: int = 0,
    start: str = CHAIN[0],
) -> dict[str, Any]:
    """Every asset of the chain from `start` on, made by the command of a user; returns asset -> what it took."""
    from loopback_core.store.artifacts import ArtifactStore

    home.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(f'"{name}"' for name in baselines)
    (home / "settings.toml").write_text(
        f"[source]\nsample_events = {events}\nsample_users = {users}\n"
        f"[training]\nseed = {seed}\n[evaluation]\nbaselines = [{listed}]\n"
        f"tuning_trials = {trials}\n[checks]\nmin_train_events = 100\nmin_validation_events = 10\nmin_test_events = 10\n",
        "utf-8",
    )
    environment = os.environ | {"LOOPBACK_HOME": str(home), "LOOPBACK_CONFIG": str(home / "settings.toml")}
    environment.pop("LOOPBACK_SOURCE", None)
    store, found = ArtifactStore(home), {}
    for asset in CHAIN[CHAIN.index(start) :]:
        if asset != "raw_listens":
            shutil.rmtree(home / asset, ignore_errors=True)
        command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", asset]
        took = run([*command, "-m", "loopback_assets.definitions"], environment)
        artifact = store.latest(asset)
        written = sum(file.stat().st_size for file in artifact.folder.rglob("*") if file.is_file())
        found[asset] = took | {
            "seconds": artifact.manifest["seconds"],
            "peak_mb": artifact.manifest["peak_rss_mb"],
            "bytes": written,
        }
        print(_row(asset, events, found[asset]), flush=True)
    return found


def _row(asset: str, events: int, took: dict[str, Any]) -> str:
    return (
        f"{asset:<18} {took['seconds']:>8.1f} s {events / max(took['seconds'], 1e-9):>12,.0f} events/s "
        f"{took['peak_mb'] / 1000:>6.2f} GB {took['bytes'] / 1e6:>9,.0f} MB  whole command {took['command_seconds']:.0f} s, "
        f"other processes {took['foreign_cores']:.1f} cores"
    )


def floors(machine: Machine, home: Path) -> dict[str, float]:
    """Seconds that each asset could not go below: bytes over the bandwidth that moves them, operations over their rate.

    Of a training step: see `training_floor`.
    """
    from loopback_core.splits import Splits
    from loopback_core.store.artifacts import ArtifactStore

    store = ArtifactStore(home)
    size = {asset: _bytes(store.latest(asset).folder) for asset in CHAIN}
    splits = Splits(store.latest("temporal_splits").folder)
    n_tracks, n_users = splits.testing.catalog.n_tracks, splits.testing.catalog.n_users
    dimension = store.latest("track_embeddings").summary["dimension"]
    through = {
        "interactions": (size["raw_listens"], size["interactions"]),
        "temporal_splits": (size["interactions"], size["temporal_splits"]),
        "track_embeddings": (size["trained_towers"], size["track_embeddings"]),
        "faiss_index": (size["track_embeddings"], size["faiss_index"]),
    }
    found = {
        asset: read / machine.disk_read + written / machine.disk_write for asset, (read, written) in through.items()
    }
    # Exact scores of the towers, served, alone and with each other in three tasks of the whole catalog.
    found["evaluation"] = 3 * 2 * 2 * n_users * n_tracks * dimension / machine.flops
    found["trained_towers"] = training_floor(machine, splits, store.latest("trained_towers"))
    return found


def training_floor(machine: Machine, splits: Any, towers: Any) -> float:
    """Seconds for the epochs that were trained, of the products and the rows of tables that some steps need.

    Rows are read once, and read and written once more by the optimizer; gradients of products cost twice the products.
    """

    import torch

    from loopback_core.settings import TowersSettings, TrainingSettings, load_settings
    from loopback_core.training.set_up import make_examples, set_up

    chosen = towers.manifest["settings"]
    settings = load_settings({}, environ={})
    settings = settings.model_copy(
        update={"towers": TowersSettings(**chosen["towers"]), "training": TrainingSettings(**chosen["training"])}
    )
    examples = make_examples(splits.tuning, settings)
    model, _ = set_up(splits.tuning, settings, torch.device("cpu"))
    flops = moved = targets = 0
    dim = settings.towers.output_dim
    for batch in islice(examples.epoch(1), 30):
        negatives = len(batch.tracks) - len(batch)
        flops += 6 * dim * (len(batch.users) * negatives + len(batch))
        for pool in (batch.users.artists, batch.users.tracks):
            flops += sum(4 * dim * weights.numel() for weights in pool.weights)  # the weights have no gradient
        batch.loss(model)
        rows = sum(len(rows) for table in model.embeddings() for rows, _ in table.touched)
        moved += 3 * 4 * dim * rows
        targets += len(batch)
        for table in model.embeddings():
            table.touched.clear()
    trained = json.loads((towers.folder / "history.json").read_text("utf-8"))
    total = sum(epoch["events_per_second"] * epoch["seconds"] for epoch in trained["epochs"] + trained.get("refit", []))
    return total / targets * (flops / machine.flops + moved / machine.memory)


def training_curve(home: Path) -> list[tuple[float, float]]:
    """Seconds of training, validation apart, and what the validation metric was after each epoch."""
    from loopback_core.settings import load_settings
    from loopback_core.store.artifacts import ArtifactStore

    towers = ArtifactStore(home).latest("trained_towers")
    epochs = json.loads((towers.folder / "history.json").read_text("utf-8"))["epochs"]
    metric = load_settings().training.validation_metric
    seconds = accumulate(epoch["seconds"] for epoch in epochs)
    return [(after, epoch["validation"][metric]) for after, epoch in zip(seconds, epochs, strict=True)]


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def measure_python(home: Path, lines: int) -> dict[str, float]:
    """Rows per second of the plain-Python ingest, on the first lines of the same log."""
    from loopback_core.store.artifacts import ArtifactStore

    raw = ArtifactStore(home).latest("raw_listens").folder
    log = max(raw.glob("*.tsv"), key=lambda path: path.stat().st_size)
    out = home / "python"
    command = [sys.executable, str(HERE / "python_ingest.py"), str(log), str(out), str(lines)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    shutil.rmtree(out, ignore_errors=True)
    return said | {"rows_per_second": said["rows"] / said["seconds"]}


def measure_steps(home: Path, rounds: int, steps: int) -> dict[str, list[float]]:
    """Distinct listens per second of the training step of each preset, in turns."""
    from training_step import measure

    from loopback_core.splits import Splits
    from loopback_core.store.artifacts import ArtifactStore

    return measure(Splits(ArtifactStore(home).latest("temporal_splits").folder).tuning, rounds, steps)


def profile_step(home: Path) -> dict[str, dict[str, float]]:
    """Where the time of a training step of the recipe goes."""
    from training_step import profile

    from loopback_core.splits import Splits
    from loopback_core.store.artifacts import ArtifactStore

    return profile(Splits(ArtifactStore(home).latest("temporal_splits").folder).tuning, 50)


def apart(function: str, *arguments: Any) -> Any:
    """A function of this file, called in a process of its own."""
    call = f"import json, full_size; from pathlib import Path; print(json.dumps(full_size.{function}(*{arguments!r})))"
    call = call.replace("PosixPath(", "Path(")
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    done = subprocess.run([sys.executable, "-c", call], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def floors_of(machine: dict[str, float], home: Path) -> dict[str, float]:
    """`floors`, of what JSON holds."""
    return floors(Machine(**machine), home)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[19_100_000], help="sizes of the log")
    parser.add_argument("--users", type=int, default=992)
    parser.add_argument("--folder", type=Path, default=Path(".loopback/benchmarks"))
    parser.add_argument("--baselines", nargs="+", default=["cheap"], help="ids; 'cheap', 'all'")
    parser.add_argument("--trials", type=int, default=0, help="settings tried of each baseline; 0: all")
    parser.add_argument("--start", default=CHAIN[0], choices=CHAIN, help="what lies before is kept from an earlier run")
    parser.add_argument("--skip", nargs="+", default=[], choices=["python", "steps", "index"], help="leave these out")
    parser.add_argument("--fill", nargs="+", metavar="FILE", help="a Markdown file, and results to fill it from")
    options = parser.parse_args()
    if options.fill:
        from full_size_tables import fill

        fill(Path(options.fill[0]), [Path(path) for path in options.fill[1:]])
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    baselines = [one for name in options.baselines for one in (CHEAP if name == "cheap" else (name,))]
    results: dict[str, Any] = {"users": options.users, "baselines": baselines, "trials": options.trials, "sizes": {}}
    out = options.folder / f"full_size-{time.strftime('%Y%m%d-%H%M%S')}.json"
    machine = measure_machine(options.folder)
    results["machine"] = asdict(machine) | {"cores": os.cpu_count()}
    for events in options.events:
        home = options.folder.absolute() / f"full-{events}"
        print(f"{events:,} events, {options.users} users", flush=True)
        chain = measure_chain(home, events, options.users, baselines, trials=options.trials, start=options.start)
        of_size: dict[str, Any] = {"events": events, "chain": chain}
        results["sizes"][str(events)] = of_size
        parts: dict[str, Callable[[], Any]] = {
            "curve": partial(apart, "training_curve", home),
            "floors": partial(apart, "floors_of", asdict(machine), home),
        }
        if "python" not in options.skip:
            parts["python"] = partial(measure_python, home, max(100_000, events // 50))
        if "steps" not in options.skip:
            parts["steps"] = partial(apart, "measure_steps", home, 5, 10)
            parts["profile"] = partial(apart, "profile_step", home)
        if "index" not in options.skip and events == max(options.events):
            parts["index"] = partial(measure_indexes, home)
        for name, measure in parts.items():  # a run that is killed leaves what it has measured
            of_size[name] = measure()
            out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    print(f"results: {out}")


if __name__ == "__main__":
    main()
