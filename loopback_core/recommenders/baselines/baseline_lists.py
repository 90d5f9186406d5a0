"""The baselines step of the chain: tune every baseline on validation, then write its lists for test.

A retrained model is compared with these lists: no baseline is fitted again.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from loopback_core.data import FitData, Ids, Ranking
from loopback_core.errors import ArtifactError, SettingsError
from loopback_core.recommenders.baselines import BASELINES, Baseline
from loopback_core.recommenders.baselines.tuning import BaselineSettings, Tuned, choose_rival, tune
from loopback_core.recommenders.lists import DEPTH, ROLLING_DEPTH, rank_users
from loopback_core.recommenders.tuned_json import TunedJson
from loopback_core.runtime.progress import progress
from loopback_core.settings import EvaluationSettings
from loopback_core.splits import Splits
from loopback_core.tasks.moments import moments_of_validation
from loopback_core.tasks.rolling import ROLLING_TASKS, RollingTask, rolling_tasks
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import LIKE, TASKS, official_task

TUNED_TASKS = ("discovery", "next_listen", "cold_start")
"""The tasks on which settings are tuned and rivals chosen."""

ALWAYS_MEASURED = "popularity_users"

AT_MOMENTS = "lists_at_moments"
"""Folder of the lists at moments, next to that of the others, `lists`."""


class Tuning(TypedDict):
    """Content of `tuning.json`."""

    tuning: dict[str, dict[str, TunedJson]]  # task -> baseline -> its tuning
    rival: dict[str, str | None]  # task -> the best baseline on validation
    obstacles: dict[str, str]  # baseline -> why it was left out


class BaselinesSummary(TypedDict):
    """What the artifact's manifest says of it."""

    rival: dict[str, str | None]
    obstacles: dict[str, str]
    seconds_by_baseline: dict[str, float]


