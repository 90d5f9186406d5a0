"""The candidates on which weights of the served score are compared, with every term of the score."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Floats, Ids, Ragged
from loopback_core.ranking.linear import Scoring, lookup, personal_plays
from loopback_core.ranking.served import Served
from loopback_core.retrieval.top_k import rank_rows, tie_order, top_k
from loopback_core.tasks.metrics import metrics_of_hits
from loopback_core.tasks.task import Task
from loopback_core.towers.decayed_counts import EMPTY, Bag

DAYS = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 0.0)
"""Half-lives of the personal prior that are compared; 0: never forgotten."""

CUTOFFS = (10, 100)
"""Weights are compared by the mean of nDCG at both: what the verdict reads, and what a ranker would be handed, which is
less a matter of chance."""

POOL = 500
"""Of the towers' and of the most popular candidates so many are looked at for each user, beside all that a prior lifts."""

USERS_AT_ONCE = 64


class Candidates:
    """What any term of the score ranks high, for every user of a task: what no term ranks high is in no list.

    All arrays are (n,), one user's candidates after the other's.
    """

    def __init__(self, served: Served, task: Task, seed: int) -> None:
        """What is served brings its own scoring, which is not read. seed: of the permutation that breaks ties."""
        users, tie_rank = served.users(task.histories), tie_order(task.n_candidates, seed)
        tracks, artists = personal_plays(task.histories, served.catalog.artist, list(DAYS), list(DAYS))
        near = served.related
        related = EMPTY if near is None else near.of(task.histories, served.catalog.artist)
        found = _gather(users, served, task, tie_rank, tracks, artists, related)
        row, track = found.row_numbers(), found.values
        self.ends, self.tie_rank = found.offsets, tie_rank[track]
        self.towers = np.concatenate([served.vectors[found[i]] @ users[i] for i in range(len(users))])
        self.popularity = served.popularity[track]
        catalog_track = track + task.first_candidate
        n_tracks = int(max(catalog_track.max(initial=0) + 1, served.catalog.n_tracks))
        self.tracks = lookup(tracks, row, catalog_track, n_tracks)
        artist = served.candidate_artist[track].astype(np.int64)
        self.artists = lookup(artists, row, artist, served.n_artists)
        self.related = lookup(related, row, artist, served.n_artists)[:, 0]

        positives, n = task.positives, task.n_candidates
        self.n_positives = positives.lengths
        self.is_positive = np.isin(row * n + track, positives.row_numbers() * n + positives.values)
        heard = np.zeros(n)
        heard[: served.catalog.n_tracks] = 0 if task.first_candidate else served.catalog.listeners
        self.heard = heard[track]
        sums = np.bincount(positives.row_numbers(), heard[positives.values], minlength=len(positives))
        self.played = float(np.mean(sums / positives.lengths))  # how popular what is played was, 0: nobody knew it

    def measure(self, scoring: Scoring) -> tuple[NDArray[np.float64], float]:
        """(users,) the nDCG of these weights, and how many times as popular as what was played their lists are.

        Half-lives are among DAYS.
        """
        total = self.towers + self.popularity @ np.array([scoring.popularity, scoring.trend], np.float32)
        for plays, term in ((self.tracks, scoring.track), (self.artists, scoring.artist)):
            for days, weight in term:
                total = total + np.float32(weight) * plays[:, DAYS.index(days)]
        if scoring.related:
            total = total + np.float32(scoring.related) * self.related
        rows = ((np.arange(low, high), total[low:high]) for low, high in pairwise(self.ends.tolist()))
        best = rank_rows(rows, len(self.n_positives), max(CUTOFFS), self.tie_rank).tracks
        hits = (best != NOTHING) & self.is_positive[best]
        metrics = metrics_of_hits(hits, self.n_positives, CUTOFFS)
        return np.mean([metrics[f"ndcg@{k}"] for k in CUTOFFS], axis=0), self._amplification(best)

    def _amplification(self, best: Ids) -> float:
        """At the worse cut-off; 0 where nothing that is played was heard before."""
        return max(self._popularity(best[:, :k]) for k in CUTOFFS) / self.played if self.played else 0.0

    def _popularity(self, best: Ids) -> float:
        given = best != NOTHING
        return float(np.mean((self.heard[best] * given).sum(axis=1) / np.maximum(given.sum(axis=1), 1)))


def _gather(
    users: Floats, served: Served, task: Task, tie_rank: Ids, tracks: Bag, artists: Bag, related: Bag
) -> Ragged:
    """The candidates of each user, ascending. tracks, artists, related: what the prior lifts, of all of them."""
    n, everybody = task.n_candidates, np.arange(len(users) + 1)
    popular = np.argsort(-served.popularity[:, 0], kind="stable")[:POOL]
    of_tracks, of_artists, of_related = (np.searchsorted(bag.row, everybody) for bag in (tracks, artists, related))
    rows, found = [], []
    for start in range(0, len(users), USERS_AT_ONCE):
        block = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
        exclude = None if task.exclude is None else task.exclude.take(block)
        near = top_k(users[block] @ served.vectors.T, POOL, tie_rank, exclude).tracks
        for i, row in enumerate(block):
            out = np.zeros(0, np.int64) if exclude is None else exclude[i]
            dear = served.tracks_of_artist.take(artists.items[of_artists[row] : of_artists[row + 1]]).values
            lifting = slice(of_related[row], of_related[row + 1])
            lifted = _most_lifted(served, users[row], related.items[lifting], related.weights[lifting, 0], out)
            played = tracks.items[of_tracks[row] : of_tracks[row + 1]] - task.first_candidate
            played = played[(played >= 0) & (played < n)]
            whole = np.unique(np.concatenate([near[i][near[i] != NOTHING], popular, dear, lifted, played]))
            whole = whole[~np.isin(whole, out)]
            rows.append(np.full(len(whole), row))
            found.append(whole)
    return Ragged.from_pairs(np.concatenate(rows), np.concatenate(found), len(users))


def _most_lifted(served: Served, user: Floats, artists: Ids, weights: Floats, out: Ids) -> Ids:
    """Of the tracks of many artists, but for those left `out`, what the towers or popularity rank high beside the weights.

    Related artists are popular ones, and all of their tracks would be many times the other candidates.
    """
    of_artists = served.tracks_of_artist.take(artists)
    kept = ~np.isin(of_artists.values, out)
    tracks, lift = of_artists.values[kept], np.repeat(weights, of_artists.lengths)[kept]
    if len(tracks) <= POOL:
        return tracks
    scores = (served.vectors[tracks] @ user + lift, served.popularity[tracks, 0] + lift)
    best: Ids = tracks[np.concatenate([np.argpartition(-score, POOL)[:POOL] for score in scores])]
    return best
