"""Several vectors of a user, one for each interest.

(Cen et al. 2020, "Controllable Multi-Interest Framework for Recommendation", ComiRec-SA.)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.lineage.multi_vector_towers import MultiVectorTowers, in_order, last_states, pair_cosines
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs
from loopback_core.training.losses import sampled_softmax
from loopback_core.training.sampled import SampledBatch

MOST_ALIKE = 0.8
"""The cosine of two interests of a user from which on the guard pushes them apart: users of one taste may have interests alike."""

GUARD = 1.0
"""Nats for each unit of cosine above it, as a mean over pairs."""


class InterestTowers(MultiVectorTowers):
    """interest k = g_k * (what the plain user tower says) + f_k * (what head k finds among the last listens), of unit norm.

    Each head is a self-attention over the states of the last listens. A track's score is the largest over the interests;
    a target trains only the interest that is nearest to it (hard argmax, as ComiRec).
    """

    merge = "max"

    def __init__(self, vocabulary: Vocabulary, settings: Settings) -> None:
        super().__init__(vocabulary, settings)
        in_order(self, "interests")
        dim, self.count = settings.towers.output_dim, settings.lineage.interests
        self.listens = min(settings.lineage.listens, settings.towers.hstu.window)
        self.hidden, self.heads = nn.Linear(dim, dim), nn.Linear(dim, self.count, bias=False)
        self.pooled_gates = nn.Parameter(torch.ones(self.count, dim))
        self.found_gates = nn.Parameter(torch.ones(self.count, dim))

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, K, D) of unit norm. Without a listen all are the same vector."""
        users, last = in_order(self, "interests")
        assert inputs.last is not None
        states = last.states(inputs.last)
        pooled = F.normalize(users.total(inputs, states), dim=-1)
        lately, is_heard = last_states(states, inputs.last, self.listens)
        logits = self.heads(self.hidden(lately).tanh())  # (A, N, K)
        weights = logits.masked_fill(~is_heard[..., None], torch.finfo(logits.dtype).min).softmax(dim=1)
        found = weights.transpose(1, 2) @ lately  # zeros where nothing was heard
        return F.normalize(pooled[:, None] * self.pooled_gates + found * self.found_gates, dim=-1)

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of each target with its nearest interest, and the guard against interests that are all alike."""
        vectors, tracks = self.user_vectors(batch.users), self.tracks(batch.tracks)
        positives, negatives = tracks[: len(batch)], tracks[len(batch) :]
        with torch.no_grad():
            products = vectors.index_select(0, batch.request) @ positives[..., None]  # (T, K, 1)
            interest = batch.request * self.count + products[..., 0].argmax(dim=1)
        order = torch.argsort(interest, stable=True)
        rows, row = torch.unique_consecutive(
            interest[order], return_inverse=True
        )  # interests without a target cost nothing
        loss = sampled_softmax(
            vectors.flatten(0, 1).index_select(0, rows),
            positives.index_select(0, order),
            row,
            negatives,
            self.inverse_temperature(),
            batch.correction,
            batch.false_negative.index_select(0, rows // self.count),
            None if batch.weight is None else batch.weight[order],
        )
        if self.count == 1:
            return loss
        return loss + GUARD * (pair_cosines(vectors) - MOST_ALIKE).clamp(min=0).mean()
