"""The step of the chain that learns the order of candidates on validation: the linear score, what corrects it, and re-ranking."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from loopback_core.data import Floats
from loopback_core.features.track_content import track_content
from loopback_core.ranking.catalog_values import catalog_values
from loopback_core.ranking.corrector_files import save_correctors
from loopback_core.ranking.cross_encoder_fitting import CrossEncoding
from loopback_core.ranking.cross_fitting import CorrectorFit, Method, fit_corrector
from loopback_core.ranking.dropped_groups import losses_without_groups
from loopback_core.ranking.fit_requests import requests_of, together
from loopback_core.ranking.fitting import MOMENTS, REQUESTS, LinearFit, fit_ranker
from loopback_core.ranking.linear_ranker import TOWERS_ALONE, LinearRanker, load_rankers, save_rankers
from loopback_core.ranking.listwise import FitRequests
from loopback_core.ranking.rank_requests import RankRequests, all_requests, ranked_task
from loopback_core.ranking.refining import Refinement, refine_ranker
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import Scorer, scorer_of
from loopback_core.ranking.terms import Knowledge, Listened
from loopback_core.ranking.tree_fitting import Trees
from loopback_core.reranking.choosing import (
    MEASURED_REQUESTS,
    MeasuredLists,
    RerankingChoice,
    choose_reranking,
    save_reranking,
)
from loopback_core.reranking.reranker import HEAD, Reranker
from loopback_core.reranking.versions import works_of
from loopback_core.retrieval.embed import track_vectors
from loopback_core.runtime.unused_memory import give_back_memory
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.tasks.period import Period
from loopback_core.tasks.rolling import ROLLING_TASKS
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import IN_CATALOG, LIKE, TASKS
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.train import tuned_towers

RANKED_TASKS = ("discovery", "next_listen")
"""The tasks whose candidates are put in order; tracks that nobody has played have no features to do it by."""

SCORED_PAIRS, FEWEST_REQUESTS = 750_000_000, 500
"""Pairs of a request and a track that are scored of a task, at all moments, and requests where the catalog is so large that these are
few: the time of a request grows with the catalog."""


def train_ranker(
    splits: Splits, towers: Path, settings: Settings, folder: Path, earlier: Path | None = None
) -> dict[str, Any]:
    """Fit the rankers of every task and choose how its lists are re-ranked; write all into `folder`.

    The towers, the related artists and the neighbours that are read were learned on train, and the requests are of
    validation: nothing has seen its labels. Towers of `training.scoring = "dot"` are served as they are: a reference.

    towers: what `train_towers` wrote. settings: with those of its training. earlier: a folder with the rankers of an earlier part
    of the log, around whose weights those of now may be fitted; None: there are none. Returns a summary that JSON can hold.
    """
    tuned = TunedTowers(splits, TwoTower.load(tuned_towers(towers)), Relations.load(tuned_towers(towers)), settings)
    fits = fit_rankers(tuned, {} if earlier is None else load_rankers(earlier))
    rankers = {task: fit.ranker for task, fit in fits.items()}
    correctors: dict[str, CorrectorFit] = {}
    refined: dict[str, Refinement] = {}
    reranking: dict[str, RerankingChoice] = {}
    if settings.training.scoring == "fitted":
        requests, lists = best_of_requests(tuned, rankers)
        if settings.ranking.ranker != "none":
            correctors = fit_correctors(tuned, requests)
            if settings.ranking.ranker == "auto":
                refined = refine_rankers(tuned, fits, requests, correctors)
        reranking = choose_rerankings(tuned, lists)
    save_rankers(rankers, folder)
    found = [(task, of.corrector) for kind in (correctors, refined) for task, of in kind.items()]
    save_correctors({task: corrector for task, corrector in found if corrector}, folder)
    save_reranking(reranking, folder)
    return {
        "preset": settings.training.preset,
        "seed": settings.training.seed,
        "is_warm": earlier is not None,
        "scoring": {task: ranker.as_json() for task, ranker in rankers.items()},
        "refining": {task: of.facts for task, of in refined.items()},
        "correctors": {task: fit.facts for task, fit in correctors.items()},
        "reranking": {task: asdict(choice) for task, choice in reranking.items()},
        "settings": settings.model_dump(mode="json", include={"ranking", "reranking"}),
    }


@dataclass(frozen=True)
class TunedTowers:
    """Towers and relations that were learned on train, to be asked on validation."""

    splits: Splits
    model: TwoTower
    relations: Relations
    settings: Settings

    @cached_property
    def vectors(self) -> Floats:
        """(n_tracks, D) of the catalog of train."""
        return track_vectors(self.model, track_content(self.splits.tuning, self.settings.towers))

    def moments(self) -> "Iterator[ValidationMoment]":
        """Validation from each of MOMENTS on, one after the other: each holds the listens up to then.

        Where the parts of a split overlap in time there is only the first.
        """
        period = self.splits.tuning_period
        shares = MOMENTS if period.begins_at_once else MOMENTS[:1]
        for place, share in enumerate(shares):
            of_moment = period.after(share)
            yield ValidationMoment(self, of_moment, catalog_values(of_moment.fit), place, len(shares))
            del of_moment
            give_back_memory()  # every moment holds the whole log up to then


@dataclass(frozen=True)
class ValidationMoment:
    """Validation from a moment on."""

    tuned: TunedTowers
    period: Period
    values: Floats  # (n_tracks, catalog features) then
    number: int
    of: int

    @property
    def seed(self) -> int:
        """Other users are drawn at every moment."""
        return self.tuned.settings.evaluation.seed + self.number

    def asked(self, names: Iterable[str], requests: int) -> Iterator[tuple[Task, Listened]]:
        """Tasks of the same users, with what is read of their histories, which is made once for all.

        requests: of each task, at all moments, of which SCORED_PAIRS allows fewer in a large catalog. A user who has no positive in a
        task is not asked.
        """
        affordable = max(SCORED_PAIRS // self.tuned.splits.tuning.catalog.n_tracks, FEWEST_REQUESTS)
        period = self.period.drawn(max(min(requests, affordable) // self.of, 1), self.seed)
        theirs = period.with_their_listens()
        tasks = [TASKS[name](theirs) for name in names]
        users = np.unique(np.concatenate([task.users for task in tasks]))
        listened = Listened(theirs.fit.histories(users), Knowledge(period.fit.catalog, self.tuned.relations))
        for task in tasks:
            yield replace(task, fit=period.fit), listened.take(np.searchsorted(users, task.users))

    def scorer(self, task: Task, ranker: LinearRanker = TOWERS_ALONE) -> Scorer:
        """The score of a task."""
        tuned = self.tuned
        return scorer_of(task, tuned.model, ranker, tuned.vectors, tuned.relations, self.values)


def fit_rankers(tuned: TunedTowers, earlier: Mapping[str, LinearRanker]) -> dict[str, LinearFit]:
    """The linear ranker of each task; a task that validation cannot measure takes that of the task most like it.

    earlier: those of an earlier part of the log, by task; empty: there are none.
    """
    if tuned.settings.training.scoring == "dot":
        return dict.fromkeys(TASKS, LinearFit(TOWERS_ALONE))
    parts: dict[str, list[FitRequests]] = {name: [] for name in TASKS if name not in LIKE}
    rolling = [name for name in parts if name in ROLLING_TASKS]
    others = [name for name in parts if name not in ROLLING_TASKS]
    for moment in tuned.moments():
        asked = [moment.asked(rolling, REQUESTS)]
        if moment.number == 0:  # later the tracks of a cold start are not new any more
            asked.append(moment.asked(others, REQUESTS * moment.of))
        for task, listened in chain.from_iterable(asked):
            parts[task.name].append(requests_of(moment.scorer(task), task, moment.seed, listened))
    seed = tuned.settings.evaluation.seed
    fitted = {name: fit_ranker(name, together(of_task), seed, earlier.get(name)) for name, of_task in parts.items()}
    # The reference has no ranker: in its protocol the towers stand alone.
    return {name: fitted[LIKE.get(name, name)] for name in TASKS} | {"reference_protocol": LinearFit(TOWERS_ALONE)}


def best_of_requests(
    tuned: TunedTowers, rankers: Mapping[str, LinearRanker]
) -> tuple[dict[str, RankRequests], dict[str, list[MeasuredLists]]]:
    """The best candidates of requests of each task that has candidates to order, by its ranker.

    Returned as what a corrector is fitted on, and as lists that can be re-ranked: of fewer requests, and by moment.
    """
    ranking = tuned.settings.ranking
    most, places = (MEASURED_REQUESTS, HEAD) if ranking.ranker == "none" else (ranking.requests, ranking.places)
    requests: dict[str, list[RankRequests]] = {name: [] for name in RANKED_TASKS}
    lists: dict[str, list[MeasuredLists]] = {name: [] for name in RANKED_TASKS}
    for moment in tuned.moments():
        for task, listened in moment.asked(RANKED_TASKS, most):
            scorer = moment.scorer(task, rankers[task.name])
            ranked = ranked_task(scorer, task, max(places, HEAD), moment.seed, listened)
            requests[task.name].append(ranked.requests.first(places))
            lists[task.name].append(MeasuredLists.of(ranked, max(MEASURED_REQUESTS // moment.of, 1), moment.seed))
    return {name: all_requests(parts) for name, parts in requests.items()}, lists


def fit_correctors(tuned: TunedTowers, requests: Mapping[str, RankRequests]) -> dict[str, CorrectorFit]:
    """The corrector of each task, as the settings name it."""
    ranking, seed = tuned.settings.ranking, tuned.settings.evaluation.seed
    method: Method = CrossEncoding(tuned.vectors) if ranking.ranker == "cross_encoder" else Trees()
    always = ranking.ranker != "auto"
    fits: dict[str, CorrectorFit] = {}
    for name, of_task in requests.items():
        fits[name] = fit_corrector(name, of_task, method, ranking.places, seed, always=always)
        fits[name].facts["without"] = losses_without_groups(of_task, seed)
    return fits


def refine_rankers(
    tuned: TunedTowers,
    fits: Mapping[str, LinearFit],
    requests: Mapping[str, RankRequests],
    correctors: Mapping[str, CorrectorFit],
) -> dict[str, Refinement]:
    """For the tasks that trees do not surely pay in: other weights of the same features, which need fewer users to be fitted."""
    seed, places = tuned.settings.evaluation.seed, tuned.settings.ranking.places
    without = [task for task, fit in correctors.items() if fit.corrector is None]
    return {task: refine_ranker(task, fits[task], requests[task], places, seed) for task in without}


def choose_rerankings(tuned: TunedTowers, lists: Mapping[str, Sequence[MeasuredLists]]) -> dict[str, RerankingChoice]:
    """How lists of the catalog are re-ranked in each task, chosen on lists of the linear score.

    The linear weights have seen many of these users too, but are few; the lists of a corrector would look too good to be changed.
    """
    catalog, settings = tuned.splits.tuning.catalog, tuned.settings
    works = works_of(tuned.splits.track_names["track_name"].head(catalog.n_tracks), catalog.artist)
    reranker = Reranker(tuned.vectors, catalog.artist, works)
    chosen = {name: choose_reranking(name, of, reranker, settings.reranking) for name, of in lists.items()}
    return {name: chosen[LIKE.get(name, name)] for name in IN_CATALOG}
