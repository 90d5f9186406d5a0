"""How good the towers of a family are after an epoch, by their own score."""

import numpy as np
import torch

from loopback_core.data import Floats
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.track_views import View
from loopback_core.settings import Settings
from loopback_core.tasks.period import Period
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import UserInputs
from loopback_core.training.validation import Validation


class FamilyValidation(Validation):
    """Scores every track of the catalog exactly, in blocks; the vectors of a user or of a track stand side by side in one row."""

    def __init__(self, period: Period, settings: Settings) -> None:
        super().__init__(period, settings)
        self._merge, self._dim = "max", settings.towers.output_dim

    def encode_tracks(self, model: TwoTower) -> Floats:
        """(n_tracks, V D)."""
        assert isinstance(model, MultiVectorTowers)
        self._merge = model.merge
        views = [view for view in model.views(self.content) if isinstance(view, View)]
        return np.concatenate([view.vectors if view.row is None else view.vectors[view.row] for view in views], axis=1)

    @torch.inference_mode()
    def encode_users(self, model: TwoTower, batches: list[UserInputs]) -> Floats:
        """(users, U D)."""
        assert isinstance(model, MultiVectorTowers)
        vectors = [model.user_vectors(inputs.to(model.device)).flatten(1).float().cpu().numpy() for inputs in batches]
        return np.concatenate(vectors or [np.zeros((0, self._dim), np.float32)])

    def scores(self, users: Floats, tracks: Floats) -> Floats:
        """See :class:`Validation`; a user at a time, so that few products are held."""
        views = tracks.reshape(len(tracks), -1, self._dim).transpose(1, 0, 2)
        scores = np.empty((len(users), len(tracks)), np.float32)
        for row, user in enumerate(users):
            vectors = user.reshape(-1, self._dim)
            best = vectors @ views[0].T
            for view in views[1:]:
                np.maximum(best, vectors @ view.T, out=best)
            scores[row] = best.max(axis=0) if self._merge == "max" else best.sum(axis=0)
        return scores
