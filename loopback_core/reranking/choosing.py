"""How diverse lists are made: as much as costs hardly any accuracy on validation."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from loopback_core.data import Floats, Histories, Ids, Ragged, Ranking
from loopback_core.errors import ArtifactError
from loopback_core.ranking.scorer import Scorer
from loopback_core.reranking.list_diversity import list_diversity
from loopback_core.reranking.reranker import LONGEST, Reranker, Rules
from loopback_core.retrieval.top_k import tie_order, top_k
from loopback_core.settings import RERANKING_METHODS, RerankingMethod, RerankingSettings
from loopback_core.tasks.metrics import MAIN_METRIC, per_user_metrics
from loopback_core.tasks.task import Task

log = logging.getLogger("loopback")

RERANKING = "reranking.json"

DIAL = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
"""The values of the dial that are tried."""

FIRST_TRACKS = 10
"""The first tracks of a list, which are measured."""

MEASURED_USERS, RANKED_AT_ONCE = 500, 64
"""Users whose lists are measured at most, and whose scores of all tracks are held together."""


@dataclass(frozen=True)
class DialPoint:
    """Lists at one value of the dial of one method."""

    method: RerankingMethod
    diversity: float
    ndcg: float  # at FIRST_TRACKS, the mean over users
    error: float  # standard error of its difference to the lists in the order of their scores
    distance: float
    artists: float
    entropy: float


@dataclass(frozen=True)
class RerankingChoice:
    """How the lists of a task are re-ranked, and what was measured on validation to choose it."""

    method: RerankingMethod = "mmr"
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0
    most_of_artist: int | None = None
    one_version: bool = True
    ndcg: float = 0.0  # of the lists as they are scored, without any re-ranking
    users: int = 0
    points: tuple[DialPoint, ...] = ()

    @classmethod
    def unmeasured(cls, settings: RerankingSettings) -> Self:
        """The rules alone."""
        return cls(_methods(settings)[0], most_of_artist=settings.most_of_artist, one_version=settings.one_version)

    @property
    def rules(self) -> Rules:
        """Those of the re-ranker."""
        return Rules(self.most_of_artist, self.one_version)


def choose_reranking(scorer: Scorer, task: Task, works: Ids, settings: RerankingSettings, seed: int) -> RerankingChoice:
    """The point with the most artists that costs at most `reranking.max_cost` of nDCG@10 of a task.

    A standard error is added to the cost, so that a choice by few users is cautious. Where no point costs so little, as where the
    rules alone cost more, the dial stays at 0.

    scorer: with the ranker of the task. works: (n_candidates,) from `works_of`. seed: of the users and of ties.
    """
    unmeasured = RerankingChoice.unmeasured(settings)
    task = task.sampled(MEASURED_USERS, seed)
    if not len(task.users):
        return unmeasured
    ranking = _lists(scorer, task, seed)
    reranker = Reranker(scorer.vectors, scorer.knowledge.artist_of, works, rules=unmeasured.rules)
    points = [
        point
        for method in _methods(settings)
        for point in dial_points(ranking, task.histories, task.positives, replace(reranker, method=method))
    ]
    before = float(_ndcg(ranking, task.positives).mean())
    affordable = [p for p in points if before - p.ndcg + p.error <= settings.max_cost * before and before > 0]
    of_rules = [point for point in points if point.diversity == 0]
    best = max(affordable, key=lambda point: point.artists, default=of_rules[0])
    log.info(
        "%s: diversity %g by %s: nDCG@10 %.4f of %.4f, %.1f artists of the first %d tracks instead of %.1f",
        *(task.name, best.diversity, best.method, best.ndcg, before, best.artists, FIRST_TRACKS, points[0].artists),
    )
    return replace(
        unmeasured,
        method=best.method,
        diversity=best.diversity,
        ndcg=before,
        users=len(task.users),
        points=tuple(points),
    )


def _methods(settings: RerankingSettings) -> tuple[RerankingMethod, ...]:
    return RERANKING_METHODS if settings.method == "auto" else (settings.method,)


def dial_points(
    ranking: Ranking, histories: Histories, positives: Ragged, reranker: Reranker, dial: Sequence[float] = DIAL
) -> list[DialPoint]:
    """Lists re-ranked at every value of the dial, and measured. ranking: in the order of their scores, (users, k)."""
    points, before = [], _ndcg(ranking, positives)
    for diversity in dial:
        lists = replace(reranker, diversity=diversity).rerank(ranking, histories)
        different = list_diversity(lists.tracks[:, :FIRST_TRACKS], reranker.vectors, reranker.artist)
        ndcg = _ndcg(lists, positives)
        error = float((ndcg - before).std() / np.sqrt(max(len(ndcg), 1)))
        points.append(DialPoint(reranker.method, diversity, float(ndcg.mean()), error, *different))
    return points


def _ndcg(ranking: Ranking, positives: Ragged) -> NDArray[np.float64]:
    """(users,)."""
    return per_user_metrics(ranking, positives, (FIRST_TRACKS,))[MAIN_METRIC]


def _lists(scorer: Scorer, task: Task, seed: int) -> Ranking:
    """The first LONGEST tracks of every user of a task by the served score."""
    tie_rank, blocks = tie_order(task.n_candidates, seed), []
    for start in range(0, len(task.users), RANKED_AT_ONCE):
        part = task.of_rows(np.arange(start, min(start + RANKED_AT_ONCE, len(task.users))))
        users = scorer.encode(part.histories)
        scores: Floats = users.vectors @ scorer.vectors.T
        scorer.add_terms(scores, users.prior)
        blocks.append(top_k(scores, min(LONGEST, task.n_candidates), tie_rank, part.exclude))
    tracks, scores = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("tracks", "scores"))
    return Ranking(tracks, scores)


def save_reranking(choices: Mapping[str, RerankingChoice], folder: Path) -> None:
    """Write the choice of each task."""
    content: dict[str, Any] = {task: asdict(choice) for task, choice in choices.items()}
    (folder / RERANKING).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def load_reranking(folder: Path) -> dict[str, RerankingChoice]:
    """Read them back: task -> choice; nothing where towers are served as they are.

    Raises:
        ArtifactError: the file is damaged.
    """
    path = folder / RERANKING
    if not path.exists():
        return {}
    try:
        return _CHOICES.validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"The re-ranking in {folder} cannot be read ({error}); train the towers again.") from None


_CHOICES = TypeAdapter(dict[str, RerankingChoice])
