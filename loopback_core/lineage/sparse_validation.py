"""How good sparse towers are after an epoch, by the terms that are served."""

from typing import Any

import numpy as np
import torch
from scipy import sparse

from loopback_core.data import Floats
from loopback_core.lineage.family_validation import FamilyValidation
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.sparse_view import SparseView
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import UserInputs


class SparseValidation(FamilyValidation):
    """Scores every track of the catalog exactly; a user is kept as its terms and their weights, side by side."""

    def encode_tracks(self, model: TwoTower) -> Any:
        """(terms, n_tracks), as scipy's CSR."""
        assert isinstance(model, MultiVectorTowers)
        (view,) = model.views(self.content)
        assert isinstance(view, SparseView)
        return view.matrix.T.tocsr()

    @torch.inference_mode()
    def encode_users(self, model: TwoTower, batches: list[UserInputs]) -> Floats:
        """(users, 2 n) of the n heaviest terms; float32 holds their numbers, which are below 2 ** 24."""
        assert isinstance(model, MultiVectorTowers)
        kept = []
        for inputs in batches:
            vectors = model.user_vectors(inputs.to(model.device))[:, 0]
            best = vectors.topk(int((vectors > 0).sum(dim=1).amax()), dim=1)
            kept.append(np.stack([best.indices.cpu().numpy(), best.values.cpu().numpy()], axis=1, dtype=np.float32))
        most = max((of.shape[2] for of in kept), default=0)
        padded = [np.pad(of, ((0, 0), (0, 0), (0, most - of.shape[2]))) for of in kept]
        return np.concatenate([np.zeros((0, 2, most), np.float32), *padded]).reshape(-1, 2 * most)

    def scores(self, users: Floats, tracks: Any) -> Floats:
        """See :class:`Validation`."""
        terms, weights = users.reshape(len(users), 2, -1).transpose(1, 0, 2)
        begins = np.arange(len(users) + 1) * terms.shape[1]
        rows = sparse.csr_array(
            (weights.ravel(), terms.ravel().astype(np.int32), begins), shape=(len(users), tracks.shape[0])
        )
        scores: Floats = (rows @ tracks).toarray()
        return scores
