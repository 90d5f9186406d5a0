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

from loopback_core.data import Histories, Ids, Ragged, Ranking
from loopback_core.errors import ArtifactError
from loopback_core.ranking.cross_fitting import error_by_users
from loopback_core.ranking.rank_requests import RankedTask
from loopback_core.reranking.artist_coverage import PAGE_LENGTH
from loopback_core.reranking.familiar import Familiar
from loopback_core.reranking.list_diversity import list_diversity
from loopback_core.reranking.reranker import HEAD, Reranker, Rules
from loopback_core.settings import RERANKING_METHODS, RerankingMethod, RerankingSettings
from loopback_core.tasks.metrics import MAIN_METRIC, per_user_metrics

log = logging.getLogger("loopback")

RERANKING = "reranking.json"

DIAL = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9)
"""The values of the dial that are tried."""

FIRST_TRACKS = PAGE_LENGTH
"""The first tracks of a list, which are measured."""

MEASURED_REQUESTS = 1_000
"""Requests whose lists are measured at most, at all moments."""


@dataclass(frozen=True)
class DialPoint:
    """Lists at one value of the dial of one method."""

    method: RerankingMethod
    diversity: float
    ndcg: float  # at FIRST_TRACKS, the mean over users
    error: float  # standard error, over users, of its difference to the lists in the order of their scores
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
    requests: int = 0
    points: tuple[DialPoint, ...] = ()

    @classmethod
    def unmeasured(cls, settings: RerankingSettings) -> Self:
        """The rules alone."""
        return cls(_methods(settings)[0], most_of_artist=settings.most_of_artist, one_version=settings.one_version)

    @property
    def rules(self) -> Rules:
        """Those of the re-ranker."""
        return Rules(self.most_of_artist, self.one_version)


@dataclass(frozen=True)
class MeasuredLists:
    """Lists in the order of their scores, and what they are measured by."""

    ranking: Ranking  # (requests, k)
    histories: Histories
    positives: Ragged
    users: Ids  # (requests,)

    @classmethod
    def of(cls, ranked: RankedTask, most: int, seed: int) -> Self:
        """The first HEAD tracks of at most so many users, drawn by seed."""
        rows = np.sort(np.random.default_rng(seed).permutation(len(ranked.task.users))[:most])
        task, ranking = ranked.task.of_rows(rows), ranked.ranking
        head = Ranking(ranking.tracks[rows, :HEAD], ranking.scores[rows, :HEAD])
        return cls(head, task.histories, task.positives, task.users)

    def ndcg(self, ranking: Ranking) -> NDArray[np.float64]:
        """(requests,): nDCG@10 of each list of its tracks in some order."""
        return per_user_metrics(ranking, self.positives, (FIRST_TRACKS,))[MAIN_METRIC]


def choose_reranking(
    task: str, lists: Sequence[MeasuredLists], reranker: Reranker, settings: RerankingSettings
) -> RerankingChoice:
    """The point with the most artists that costs at most `reranking.max_cost` of nDCG@10 of a task.

    A standard error is added to the cost, so that a choice by few users is cautious. Where no point costs so little, as where the
    rules alone cost more, the dial stays at 0.

    lists: of several moments, each of users of its own. reranker: of the catalog; its method, dial and rules do not matter.
    """
    unmeasured = RerankingChoice.unmeasured(settings)
    lists = [of_moment for of_moment in lists if len(of_moment.users)]
    if not lists:
        return unmeasured
    reranker, most_cost = replace(reranker, rules=unmeasured.rules), settings.max_cost
    points = [
        point
        for method in _methods(settings)
        for point in dial_points(lists, replace(reranker, method=method), most_cost=most_cost)
    ]
    before = float(np.concatenate([of_moment.ndcg(of_moment.ranking) for of_moment in lists]).mean())
    affordable = [p for p in points if before - p.ndcg + p.error <= most_cost * before and before > 0]
    of_rules = [point for point in points if point.diversity == 0]
    best = max(affordable, key=lambda point: point.artists, default=of_rules[0])
    log.info(
        "%s: diversity %g by %s: nDCG@10 %.4f of %.4f, %.1f artists of the first %d tracks instead of %.1f",
        *(task, best.diversity, best.method, best.ndcg, before, best.artists, FIRST_TRACKS, points[0].artists),
    )
    users = np.concatenate([of_moment.users for of_moment in lists])
    return replace(
        unmeasured,
        method=best.method,
        diversity=best.diversity,
        ndcg=before,
        users=len(np.unique(users)),
        requests=len(users),
        points=tuple(points),
    )


def _methods(settings: RerankingSettings) -> tuple[RerankingMethod, ...]:
    return RERANKING_METHODS if settings.method == "auto" else (settings.method,)


def dial_points(
    lists: Sequence[MeasuredLists],
    reranker: Reranker,
    dial: Sequence[float] = DIAL,
    most_cost: float = np.inf,
) -> list[DialPoint]:
    """Lists re-ranked at every value of the dial, ascending, and measured.

    most_cost: share of nDCG@10. A dial at which more than this is surely lost is turned no further.
    """
    familiar = [Familiar(of_moment.histories, reranker.artist) for of_moment in lists]
    points, before = [], np.concatenate([of_moment.ndcg(of_moment.ranking) for of_moment in lists])
    users = np.unique(np.concatenate([of_moment.users for of_moment in lists]), return_inverse=True)[1]
    for diversity in dial:
        turned = replace(reranker, diversity=diversity)
        rankings = [turned.rerank_for(of.ranking, known) for of, known in zip(lists, familiar, strict=True)]
        first = [ranking.tracks[:, :FIRST_TRACKS] for ranking in rankings]
        different = list_diversity(np.concatenate(first), reranker.vectors, reranker.artist)
        ndcg = np.concatenate([of.ndcg(ranking) for of, ranking in zip(lists, rankings, strict=True)])
        error = error_by_users(ndcg - before, users)
        points.append(DialPoint(reranker.method, diversity, float(ndcg.mean()), error, *different))
        if float((before - ndcg).mean()) - 2 * error > most_cost * float(before.mean()):
            break
    return points


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
