"""Several trainings on the same splits that differ in their seed: means over seeds, with intervals over users.

    python -m loopback_core.reporting.seeds HOME HOME ... [--out seeds.json]

Each home (as `LOOPBACK_HOME` names it) holds an evaluation of its own. An interval over users says how much a difference
depends on who was asked; of one training it says nothing about the next. Here users are compared by their means over seeds.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopback_core.data import NOTHING, Ranking
from loopback_core.errors import LoopbackError
from loopback_core.evaluation.significance import bootstrap_means, compare, mean_of
from loopback_core.recommenders.lists import TOWERS
from loopback_core.reporting.paper.paper_tables import seeds_table
from loopback_core.reporting.report.report_tables import ALONE
from loopback_core.settings import EvaluationSettings
from loopback_core.splits import Splits
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.tasks.metrics import MAIN_METRIC, PerUser, per_user_metrics
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import TASKS

METRICS = (MAIN_METRIC, "recall@100")
KS = (10, 100)


@dataclass(frozen=True)
class Run:
    """The newest evaluation of a home and the splits that it was made on."""

    home: Path

    @cached_property
    def content(self) -> dict[str, Any]:
        """Of `evaluation.json`."""
        return dict(json.loads((self._folder / "evaluation.json").read_text("utf-8")))

    @cached_property
    def splits(self) -> Splits:
        """Those of the evaluation, also where newer ones lie beside them."""
        return Splits(self._made.folder)

    @property
    def shared(self) -> dict[str, Any]:
        """What runs must share for a mean over them to be one over seeds alone."""
        settings, files = self.content["settings"], self._made.manifest["files"]
        training = {name: value for name, value in settings["training"].items() if name != "seed"}
        return {
            "splits": {name: file["sha256"] for name, file in files.items() if name.endswith(".parquet")},
            "settings of the towers": (settings["towers"], training),
            "rivals": self.content["rival"],  # and so baselines: whose lists are not there would look like misses
        }

    def per_user(self, task: Task, recommender: str) -> PerUser:
        """The metrics of every user of the task, in its order, from the lists that the evaluation kept."""
        lists = self._lists.filter(pl.col("task") == task.name, pl.col("recommender") == recommender)
        row = np.searchsorted(task.users, lists["user"].to_numpy())
        tracks = np.full((len(task.users), max(KS)), NOTHING, np.int64)
        tracks[row, lists["rank"].to_numpy() - 1] = lists["track"].to_numpy() - task.first_candidate
        return per_user_metrics(Ranking(tracks, np.zeros(tracks.shape, np.float32)), task.positives, KS)

    @cached_property
    def _folder(self) -> Path:
        return ArtifactStore(self.home).latest("evaluation").folder

    @cached_property
    def _made(self) -> Artifact:
        return ArtifactStore(self.home).get("temporal_splits", self.content["versions"]["temporal_splits"])

    @cached_property
    def _lists(self) -> pl.DataFrame:
        names = self.splits.track_names.select(pl.col("track").cast(pl.Int64), "artist_name", "track_name")
        users = self.splits.users.select(pl.col("user").cast(pl.Int64), "user_id")
        kept = pl.read_parquet(self._folder / "recommendations.parquet").filter(pl.col("rank") <= max(KS))
        return kept.join(names, on=["artist_name", "track_name"]).join(users, on="user_id")


def over_seeds(homes: Sequence[Path]) -> dict[str, Any]:
    """What the evaluations of the homes say together: seeds, versions, and by task what each and all of them measured.

    Raises:
        LoopbackError: fewer than two homes, two with one seed, or homes that differ in more than the seed of the towers.
    """
    runs = [Run(home) for home in homes]
    _refuse_strangers(runs)
    first = runs[0]
    asked, tasks = EvaluationSettings(**first.content["settings"]["evaluation"]), {}
    for name, rival in first.content["rival"].items():
        task = TASKS[name](first.splits.testing_period)
        if rival is None or not len(task.users):
            continue
        found = {who: [run.per_user(task, who) for run in runs] for who in (TOWERS, ALONE, rival)}
        tasks[name] = {"users": len(task.users), "rival": rival, **_means(found, rival, asked)}
    return {
        "schema": 1,
        "seeds": [run.content["seed"] for run in runs],
        "versions": [run.content["versions"]["trained_towers"] for run in runs],
        "resamples": asked.resamples,
        "tasks": tasks,
    }


def _means(found: Mapping[str, Sequence[PerUser]], rival: str, asked: EvaluationSettings) -> dict[str, Any]:
    """`each`: recommender -> metric -> a mean for each seed. `mean`, `against_rival`: of the users' means over seeds."""
    each = {who: {m: [float(of[m].mean()) for of in seeds] for m in METRICS} for who, seeds in found.items()}
    values = {(who, m): np.mean([of[m] for of in seeds], axis=0) for who, seeds in found.items() for m in METRICS}
    mean: dict[str, Any] = {who: {} for who in found}
    against: dict[str, Any] = {who: {} for who in found if who != rival}
    for (who, metric), of_users in values.items():
        enough = len(of_users) >= asked.min_users
        columns = np.stack([of_users, of_users - values[rival, metric]], axis=1)
        drawn = bootstrap_means(columns, asked.resamples, asked.seed) if enough else None
        mean[who][metric] = asdict(mean_of(of_users, None if drawn is None else drawn[:, 0]))
        if who != rival:
            resampled = None if drawn is None else [drawn[:, 1]]
            against[who][metric] = asdict(compare([columns[:, 1]], resampled)[0])
    return {"each": each, "mean": mean, "against_rival": against}


def _refuse_strangers(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise LoopbackError("One training has no spread over seeds: give the homes of two or more.")
    seeds = [run.content["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise LoopbackError(f"The seeds {', '.join(map(str, seeds))} must differ: train with another training.seed.")
    for run in runs[1:]:
        for what, value in runs[0].shared.items():
            if run.shared[what] != value:
                raise LoopbackError(
                    f"{run.home} has other {what} than {runs[0].home}: give homes that differ in training.seed alone."
                )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and keep what it was made of in a file; 2 for what cannot be done."""
    parser = argparse.ArgumentParser(description="Means over trainings that differ in their seed.")
    parser.add_argument("homes", type=Path, nargs="+", help="folders of artifacts, each with an evaluation")
    parser.add_argument("--out", type=Path, help="a JSON file for the paper (--seeds)")
    chosen = parser.parse_args(arguments)
    try:
        content = over_seeds(chosen.homes)
    except LoopbackError as error:
        print(error, file=sys.stderr)
        return 2
    if chosen.out:
        chosen.out.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    print(seeds_table(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
