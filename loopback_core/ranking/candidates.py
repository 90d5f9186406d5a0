"""The candidates on which weights are compared, with every term of the score."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Ids, Ragged
from loopback_core.ranking.linear_ranker import LinearRanker
from loopback_core.ranking.pair_features import EVERY_FEATURE, pair_features, personal_features
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import PERSONAL_TERMS
from loopback_core.retrieval.top_k import rank_rows, tie_order, top_k
from loopback_core.tasks.metrics import metrics_of_hits
from loopback_core.tasks.task import Task
from loopback_core.towers.decayed_counts import Bag

CUTOFFS = (10, 100)
"""Weights are compared by the mean of nDCG at both: that of the verdict, and that of the longer list for a second stage,
which is less noisy."""

POOL = 500
"""The number of the towers' best and of the most popular candidates of each user, besides those of the terms."""

USERS_AT_ONCE = 64


class Candidates:
    """For every user of a task, the candidates that any term ranks high: what no term ranks high is in no list.

    All arrays are (n,), the candidates of one user after those of the other.
    """

    def __init__(self, scorer: Scorer, task: Task, seed: int) -> None:
        """The ranker of the scorer is not read. seed: of the permutation that breaks ties."""
        users, tie_rank = scorer.users(task.histories), tie_order(task.n_candidates, seed)
        bags = personal_features(task.histories, scorer.knowledge, EVERY_FEATURE)
        pairs = _gather(users, scorer, task, tie_rank, bags)
        row, candidate = pairs.row_numbers(), pairs.values
        self.ends, self.tie_rank = pairs.offsets, tie_rank[candidate]
        self.products = np.concatenate([scorer.vectors[pairs[i]] @ users[i] for i in range(len(users))])
        self.catalog_values = scorer.catalog_values[candidate]
        artist = scorer.candidate_artist[candidate].astype(np.int64)
        self.features = {
            term.name: pair_features(term, bags[term.name], row, candidate + task.first_candidate, artist)
            for term in PERSONAL_TERMS
        }

        positives, n = task.positives, task.n_candidates
        self.n_positives = positives.lengths
        self.is_positive = np.isin(row * n + candidate, positives.row_numbers() * n + positives.values)
        catalog, listeners = scorer.knowledge.catalog, np.zeros(n)
        listeners[: catalog.n_tracks] = 0 if task.first_candidate else catalog.listeners
        self.listeners = listeners[candidate]
        sums = np.bincount(positives.row_numbers(), listeners[positives.values], minlength=len(positives))
        self.listeners_of_positives = float(np.mean(sums / positives.lengths))

    def measure(self, ranker: LinearRanker) -> tuple[NDArray[np.float64], float]:
        """(users,) the nDCG of these weights, and how many times as popular as the positives their lists are."""
        total = self.products + self.catalog_values @ ranker.of_catalog_terms()
        for term in PERSONAL_TERMS:
            for days, weight in ranker.of_term(term):
                column = EVERY_FEATURE[term.name].index(days)
                total = total + np.float32(weight) * self.features[term.name][:, column]
        rows = ((np.arange(low, high), total[low:high]) for low, high in pairwise(self.ends.tolist()))
        best = rank_rows(rows, len(self.n_positives), max(CUTOFFS), self.tie_rank).tracks
        hits = (best != NOTHING) & self.is_positive[best]
        metrics = metrics_of_hits(hits, self.n_positives, CUTOFFS)
        return np.mean([metrics[f"ndcg@{k}"] for k in CUTOFFS], axis=0), self._amplification(best)

    def _amplification(self, best: Ids) -> float:
        """The larger of both cut-offs; 0 where no positive was known before."""
        if not self.listeners_of_positives:
            return 0.0
        return max(self._mean_listeners(best[:, :k]) for k in CUTOFFS) / self.listeners_of_positives

    def _mean_listeners(self, best: Ids) -> float:
        is_track = best != NOTHING
        return float(np.mean((self.listeners[best] * is_track).sum(axis=1) / np.maximum(is_track.sum(axis=1), 1)))


def _gather(users: Floats, scorer: Scorer, task: Task, tie_rank: Ids, bags: dict[str, Bag]) -> Ragged:
    """The candidates of each user, ascending. bags: items with a value of a personal term, for every user."""
    popular = np.argsort(-scorer.catalog_values[:, 0], kind="stable")[:POOL]
    ends = {name: np.searchsorted(bag.row, np.arange(len(users) + 1)) for name, bag in bags.items()}
    rows, candidates = [], []
    for start in range(0, len(users), USERS_AT_ONCE):
        block = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
        exclude = None if task.exclude is None else task.exclude.take(block)
        near = top_k(users[block] @ scorer.vectors.T, POOL, tie_rank, exclude).tracks
        for i, row in enumerate(block):
            out = np.zeros(0, np.int64) if exclude is None else exclude[i]
            lifted = []
            for term in PERSONAL_TERMS:
                of_row = slice(ends[term.name][row], ends[term.name][row + 1])
                items, weights = bags[term.name].items[of_row], bags[term.name].weights[of_row, 0]
                if term.over == "tracks":
                    items = items - task.first_candidate
                    lifted.append(items[(items >= 0) & (items < task.n_candidates)])
                elif term.lifts_few:
                    lifted.append(scorer.tracks_of_artist.take(items).values)
                else:
                    lifted.append(_most_lifted(scorer, users[row], items, weights, out))
            whole = np.unique(np.concatenate([near[i][near[i] != NOTHING], popular, *lifted]))
            whole = whole[~np.isin(whole, out)]
            rows.append(np.full(len(whole), row))
            candidates.append(whole)
    return Ragged.from_pairs(np.concatenate(rows), np.concatenate(candidates), len(users))


def _most_lifted(scorer: Scorer, user: Floats, artists: Ids, weights: Floats, out: Ids) -> Ids:
    """The tracks of many artists, not in `out`, that rank high by the weights plus the towers or popularity."""
    of_artists = scorer.tracks_of_artist.take(artists)
    allowed = ~np.isin(of_artists.values, out)
    tracks, lift = of_artists.values[allowed], np.repeat(weights, of_artists.lengths)[allowed]
    if len(tracks) <= POOL:
        return tracks
    scores = (scorer.vectors[tracks] @ user + lift, scorer.catalog_values[tracks, 0] + lift)
    best: Ids = tracks[np.concatenate([np.argpartition(-score, POOL)[:POOL] for score in scores])]
    return best
