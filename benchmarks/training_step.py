"""Training speed: listens per second of a step of the presets `reference` (dense AdamW), `reference_sparse`, `default`.

`reference_sparse` also with `training.precision = "bf16"`.

    uv run python benchmarks/training_step.py [--source PATH | --splits PATH] [--tracks N] [--rounds N] [--steps N]
        [--device cpu | cuda | mps] [--profile]

A step is what the training loop does with one batch: it is put together (histories, negatives, masks), loss, gradients,
update. They take turns within one process on the same data, so that other load affects all alike; the CPU
used by other processes is printed. What is counted is distinct listens: `default` trains first plays twice, as what
comes next and as discoveries, and each is counted once. The data is a log (--source), splits that were made before
(--splits, an artifact's folder), or drawn ids with the sizes of a 100-user slice of Last.fm-1K; with --tracks the other
sizes grow along, but for users beyond 992, which get longer histories instead. --device cuda or mps measures a GPU. --profile says where the time of a step of `default` goes.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, count, islice, pairwise
from pathlib import Path

import numpy as np
import torch
from machine import foreign_load, own_process

from loopback_core.data import Catalog, Events, FitData
from loopback_core.listens.ingest import ingest
from loopback_core.listens.sources import find_log
from loopback_core.runtime.prefetch import prefetch
from loopback_core.settings import Settings, SourceSettings, SplitSettings, load_settings
from loopback_core.splits import Splits, split_listens
from loopback_core.training.device import choose_device
from loopback_core.training.examples import Batch
from loopback_core.training.sampled import SampledBatch
from loopback_core.training.set_up import make_examples, set_up
from loopback_core.training.steps import training_step

VARIANTS = {
    "reference": {"preset": "reference"},
    "reference_sparse": {"preset": "reference_sparse"},
    "reference_sparse, bf16": {"preset": "reference_sparse", "precision": "bf16"},
    "default": {"preset": "default"},
}
CPU = torch.device("cpu")
SLICE = {"users": 100, "tracks": 92_000, "artists": 13_000, "events": 347_000}


def drawn_ids(n_tracks: int) -> FitData:
    """A log of ids alone: tracks by Zipf's law, users of unequal activity."""
    rng, scale = np.random.default_rng(0), n_tracks / SLICE["tracks"]
    n_users, n_artists, n = (int(SLICE[what] * scale) for what in ("users", "artists", "events"))
    n_users = min(max(n_users, 2), 992)
    track = draw(rng, n_tracks, n)
    user = draw(rng, n_users, n, power=0.5)
    artist = rng.integers(0, n_artists, n_tracks).astype(np.int32)
    unused = np.zeros(n_tracks, np.int64), np.zeros(n_artists, np.int64)
    catalog = Catalog(n_users, artist, *[unused[0]] * 3, *[unused[1]] * 3)
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


def batches(data: FitData, settings: Settings) -> Iterator[Batch | SampledBatch]:
    """Batches of one epoch after the other, made ahead as in the training loop."""
    examples = make_examples(data, settings)
    return prefetch(chain.from_iterable(examples.epoch(number) for number in count(1)))


def finished(device: torch.device) -> float:
    """Now, in seconds, once `device` has done all of its work: a GPU computes asynchronously."""
    if device.type != "cpu":
        (torch.cuda if device.type == "cuda" else torch.mps).synchronize()
    return time.perf_counter()


def measure(data: FitData, rounds: int, steps: int, device: torch.device = CPU) -> dict[str, list[float]]:
    """Distinct listens per second of every round of `steps` steps; one round of each variant is for warming up."""
    ready = {}
    for variant, chosen in VARIANTS.items():
        settings = load_settings({"training": {**chosen, "device": device.type}}, environ={})
        sampled = settings.training.sampled.model_copy(update={"epoch_targets": 0})
        whole = settings.training.model_copy(update={"sampled": sampled})
        distinct = len(data.events) / len(make_examples(data, settings.model_copy(update={"training": whole})))
        made = batches(data, settings)
        ready[variant] = (*set_up(data, settings, device), made, distinct, settings.training.precision)
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for turn in range(rounds + 1):
        for variant, (model, optimizers, coming, distinct, precision) in ready.items():
            model.train()
            started, listens = finished(device), 0.0
            for batch in islice(coming, steps):
                training_step(model, optimizers, batch.to(device), precision)
                listens += distinct * len(batch)
            if turn:
                rates[variant].append(listens / (finished(device) - started))
    return rates


