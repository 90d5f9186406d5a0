"""Training speed: events per second of a step of the `reference` preset (dense AdamW) and of `reference_sparse`.

    uv run python tests/benchmarks/training_step.py [--source PATH] [--tracks N] [--rounds N] [--steps N]

A step is what the training loop does with one batch: it is put together (masks included), loss, gradients, update. Both
presets take the same batches of the same data, in turns within one process, so that foreign load hits both alike; how
much of the cores other processes took is printed. The data is a log (--source), or drawn ids with the sizes of a
100-user slice of Last.fm-1K; with --tracks the other sizes grow along.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from loopback_core.data import Catalog, Events, FitData
from loopback_core.listens.ingest import ingest
from loopback_core.listens.sources import find_log
from loopback_core.settings import Settings, SourceSettings, SplitSettings, load_settings
from loopback_core.splits import Splits, split_listens
from loopback_core.training.examples import Examples
from loopback_core.training.loop import set_up, training_step

PRESETS = ("reference", "reference_sparse")
SLICE = {"users": 100, "tracks": 92_000, "artists": 13_000, "events": 347_000}


def drawn_ids(n_tracks: int) -> FitData:
    """A log of ids alone: tracks by Zipf's law, users of unequal activity."""
    rng, scale = np.random.default_rng(0), n_tracks / SLICE["tracks"]
    n_users, n_artists, n = (int(SLICE[what] * scale) for what in ("users", "artists", "events"))
    track = draw(rng, n_tracks, n)
    user = draw(rng, max(n_users, 2), n, power=0.5)
    artist = rng.integers(0, n_artists, n_tracks).astype(np.int32)
    unused = np.zeros(n_tracks, np.int64), np.zeros(n_artists, np.int64)
    catalog = Catalog(max(n_users, 2), artist, *[unused[0]] * 3, *[unused[1]] * 3)
    return FitData(Events(user, track, np.arange(n, dtype=np.int64)), catalog, n)


def draw(rng: np.random.Generator, n: int, size: int, power: float = 1.0) -> np.ndarray:
    """`size` ids below n, id i with a chance of (i + 1) ** -power."""
    share = np.cumsum(np.arange(1, n + 1) ** -power)
    return np.minimum(np.searchsorted(share / share[-1], rng.random(size)), n - 1).astype(np.int32)


def read_log(source: str) -> FitData:
    """Train of the global split of a log."""
    with tempfile.TemporaryDirectory() as name:
        folder, settings = Path(name), SourceSettings(name=source)
        ingest(find_log(settings, folder), folder, settings)
        split_listens(folder, folder / "splits", SplitSettings())
        return Splits(folder / "splits").tuning


def measure(data: FitData, rounds: int, steps: int) -> dict[str, list[float]]:
    """Events per second of every round of `steps` steps; one round of each preset is for warming up."""
    chosen: dict[str, Settings] = {
        preset: load_settings({"training": {"preset": preset, "device": "cpu"}}, environ={}) for preset in PRESETS
    }
    ready = {
        preset: (*set_up(data, settings, torch.device("cpu")), Examples(data, settings.training))
        for preset, settings in chosen.items()
    }
    rows = np.random.default_rng(1)
    rates: dict[str, list[float]] = {preset: [] for preset in PRESETS}
    for turn in range(rounds + 1):
        size = chosen["reference"].training.batch_size
        batches = [rows.choice(len(data.events), min(size, len(data.events)), replace=False) for _ in range(steps)]
        for preset, (model, optimizers, examples) in ready.items():
            model.train()
            started = time.perf_counter()
            for batch in batches:
                training_step(model, optimizers, examples.batch(batch))
            if turn:
                rates[preset].append(sum(map(len, batches)) / (time.perf_counter() - started))
    return rates


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="path of a log; without it ids are drawn")
    parser.add_argument("--tracks", type=int, default=SLICE["tracks"], help="tracks of the drawn ids")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps in a round")
    asked = parser.parse_args()

    data = read_log(asked.source) if asked.source else drawn_ids(asked.tracks)
    catalog, cores, me = data.catalog, os.cpu_count() or 1, psutil.Process()
    before, own, started = psutil.cpu_times(), sum(me.cpu_times()[:2]), time.perf_counter()
    rates = measure(data, asked.rounds, asked.steps)
    wall, own, after = time.perf_counter() - started, sum(me.cpu_times()[:2]) - own, psutil.cpu_times()
    foreign = max(0.0, cores - (after.idle + after.iowait - before.idle - before.iowait + own) / wall)

    print(f"{catalog.n_users:,} users, {catalog.n_tracks:,} tracks, {catalog.n_artists:,} artists, ", end="")
    print(f"{len(data.events):,} events; {torch.get_num_threads()} threads; others took {foreign:.1f} of {cores} cores")
    print(f"{'preset':<18} {'events/s, median':>17} {'min – max':>17}")
    for preset, of_rounds in rates.items():
        print(f"{preset:<18} {np.median(of_rounds):>17,.0f} {min(of_rounds):>8,.0f} – {max(of_rounds):,.0f}")
    ratios = np.array(rates["reference_sparse"]) / rates["reference"]
    print(f"reference_sparse / reference: {np.median(ratios):.2f}, {ratios.min():.2f} – {ratios.max():.2f} by round")


if __name__ == "__main__":
    main()
