"""A training that begins with earlier weights against one from the beginning, after a log has grown by a hundredth.

    uv run python benchmarks/warm_start.py HOME [--share 0.01] [--seeds 0 1] [--folder PATH]

HOME: artifacts with `interactions`. The log without its newest listens is trained on from the beginning; then the whole log, from
the beginning with every seed, and from the weights of the first training. Printed are the value on validation, the epochs and the
processor time of each; what the seeds differ by is what noise does.
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
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

    first, seconds = train(before, given.seeds[0], given.folder / "first")
    row(f"without {given.share:.0%}", f"from the beginning, seed {given.seeds[0]}", first, seconds)
    earlier = EarlierTraining(given.folder / "first" / "towers", before, first)
    warm, seconds = train(now, given.seeds[0], given.folder / "warm", earlier)
    row("whole", "from the earlier weights", warm, seconds)
    for seed in given.seeds:
        summary, seconds = train(now, seed, given.folder / f"seed{seed}")
        row("whole", f"from the beginning, seed {seed}", summary, seconds)


if __name__ == "__main__":
    main()
