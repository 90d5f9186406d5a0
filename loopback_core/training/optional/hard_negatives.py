"""Hard negatives: tracks near a user's vector that the user never plays, mined before every epoch but the first."""

import faiss
import numpy as np
from numpy.typing import NDArray

from loopback_core.data import NOTHING, FitData, Ids, Ragged
from loopback_core.features.track_content import track_content
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.retrieval.indexes import build_index
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ONLY_NEW
from loopback_core.training.negatives import Negatives
from loopback_core.training.requests import RequestPlan, Requests


class HardNegatives:
    """The nearest neighbours of each user among the tracks that the user does not play in the fit data.

    (Huang et al. 2020, "Embedding-based Retrieval in Facebook Search".) Their sampling probability is unknown: they
    enter the loss without a correction, with `hard_weight` as a factor. A track that a user plays anywhere in the fit
    data is never a hard negative of this user, for either intent: unheard tracks near a user are often future
    discoveries, so the known ones have to be left out.
    """

    def __init__(self, data: FitData, plan: RequestPlan, settings: Settings) -> None:
        self.settings, self.count = (
            settings,
            round(settings.training.sampled.hard_share * settings.training.sampled.negatives),
        )
        self._histories, self._content = plan.histories, track_content(data, settings.towers)
        self._played = plan.played
        nothing = np.zeros(0, np.int64)
        self.pool = Ragged.from_pairs(nothing, nothing, len(plan.histories))  # a row for each user
        self._column = np.full(data.catalog.n_tracks, -1, np.int64)  # scratch: where a track stands among those drawn

    def mine(self, model: TwoTower) -> None:
        """Fill the pools with what the index finds near the users as the weights are now; leaves `model` in eval mode.

        Each user is read at the end of the fit data, with the intent of new tracks.
        """
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # a graph that several threads build differs from run to run
        try:
            index = build_index(track_vectors(model, self._content), self.settings.index)
        finally:
            faiss.omp_set_num_threads(threads)
        users = user_vectors(model, self._histories, self._content.artist, ONLY_NEW)
        neighbours = index.search(users, self.settings.training.sampled.hard_pool, self._played).tracks
        row, place = np.nonzero(neighbours != NOTHING)
        self.pool = Ragged.from_pairs(row, neighbours[row, place], len(neighbours))

    def joined(self, negatives: Negatives, requests: Requests, rng: np.random.Generator) -> Negatives:
        """`negatives` and hard ones after them."""
        tracks = self.draw(requests, rng)
        weight = np.full(len(tracks), -np.log(self.settings.training.sampled.hard_weight), np.float32)
        return Negatives(
            np.concatenate([negatives.tracks, tracks]),
            np.concatenate([negatives.correction, weight]),
            np.concatenate([negatives.false_negative, self.false_negatives(requests, tracks)], axis=1),
        )

    def draw(self, requests: Requests, rng: np.random.Generator) -> Ids:
        """Distinct tracks out of the pools of the users of the step, (count,) or fewer if the pools hold fewer."""
        if not self.count:
            return np.zeros(0, np.int64)
        near = np.unique(self.pool.take(np.unique(requests.moments.row)).values)
        return rng.choice(near, min(self.count, len(near)), replace=False)

    def false_negatives(self, requests: Requests, tracks: Ids) -> NDArray[np.bool_]:
        """(A, H) bool: does the user of the request play the track anywhere in the fit data? tracks: (H,) distinct.

        The targets of a request, and what its user knows by the end of the window, are among what the user plays.
        """
        if not len(tracks):
            return np.zeros((len(requests.moments), 0), np.bool_)
        self._column[tracks] = np.arange(len(tracks))
        users, which = np.unique(requests.moments.row, return_inverse=True)
        lists = self._played.take(users)
        column = self._column[lists.values]
        self._column[tracks] = -1
        drawn = column >= 0
        played = np.zeros((len(users), len(tracks)), np.bool_)
        played[lists.row_numbers()[drawn], column[drawn]] = True
        spread: NDArray[np.bool_] = played[which]
        return spread
