"""How good towers with one-way attention are after an epoch, by the score of every track."""

import numpy as np

from loopback_core.data import Floats
from loopback_core.lineage.attention_towers import AttentionTowers
from loopback_core.lineage.family_validation import FamilyValidation
from loopback_core.towers.two_tower import TwoTower


class AttentionValidation(FamilyValidation):
    """Scores every track of the catalog exactly; the vector and the projections of a track stand side by side in a row."""

    def encode_tracks(self, model: TwoTower) -> Floats:
        """(n_tracks, D + 2 width)."""
        assert isinstance(model, AttentionTowers)
        self._model = model
        return super().encode_tracks(model)

    def scores(self, users: Floats, tracks: Floats) -> Floats:
        """See :class:`Validation`; a user at a time, so that few pairs are held."""
        vectors, states = tracks[:, : self._dim], np.ascontiguousarray(tracks[:, self._dim :])
        scores = users[:, : self._dim] @ vectors.T
        for row, user in enumerate(users):
            scores[row] += self._model.attended(user, states)
        return scores