GROUPS = {
    "matrix products": ("mm", "bmm", "addmm", "matmul"),
    "gather, scatter, sort": (
        *("index", "embedding", "gather", "scatter", "sort", "unique", "cat", "split", "put", "take", "nonzero"),
        *("searchsorted", "repeat_interleave", "copy"),
    ),
}


def profile(data: FitData, steps: int, device: torch.device = CPU) -> dict[str, dict[str, float]]:
    """Of a step of `default`: milliseconds by phase, as the loop sees them, and shares of what torch does in it."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as traced

    settings = load_settings({"training": {"device": device.type}}, environ={})
    model, optimizers = set_up(data, settings, device)
    model.train()
    names = "wait for data", "copy to the device", "forward", "backward", "optimizer"
    coming, phases = batches(data, settings), dict.fromkeys(names, 0.0)

    def step() -> None:
        times = [finished(device)]
        batch = next(coming)
        times.append(finished(device))
        batch = batch.to(device)
        times.append(finished(device))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = batch.loss(model)
        times.append(finished(device))
        torch.autograd.backward(loss)
        times.append(finished(device))
        for optimizer in optimizers:
            optimizer.step()
        times.append(finished(device))
        for phase, (before, after) in zip(phases, pairwise(times), strict=True):
            phases[phase] += 1000 * (after - before) / steps

    for _ in range(5):
        step()
    phases = dict.fromkeys(phases, 0.0)
    for _ in range(steps):
        step()
    on_gpu = device.type == "cuda"
    with traced(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as trace:
        for _ in range(min(steps, 20)):
            training_step(model, optimizers, next(coming).to(device))
        finished(device)
    own: dict[str, float] = {}
    for event in trace.key_averages():
        words = event.key.removeprefix("aten::").strip("_")
        group = next((g for g, names in GROUPS.items() if any(name in words for name in names)), "the rest")
        own[group] = own.get(group, 0.0) + (event.self_device_time_total if on_gpu else event.self_cpu_time_total)
    total = sum(own.values())
    return {"milliseconds": phases, "torch": {group: of_group / total for group, of_group in own.items()}}


def load(asked: argparse.Namespace) -> FitData:
    """The data that the arguments name."""
    if asked.splits:
        return Splits(Path(asked.splits)).tuning
    return read_log(asked.source) if asked.source else drawn_ids(asked.tracks)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="path of a log; without it ids are drawn")
    parser.add_argument("--splits", help="folder of an artifact temporal_splits")
    parser.add_argument("--tracks", type=int, default=SLICE["tracks"], help="tracks of the drawn ids")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="steps in a round")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--profile", action="store_true", help="say where the time of a step of `default` goes")
    options = parser.parse_args()

    data, cores, device = load(options), os.cpu_count() or 1, choose_device(options.device)
    catalog = data.catalog
    with foreign_load(own_process) as foreign:
        rates = measure(data, options.rounds, options.steps, device)

    print(f"{catalog.n_users:,} users, {catalog.n_tracks:,} tracks, {catalog.n_artists:,} artists, ", end="")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{len(data.events):,} events; {where}; ", end="")
    print(f"other processes used {foreign.foreign_cores:.1f} of {cores} cores")
    print(f"{'':<22} {'listens/s, median':>17} {'min – max':>17} {'× reference, by round':>24}")
    for variant, of_rounds in rates.items():
        ratios = np.array(of_rounds) / rates["reference"]
        print(f"{variant:<22} {np.median(of_rounds):>17,.0f} {min(of_rounds):>8,.0f} – {max(of_rounds):,.0f}", end="")
        print(f"{np.median(ratios):>12.2f}, {ratios.min():.2f} – {ratios.max():.2f}")
    if options.profile:
        found = profile(data, 50, device)
        print("a step of default, ms: " + ", ".join(f"{what} {ms:.1f}" for what, ms in found["milliseconds"].items()))
        print("of what torch does: " + ", ".join(f"{what} {share:.0%}" for what, share in found["torch"].items()))


if __name__ == "__main__":
    main()
