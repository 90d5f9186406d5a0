"""A training that begins with earlier weights against one from the beginning, after a log has grown by a hundredth.

    uv run python benchmarks/warm_start.py HOME [--share 0.01] [--seeds 0 1 2] [--folder PATH]

HOME: artifacts with `interactions`. With every seed the log without its newest listens is trained on from the beginning, then the whole
log twice: with these weights, and from the beginning. Printed are the value on validation, the epochs and the processor time of each;
what the seeds differ by is what noise does.
"""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import polars as pl


def splits_of(interactions: Path, share: float, folder: Path) -> Any:
    """Splits of the log without this share of its newest listens."""
    from loopback_core.settings import SplitSettings
    from loopback_core.splits import Splits, split_listens

    listens = folder / "interactions"
    listens.mkdir(parents=True)
    log = pl.scan_parquet(interactions / "interactions.parquet")
    end = log.select(pl.col("timestamp").quantile(1 - share, interpolation="lower")).collect().item()
    log.filter(pl.col("timestamp") <= end).sink_parquet(listens / "interactions.parquet")
    split_listens(listens, folder / "splits", SplitSettings())
    return Splits(folder / "splits")


def train(splits: Any, seed: int, folder: Path, earlier: Any = None) -> tuple[dict[str, Any], float]:
    """A training with the recipe as given; its summary, and seconds of the processor."""
    from loopback_core.settings import load_settings
    from loopback_core.training.train import train_towers

    given = {"recipe": "given", "warm_start": True, "seed": seed}
    for name in ("towers", "checkpoints"):
        (folder / name).mkdir(parents=True)
    started = time.process_time()
    settings = load_settings({"training": given}, environ={})
    summary = train_towers(splits, settings, folder / "towers", folder / "checkpoints", earlier)
    return summary, time.process_time() - started


def main() -> None:
    """Train, compare, print."""
    from loopback_core.store.artifacts import ArtifactStore
    from loopback_core.training.warm_start import EarlierTraining

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path(".loopback/benchmarks/warm_start"))
    given = parser.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    interactions = ArtifactStore(given.home).latest("interactions").folder
    before = splits_of(interactions, given.share, given.folder / "before")
    now = splits_of(interactions, 0.0, given.folder / "now")
    print("| log | training | validation | epochs | processor seconds |")
    print("| --- | --- | ---: | ---: | ---: |")

    def row(log: str, name: str, summary: dict[str, Any], seconds: float) -> None:
        metric = summary["settings"]["training"]["validation_metric"]
        value = summary["best"]["validation"][metric]
        print(f"| {log} | {name} | {value:.4f} | {summary['epochs']} | {seconds:,.0f} |", flush=True)

    for seed in given.seeds:
        first, seconds = train(before, seed, given.folder / f"first{seed}")
        row(f"without {given.share:.0%}", f"from the beginning, seed {seed}", first, seconds)
        earlier = EarlierTraining(given.folder / f"first{seed}" / "towers", before, first)
        row("whole", f"from these weights, seed {seed}", *train(now, seed, given.folder / f"warm{seed}", earlier))
        row("whole", f"from the beginning, seed {seed}", *train(now, seed, given.folder / f"seed{seed}"))


if __name__ == "__main__":
    main()
