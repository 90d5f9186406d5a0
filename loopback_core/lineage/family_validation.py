"""How good the towers of a family are after an epoch, by their own score."""

import numpy as np
import torch

from loopback_core.data import Floats
from loopback_core.lineage.compressed_view import CompressedView
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.track_views import Merge, View
from loopback_core.settings import Settings
from loopback_core.tasks.period import Period
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import UserInputs
from loopback_core.training.validation import Validation

CATALOG_PRODUCTS_AT_ONCE = 1 << 24
"""Products of vectors of users with the catalog that are held in one pass: 64 MB."""


class FamilyValidation(Validation):
    """Scores every track of the catalog exactly; the vectors of a user or of a track stand side by side in one row."""

    def __init__(self, period: Period, settings: Settings) -> None:
        super().__init__(period, settings)
        self._merge: Merge = "max"
        self._dim = settings.towers.output_dim

    def encode_tracks(self, model: TwoTower) -> Floats:
        """(n_tracks, V D)."""
        assert isinstance(model, MultiVectorTowers)
        self._merge = model.merge
        views = [view for view in model.views(self.content) if isinstance(view, View | CompressedView)]
        return np.concatenate([view.vectors if view.row is None else view.vectors[view.row] for view in views], axis=1)

    @torch.inference_mode()
    def encode_users(self, model: TwoTower, batches: list[UserInputs]) -> Floats:
        """(users, U D)."""
        assert isinstance(model, MultiVectorTowers)
        vectors = [model.user_vectors(inputs.to(model.device)).flatten(1).float().cpu().numpy() for inputs in batches]
        return np.concatenate(vectors or [np.zeros((0, self._dim), np.float32)])

    def scores(self, users: Floats, tracks: Floats) -> Floats:
        """See :class:`Validation`."""
        return merged_scores(users, tracks, self._dim, self._merge)


def merged_scores(users: Floats, tracks: Floats, dim: int, merge: Merge) -> Floats:
    """(users, tracks) scores of all pairs, of some users at a time, so that few products are held.

    users: (users, U D), tracks: (tracks, V D), the vectors of each side by side. dim: D.
    """
    views = tracks.reshape(len(tracks), -1, dim).transpose(1, 0, 2)
    vectors = users.reshape(len(users), -1, dim)  # (users, U, D)
    scores = np.empty((len(users), len(tracks)), np.float32)
    at_once = max(1, CATALOG_PRODUCTS_AT_ONCE // max(1, vectors.shape[1] * len(tracks)))
    for start in range(0, len(users), at_once):
        block = vectors[start : start + at_once]
        flat = block.reshape(-1, dim)
        best = flat @ views[0].T
        for view in views[1:]:
            np.maximum(best, flat @ view.T, out=best)
        of_users = best.reshape(len(block), -1, len(tracks))
        scores[start : start + len(block)] = of_users.max(axis=1) if merge == "max" else of_users.sum(axis=1)
    return scores
