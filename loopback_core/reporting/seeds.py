"""Several trainings on the same splits that differ in their seed: means over seeds, with intervals over users.

    python -m loopback_core.reporting.seeds HOME HOME ... [--out seeds.json]

Each home (as `LOOPBACK_HOME` names it) holds an evaluation. The interval over users of one training does not cover the
choice of the seed. Here each user counts by their mean over seeds; where tasks were asked at several moments, so does
each request.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from loopback_core.data import NOTHING, Ids
from loopback_core.data.ranking import without_scores
from loopback_core.errors import LoopbackError
from loopback_core.evaluation.evaluation_json import Evaluation, read_evaluation
from loopback_core.evaluation.evaluator import compare_over_users, mean_over_users
from loopback_core.evaluation.json_file import write_json_file
from loopback_core.evaluation.random_closed_form import expected_metrics
from loopback_core.evaluation.rolling_evaluation import REQUESTS_FILE
from loopback_core.recommenders.lists import OTHER_PRESET, RANDOM, SERVED, TOWERS_ALONE_ID, is_ours
from loopback_core.reporting.paper.seeds_tables import seeds_table
from loopback_core.reporting.seeds_json import Seeds, SeedsRolling, SeedsTask, SeedsValues
from loopback_core.settings import EvaluationSettings, without_searched
from loopback_core.splits import Splits
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.tasks.metrics import MAIN_METRIC, PerUser, per_user_metrics
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import official_task

SEEDS_METRICS = (MAIN_METRIC, "recall@100")
SEEDS_KS = (10, 100)


@dataclass(frozen=True)
class SeedRun:
    """The newest evaluation of a home and the splits that it was made on."""

    home: Path

    @cached_property
    def evaluation(self) -> Evaluation:
        """The content of `evaluation.json`."""
        return read_evaluation(self._folder)

    @cached_property
    def splits(self) -> Splits:
        """The splits of the evaluation; a home may hold newer ones."""
        return Splits(self._splits_artifact.folder)

    @property
    def shared(self) -> dict[str, object]:
        """What runs must have in common, so that a mean over them is one over seeds alone."""
        settings, files = self.evaluation["settings"], self._splits_artifact.manifest["files"]
        given = without_searched(settings)  # a search may choose another recipe with another seed
        training = {name: value for name, value in given["training"].items() if name != "seed"}
        return {
            "splits": {name: file["sha256"] for name, file in files.items() if name.endswith(".parquet")},
            "settings of the towers": (given["towers"], training),
            "rivals": self.evaluation["rival"],
            "moments": [settings["evaluation"].get(key) for key in ("moments", "horizon_days", "moment_users", "seed")],
            # A baseline without lists in one home would count as misses there.
            "baselines": {task: self.baselines(task) for task in self.evaluation["paired"]},
        }

    def baselines(self, task: str) -> list[str]:
        """The baselines that the towers were compared with, the family of Holm's correction."""
        return sorted(name for name in self.evaluation["paired"][task] if not name.startswith(OTHER_PRESET))

    def per_user(self, task: Task, recommender: str) -> PerUser:
        """The metrics of every user of the task, in its order, from the lists that the evaluation kept."""
        if recommender == RANDOM:
            return expected_metrics(task.n_candidates_per_user, task.positives.lengths, SEEDS_KS, max(SEEDS_KS))
        lists = self._lists.filter(pl.col("task") == task.name, pl.col("recommender") == recommender)
        row = np.searchsorted(task.users, lists["user"].to_numpy())
        tracks = np.full((len(task.users), max(SEEDS_KS)), NOTHING, np.int64)
        tracks[row, lists["rank"].to_numpy() - 1] = lists["track"].to_numpy() - task.first_candidate
        return per_user_metrics(without_scores(tracks), task.positives, SEEDS_KS)

    def per_request(self, task: str, positives: str, recommender: str) -> tuple[Ids, PerUser]:
        """The user of every request of a task at moments, and its metrics, by moment and user."""
        of = self._requests.filter(task=task, positives=positives, recommender=recommender).sort("moment", "user")
        return of["user"].to_numpy().astype(np.int64), {metric: of[metric].to_numpy() for metric in SEEDS_METRICS}

    @cached_property
    def _requests(self) -> pl.DataFrame:
        return pl.read_parquet(self._folder / REQUESTS_FILE)

    @cached_property
    def _folder(self) -> Path:
        return ArtifactStore(self.home).latest("evaluation").folder

    @cached_property
    def _splits_artifact(self) -> Artifact:
        return ArtifactStore(self.home).get("temporal_splits", self.evaluation["versions"]["temporal_splits"])

    @cached_property
    def _lists(self) -> pl.DataFrame:
        names = self.splits.track_names.select(pl.col("track").cast(pl.Int64), "artist_name", "track_name")
        users = self.splits.users.select(pl.col("user").cast(pl.Int64), "user_id")
        lists = pl.read_parquet(self._folder / "recommendations.parquet").filter(pl.col("rank") <= max(SEEDS_KS))
        return lists.join(names, on=["artist_name", "track_name"]).join(users, on="user_id")