def build_baselines(splits: Splits, settings: EvaluationSettings, folder: Path) -> BaselinesSummary:
    """Write `tuning.json` and the lists of every baseline in every task that it answers, and at its moments, into `folder`.

    Raises:
        SettingsError: `evaluation.baselines` names an unknown baseline.
    """
    baselines = choose_baselines(settings.baselines)
    tuning = {name: _tuning_moments(splits, name, settings) for name in TUNED_TASKS}
    period = splits.testing_period
    testing = {name: official_task(name, period, settings.users, settings.seed) for name in TASKS}
    rolling = rolling_tasks(testing, period, settings.moments, settings.moment_users, settings.seed)
    content: Tuning = {"tuning": {name: {} for name in TUNED_TASKS}, "rival": {}, "obstacles": {}}
    tuned: dict[str, list[Tuned]] = {name: [] for name in TUNED_TASKS}
    seconds: dict[str, float] = {}
    with progress("baselines", len(baselines), "baselines") as shown:
        for baseline in baselines:
            started = time.monotonic()
            if obstacle := baseline.obstacle(splits.testing):
                content["obstacles"][baseline.id] = obstacle
            else:
                answered = [task for name, moments in tuning.items() if name in baseline.answers for task in moments]
                best = tune(baseline, answered, settings.seed, settings.tuning_trials)
                for name, of_task in best.items():
                    content["tuning"][name][baseline.id] = of_task.as_json()
                    tuned[name].append(of_task)
                _recommend(baseline, best, testing, rolling, settings.seed, folder)
            seconds[baseline.id] = round(time.monotonic() - started, 3)
            shown.advance(note=baseline.id)
    rivals = {name: choose_rival(candidates) for name, candidates in tuned.items()}
    content["rival"] = {**rivals, "new_users": rivals[LIKE["new_users"]]}
    (folder / "tuning.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    return {"rival": content["rival"], "obstacles": content["obstacles"], "seconds_by_baseline": seconds}


def choose_baselines(names: Sequence[str]) -> list[type[Baseline]]:
    """The classes of these ids, in the order of the registry; 'all' means every one.

    Raises:
        SettingsError: a name is neither 'all' nor a baseline.
    """
    if unknown := [name for name in names if name not in BASELINES and name != "all"]:
        raise SettingsError(
            f"evaluation.baselines names {', '.join(unknown)}; known are 'all', {', '.join(map(repr, BASELINES))}."
        )
    return [
        baseline for name, baseline in BASELINES.items() if "all" in names or name in names or name == ALWAYS_MEASURED
    ]


def _tuning_moments(splits: Splits, name: str, settings: EvaluationSettings) -> list[Task]:
    """The task at moments of validation; cold start at its beginning alone: later its tracks are not new any more."""
    period, most = splits.tuning_period, settings.tuning_users
    moments = moments_of_validation(period, name, most) if name in ROLLING_TASKS else [TASKS[name](period)]
    return [task.sampled(most, settings.seed) for task in moments]


def _recommend(
    baseline: type[Baseline],
    tuned: Mapping[str, Tuned],
    testing: Mapping[str, Task],
    rolling: Mapping[str, RollingTask],
    seed: int,
    folder: Path,
) -> None:
    """Rank every test task that the baseline answers, and the moments of those that have some; tasks of the same fit data
    and settings share one fit."""
    fitted: tuple[FitData, BaselineSettings, Baseline] | None = None  # only one model is held in memory
    for name, task in testing.items():
        if name not in baseline.answers:
            continue
        settings = tuned[LIKE.get(name, name)].settings
        if fitted is None or fitted[0] is not task.fit or fitted[1] != settings:
            fitted = None
            fitted = task.fit, settings, baseline(**settings, seed=seed).fit_for(task)
        ranking = rank_users(fitted[2], task, DEPTH)
        path = _path(folder, name, baseline.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        tracks = ranking.tracks.astype(np.int32)
        np.savez(path, users=task.users, tracks=tracks, scores=ranking.scores)
        if name in rolling:
            _recommend_at_moments(fitted[2], rolling[name], folder)


def _recommend_at_moments(fitted: Baseline, rolling: RollingTask, folder: Path) -> None:
    path = _path(folder, rolling.name, fitted.id, AT_MOMENTS)
    path.parent.mkdir(parents=True, exist_ok=True)
    lists = [rank_users(fitted, rolling.at(moment), ROLLING_DEPTH).tracks for moment in range(len(rolling))]
    requests = rolling.requests
    tracks = np.concatenate(lists).astype(np.int32)
    np.savez(path, users=requests.users, moments=requests.moments, tracks=tracks)


def _path(folder: Path, task: str, baseline: str, lists: str = "lists") -> Path:
    return folder / lists / task / f"{baseline}.npz"


@dataclass(frozen=True)
class BaselineLists:
    """What :func:`build_baselines` wrote, read on first use."""

    folder: Path

    @cached_property
    def tuning(self) -> Tuning:
        """Content of `tuning.json`."""
        try:
            content: Tuning = json.loads((self.folder / "tuning.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"The baselines in {self.folder} cannot be read ({error}); build them again.") from None
        return content

    def names(self, task: str) -> list[str]:
        """Ids of the baselines that answered a task, in the order of the registry."""
        return [name for name in BASELINES if _path(self.folder, task, name).is_file()]

    def ranking(self, task: Task, name: str) -> Ranking:
        """The lists of one baseline, (users, DEPTH).

        Raises:
            ArtifactError: they cannot be read, or were made for other users.
        """
        users, tracks, scores = self._read(_path(self.folder, task.name, name), name, "users", "tracks", "scores")
        if not np.array_equal(users, task.users):
            raise ArtifactError(f"The lists of {name} in {self.folder} are for other users; build the baselines again.")
        return Ranking(tracks.astype(np.int64), scores)

    def tracks_at_moments(self, rolling: RollingTask, name: str) -> Ids:
        """The lists of one baseline at the moments of a task, (requests, ROLLING_DEPTH).

        Raises:
            ArtifactError: they cannot be read, or were made for other users or moments.
        """
        path = _path(self.folder, rolling.name, name, AT_MOMENTS)
        users, moments, tracks = self._read(path, name, "users", "moments", "tracks")
        asked = rolling.requests
        if not (np.array_equal(users, asked.users) and np.array_equal(moments, asked.moments)):
            raise ArtifactError(
                f"The lists of {name} in {path.parent} are for other users or moments; build the baselines again."
            )
        return tracks.astype(np.int64)

    def _read(self, path: Path, name: str, *keys: str) -> list[NDArray[Any]]:
        try:
            with np.load(path, allow_pickle=False) as file:
                return [file[key] for key in keys]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ArtifactError(
                f"The lists of {name} in {self.folder} cannot be read ({error}); build them again."
            ) from None

    def rankings(self, task: Task) -> Iterator[tuple[str, Ranking]]:
        """The lists of every baseline that answered a task, one at a time."""
        for name in self.names(task.name):
            yield name, self.ranking(task, name)
