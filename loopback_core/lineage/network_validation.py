"""How good towers are after an epoch of which a network scores the candidates."""

import numpy as np

from loopback_core.data import Floats
from loopback_core.lineage.family_validation import FamilyValidation
from loopback_core.lineage.network_towers import NetworkTowers
from loopback_core.towers.two_tower import TwoTower

CANDIDATES = 4_000
"""Tracks that the product of the plain vectors finds for a user, those that the user knows among them. The others are no candidates."""


class NetworkValidation(FamilyValidation):
    """Scores the candidates of each user; the vector and the states of a track stand side by side in a row."""

    def encode_tracks(self, model: TwoTower) -> Floats:
        """(n_tracks, D + W)."""
        assert isinstance(model, NetworkTowers)
        self._model = model
        return super().encode_tracks(model)

    def scores(self, users: Floats, tracks: Floats) -> Floats:
        """See :class:`Validation`; a user at a time, so that few pairs are held."""
        vectors, states = tracks[:, : self._dim], tracks[:, self._dim :]
        products = users[:, : self._dim] @ vectors.T
        scores = np.full_like(products, -np.inf)
        for row, user in enumerate(users):
            found = (
                np.argpartition(-products[row], CANDIDATES - 1)[:CANDIDATES]
                if len(tracks) > CANDIDATES
                else slice(None)
            )
            scores[row, found] = products[row, found] + self._model.added(user, np.ascontiguousarray(states[found]))
        return scores