def over_seeds(homes: Sequence[Path]) -> Seeds:
    """The evaluations of the homes together: seeds, versions, and by task the values of each and their means.

    Raises:
        LoopbackError: fewer than two homes, two with one seed, or homes that differ in more than the seed of the towers.
    """
    runs = [SeedRun(home) for home in homes]
    _refuse_others(runs)
    first = runs[0]
    settings = EvaluationSettings(**first.evaluation["settings"]["evaluation"])
    tasks: dict[str, SeedsTask] = {}
    for name, rival in first.evaluation["rival"].items():
        task = official_task(name, first.splits.testing_period, settings.users, settings.seed)
        if rival is None or not len(task.users):
            continue
        recommenders = (SERVED, TOWERS_ALONE_ID, *first.baselines(name))
        by_seed = {one: [run.per_user(task, one) for run in runs] for one in recommenders}
        rolling = _at_moments(runs, name, rival, settings)
        tasks[name] = {**_values(by_seed, rival, task.users, settings), "rolling": rolling}
    return {
        "schema": 1,
        "seeds": [run.evaluation["seed"] for run in runs],
        "versions": [run.evaluation["versions"]["trained_towers"] for run in runs],
        "resamples": settings.resamples,
        "moments": settings.moments,
        "horizon_days": settings.horizon_days,
        "tasks": tasks,
    }


def _at_moments(
    runs: Sequence[SeedRun], task: str, rival: str, settings: EvaluationSettings
) -> dict[str, SeedsRolling]:
    """The same from the requests of the moments, by set of positives; empty where the task was not asked again."""
    found: dict[str, SeedsRolling] = {}
    for positives in runs[0].evaluation.get("rolling", {}).get(task, {}):
        recommenders = (SERVED, TOWERS_ALONE_ID, *runs[0].baselines(task))
        measured = {one: [run.per_request(task, positives, one) for run in runs] for one in recommenders}
        users = measured[SERVED][0][0]
        by_seed = {one: [values for _, values in seeds] for one, seeds in measured.items()}
        found[positives] = {**_values(by_seed, rival, users, settings), "requests": len(users)}
    return found


def _values(
    by_seed: Mapping[str, Sequence[PerUser]], rival: str, user: Ids, settings: EvaluationSettings
) -> SeedsValues:
    """by_seed: the towers, the towers alone and every baseline -> for each seed metric -> (requests,). user: (requests,)
    whose each is."""
    per_user = {
        name: {metric: np.mean([of[metric] for of in seeds], axis=0) for metric in SEEDS_METRICS}
        for name, seeds in by_seed.items()
    }
    reported = (SERVED, TOWERS_ALONE_ID, rival)
    means = mean_over_users({name: per_user[name] for name in reported}, settings, user)
    return {
        "users": len(np.unique(user)),
        "rival": rival,
        "each": {
            name: {metric: [float(of[metric].mean()) for of in by_seed[name]] for metric in SEEDS_METRICS}
            for name in reported
        },
        "mean": {name: mean for name, mean in means.items() if mean is not None},
        "against_rival": {
            towers: compare_over_users(
                {
                    name: {metric: per_user[towers][metric] - values[metric] for metric in SEEDS_METRICS}
                    for name, values in per_user.items()
                    if not is_ours(name)
                },
                settings,
                user,
            )[rival]
            for towers in (SERVED, TOWERS_ALONE_ID)
        },
    }


def _refuse_others(runs: Sequence[SeedRun]) -> None:
    if len(runs) < 2:
        raise LoopbackError("One training has no spread over seeds: give the homes of two or more.")
    seeds = [run.evaluation["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise LoopbackError(f"The seeds {', '.join(map(str, seeds))} must differ: train with another training.seed.")
    for run in runs[1:]:
        for what, value in runs[0].shared.items():
            if run.shared[what] != value:
                raise LoopbackError(
                    f"{run.home} has other {what} than {runs[0].home}: give homes that differ in training.seed alone."
                )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write its data to a file; 2 for an error."""
    parser = argparse.ArgumentParser(description="Means over trainings that differ in their seed.")
    parser.add_argument("homes", type=Path, nargs="+", help="folders of artifacts, each with an evaluation")
    parser.add_argument("--out", type=Path, help="a JSON file for loopback_core.reporting.paper (--seeds)")
    options = parser.parse_args(arguments)
    try:
        content = over_seeds(options.homes)
    except LoopbackError as error:
        print(error, file=sys.stderr)
        return 2
    if options.out:
        write_json_file(content, options.out)
    print(seeds_table(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
