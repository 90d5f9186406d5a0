"""Shared negatives of a step: drawn from the targets of its users and from the catalog, with the pairs to mask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import FitData, Floats, Ids, Ragged
from loopback_core.settings import SampledSettings, TrainingSettings
from loopback_core.towers.user import ONLY_NEW
from loopback_core.training.requests import RequestPlan, Requests

FEW = 2
"""A catalog of at most this many times the negatives of a step is not drawn from."""


@dataclass(frozen=True)
class Negatives:
    """M negatives that all requests of a step share: first those drawn from targets, then those from the catalog."""

    tracks: Ids  # (M,)
    correction: Floats  # (M,) what is taken off each score, in nats
    false_negative: NDArray[np.bool_]  # (A, M)


def takes_every_track(sampled: SampledSettings, n_tracks: int) -> bool:
    """Whether the negatives of a step are the whole catalog, as in the full softmax, and not a sample of it."""
    return sampled.uniform_share == 1 and n_tracks <= FEW * sampled.negatives


class NegativeSampler:
    """Draws mixed negatives (Yang et al. 2020): those drawn from targets alone never include most of the catalog.

    The targets are those of the step's group of users over the whole epoch, not of the step, whose few stretches of
    history are no representative sample.
    The proposal is the mixture q(t) = (1 - uniform_share) * share of t among the targets + uniform_share / tracks, and
    the correction logq * log(M q(t)): with it the scores learn how often a track is played, without it how much more
    often than its popularity predicts (Bengio & Senécal 2003; Yi et al. 2019).
    """

    def __init__(self, data: FitData, plan: RequestPlan, settings: TrainingSettings) -> None:
        self.settings, self.n_tracks = settings, data.catalog.n_tracks
        self._known, self._offsets = plan.played, plan.histories.tracks.offsets
        self._after = plan.first_plays - self._offsets[plan.row(plan.first_plays)]  # after how many listens of the user
        self._column = np.full(self.n_tracks, -1, np.int64)  # scratch: where a track stands among the negatives

    def draw(self, requests: Requests, rng: np.random.Generator) -> Negatives:
        """The negatives of one step: of a catalog hardly larger than what would be drawn from it, all tracks once."""
        sampled = self.settings.sampled
        if takes_every_track(sampled, self.n_tracks):
            everything = np.arange(self.n_tracks)
            nothing = np.zeros(self.n_tracks, np.float32)
            return Negatives(everything, nothing, self.false_negatives(requests, everything))
        n_uniform = round(sampled.negatives * sampled.uniform_share)
        targets = requests.group.draw(sampled.negatives - n_uniform, rng)
        tracks = np.concatenate([targets, rng.integers(0, self.n_tracks, n_uniform)])
        share = (1 - sampled.uniform_share) * requests.group.share(tracks) + sampled.uniform_share / self.n_tracks
        correction = sampled.logq * np.log(sampled.negatives * share)
        return Negatives(tracks, correction.astype(np.float32), self.false_negatives(requests, tracks))

    def false_negatives(self, requests: Requests, tracks: Ids) -> NDArray[np.bool_]:
        """(A, M) bool: pairs that do not count as negatives.

        A negative that is a target of the request itself; and for a request for new tracks what the user knew before or
        gets to know within the window: the first are no candidates, the second are right answers. What the user
        discovers later stays a negative: otherwise nothing teaches when a track fits.
        """
        distinct, spread = np.unique(tracks, return_inverse=True)
        self._column[distinct] = np.arange(len(distinct))
        mask = np.zeros((len(requests.moments), len(distinct)), np.bool_)
        if self.settings.mask_same_track:
            column = self._column[requests.target]
            mask[requests.request[column >= 0], column[column >= 0]] = True
        if self.settings.mask_known_positives:
            self._mask_known(mask, requests)
        self._column[distinct] = -1
        wide: NDArray[np.bool_] = mask.take(spread, axis=1)
        return wide

    def _mask_known(self, mask: NDArray[np.bool_], requests: Requests) -> None:
        asks = np.flatnonzero(requests.intent == ONLY_NEW)
        users, which = np.unique(requests.moments.row[asks], return_inverse=True)
        lists = self._known.take(users)
        column = self._column[lists.values]
        drawn = column >= 0
        after = Ragged(self._known.offsets, self._after).take(users).values[drawn]
        first_play = np.full((len(users), mask.shape[1]), np.iinfo(np.int64).max)
        first_play[lists.row_numbers()[drawn], column[drawn]] = after
        heard = requests.moments.place[asks] - self._offsets[requests.moments.row[asks]]
        mask[asks] |= first_play[which] < (heard + self.settings.sampled.target_window)[:, None]
