"""Neighbours: users who played the same, and tracks that the same users played."""

from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array

from loopback_core.data import FitData, Floats, Histories, Ragged, Ranking
from loopback_core.recommenders.baselines.baseline import Baseline, decay
from loopback_core.recommenders.baselines.matrices import (
    CoOccurrence,
    RightFactor,
    Weights,
    by_artist,
    history_plays,
    rank_positive,
    unit_rows,
    weigh,
)
from loopback_core.retrieval.top_k import tie_order


class UserKNN(Baseline):
    """What the most similar users played, weighted by cosine similarity (Resnick et al. 1994; Herlocker et al. 1999).

    A user is never their own neighbour.
    """

    id = "userknn"
    colour = "#dd4478"
    ranking_only = frozenset({"neighbours"})
    grid: ClassVar = {"weights": ("log", "binary"), "neighbours": (20, 50, 100, 200)}

    def __init__(self, weights: Weights = "log", neighbours: int = 50, seed: int = 0) -> None:
        super().__init__(seed)
        self.weights: Weights = weights
        self.neighbours = neighbours

    def fit(self, data: FitData) -> Self:
        """Keep every user's plays."""
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        plays = weigh(data.plays, self.weights)
        self._plays, self._profiles = RightFactor(plays), csr_array(unit_rows(plays).T)
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best tracks of the neighbours."""
        mine = unit_rows(weigh(history_plays(histories, len(self._tie_rank)), self.weights))
        votes = self._plays.times(nearest_users(mine, self._profiles, histories, self.neighbours))
        return rank_positive(votes, k, self._tie_rank, exclude)


class ArtistUserKNN(Baseline):
    """More of the user's artists, by what users of a similar taste in artists play of them.

    Score = (sum over the neighbours by artist profile of similarity × log(1 + plays)) × the user's decayed plays of
    the track's artist ** power.
    """

    id = "artist_userknn"
    colour = "#c04fd0"
    ranking_only = frozenset({"neighbours", "half_life_days", "power"})
    grid: ClassVar = {"neighbours": (50, 100, 200), "half_life_days": (14, 30, 60, 365), "power": (0.5, 1.0)}

    def __init__(self, neighbours: int = 100, half_life_days: float = 30, power: float = 0.5, seed: int = 0) -> None:
        super().__init__(seed)
        self.neighbours, self.half_life_days, self.power = neighbours, half_life_days, power

    def fit(self, data: FitData) -> Self:
        """Keep every user's plays, of tracks and of artists."""
        self._catalog = data.catalog
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        self._plays = weigh(data.plays, "log")
        self._profiles = csr_array(unit_rows(weigh(by_artist(data.plays, data.catalog), "log")).T)
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k best tracks of the user's artists."""
        n_tracks = self._catalog.n_tracks
        mine = unit_rows(weigh(by_artist(history_plays(histories, n_tracks), self._catalog), "log"))
        votes = csr_array(nearest_users(mine, self._profiles, histories, self.neighbours) @ self._plays)
        recent = history_plays(histories, n_tracks, decay(histories.ages, self.half_life_days))
        # A block of (rows, n_artists) weights: what the votes are multiplied with, at the artist of each track.
        affinity = by_artist(recent, self._catalog).toarray() ** self.power
        row = np.repeat(np.arange(len(histories)), np.diff(votes.indptr))
        votes.data = votes.data * affinity[row, self._catalog.artist[votes.indices]]
        return rank_positive(votes, k, self._tie_rank, exclude)


def nearest_users(mine: csr_array, profiles: csr_array, histories: Histories, neighbours: int) -> csr_array:
    """Similarities to the nearest users of the fit data, 0 elsewhere and for the user's own row, (rows, n_users).

    mine: (rows, D) with rows of unit length. profiles: (D, n_users) with columns of unit length.
    """
    similarity: Floats = (mine @ profiles).toarray()
    n_users = similarity.shape[1]
    known = (histories.users >= 0) & (histories.users < n_users)
    similarity[np.flatnonzero(known), histories.users[known]] = 0
    if neighbours < n_users:
        worst = np.argpartition(-similarity, neighbours - 1, axis=1)[:, neighbours:]
        np.put_along_axis(similarity, worst, 0, axis=1)
    return csr_array(similarity)


class ItemKNN(Baseline):
    """Tracks whose listeners are those of the tracks in the history, all neighbours kept (Sarwar et al. 2001)."""

    id = "itemknn"
    colour = "#e05c8c"
    grid: ClassVar = {"weights": ("log", "binary"), "asymmetry": (0.5, 0.25, 0.75)}

    def __init__(self, weights: Weights = "log", asymmetry: float = 0.5, seed: int = 0) -> None:
        super().__init__(seed)
        self.weights: Weights = weights
        self.asymmetry = asymmetry

    def fit(self, data: FitData) -> Self:
        """Count who listens to both of any two tracks."""
        self._tie_rank = tie_order(data.catalog.n_tracks, self.seed)
        self._similarity = CoOccurrence(weigh(data.plays, self.weights), self.asymmetry)
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k tracks most similar to those of the history, each of which counts log(1 + plays), or 1."""
        history = weigh(history_plays(histories, len(self._tie_rank)), self.weights)
        return rank_positive(self._similarity.score(history), k, self._tie_rank, exclude)
