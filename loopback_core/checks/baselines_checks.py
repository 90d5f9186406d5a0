"""The baselines: are they tuned, and are their lists valid?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loopback_core.checks.check import Verdict
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore

if TYPE_CHECKING:
    from loopback_core.data import Ranking
    from loopback_core.tasks.task import Task


def lists_valid(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every list holds distinct candidates of its user, none excluded, best first, and no track after its end."""
    from loopback_core.data.ranking import without_scores
    from loopback_core.recommenders.baselines.baseline_lists import BaselineLists
    from loopback_core.splits import Splits
    from loopback_core.tasks.rolling import rolling_tasks
    from loopback_core.tasks.task_builders import TASKS, official_task

    lists, period = (
        BaselineLists(artifact.folder),
        Splits(store.upstream(artifact, "temporal_splits").folder).testing_period,
    )
    made_with = artifact.manifest["settings"]
    tasks = {name: official_task(name, period, made_with["users"], made_with["seed"]) for name in TASKS}
    wrong, counted = [], 0
    for name, task in tasks.items():
        for baseline, ranking in lists.rankings(task):
            counted += 1
            wrong += [f"{baseline} in {name}: {fault}" for fault in list_faults(ranking, task)]
    rolling = rolling_tasks(tasks, period, made_with["moments"], made_with["moment_users"], made_with["seed"])
    for name, at_moments in rolling.items():
        for moment in range(len(at_moments)):
            task, asked = at_moments.at(moment), at_moments.requests.moments == moment
            for baseline in lists.names(name):
                ranking = without_scores(lists.tracks_at_moments(at_moments, baseline)[asked])
                wrong += [f"{baseline} in {name}, moment {moment}: {fault}" for fault in list_faults(ranking, task)]
    facts = {"lists": counted, "faults": len(wrong)}
    return Verdict(bool(counted) and not wrong, "; ".join(wrong[:5]) or f"{counted} sets of lists are valid", facts)


def baselines_tuned(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Discovery and next_listen have a rival, and its validation score is the best of all that were tuned."""
    from loopback_core.recommenders.baselines.baseline_lists import BaselineLists

    content = BaselineLists(artifact.folder).tuning
    wrong, facts = [], {}
    for task in ("discovery", "next_listen"):
        scores = {name: tuned["ndcg@10"] for name, tuned in content["tuning"][task].items()}
        measured = {name: score for name, score in scores.items() if score is not None}
        rival = content["rival"][task]
        if not measured:
            continue  # no user of validation can be scored: there is no verdict either
        if rival is None or measured.get(rival) != max(measured.values()):
            wrong.append(f"the rival in {task} is {rival}, which is not the best of what was tuned")
        facts[f"{task}/ndcg@10"] = max(measured.values())
    return Verdict(not wrong, "; ".join(wrong) or "the rivals are the best on validation", facts)


def list_faults(ranking: Ranking, task: Task) -> list[str]:
    """The faults of the lists of one baseline in one task, a few words each."""
    from loopback_core.data import NOTHING
    from loopback_core.tasks.metrics import find_hits

    tracks, scores = ranking.tracks, ranking.scores
    faults = []
    if tracks.max(initial=NOTHING) >= task.n_candidates or tracks.min(initial=0) < NOTHING:
        return ["tracks that are not candidates"]
    is_track = tracks != NOTHING
    if np.any(is_track[:, 1:] & ~is_track[:, :-1]):
        faults.append("gaps in the lists")
    if not np.all(np.isfinite(scores[is_track])):
        faults.append("scores that are not finite")
    elif np.any(is_track[:, 1:] & (scores[:, 1:] > scores[:, :-1])):
        faults.append("lists that are not sorted by score")
    ordered = np.sort(tracks, axis=1)
    if np.any((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NOTHING)):
        faults.append("the same track twice in a list")
    if task.exclude is not None and find_hits(ranking, task.exclude).any():
        faults.append("excluded tracks")
    return faults
