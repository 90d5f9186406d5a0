"""Several vectors of a user, one for each interest.

(Cen et al. 2020, "Controllable Multi-Interest Framework for Recommendation", ComiRec-SA; Li et al. 2019, "Multi-Interest
Network with Dynamic Routing", MIND, for the assignment of what was played to interests.)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.data.names import TrackNames
from loopback_core.lineage.merged_softmax import merged_softmax
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers, last_states, pair_cosines
from loopback_core.settings import Settings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.pool import Pool
from loopback_core.towers.sequences import Sequences
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import HistoryUserTower, UserInputs
from loopback_core.training.sampled import SampledBatch

MOST_ALIKE = 0.8
"""The cosine of two interests of a user from which on the guard pushes them apart: users of one taste may have interests alike."""

GUARD = 1.0
"""Nats for each unit of cosine above it, as a mean over pairs."""

APART = 2.0
"""Standard deviation of the logits by which an item is assigned to interests at the start: with equal shares none would differ."""

OPEN_AT_FIRST = 0.1
"""The gates at the start: little, so that every interest begins near the plain vector, which is learned first."""


class InterestTowers(MultiVectorTowers):
    """A track's score is the largest over the interests of a user; a target trains only the one nearest to it (hard argmax).

    Every item of the history has a share in each interest, a softmax of its vector, and interest k is the plain user vector
    with the items of its share weighing more: with weights w it reads (1 - g_k) w + g_k K share_k w. An interest of
    which a user played nothing is thus near the plain vector, and not noise as loud as the others. Where the last listens are
    read in order, head k adds what it finds among their states by attention.
    """

    merge = "max"

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names)
        dim, self.count = settings.towers.output_dim, settings.lineage.interests
        self.listens = min(settings.lineage.listens, settings.towers.hstu.window)
        self.shares = nn.ParameterList(APART * torch.randn(self.count, dim, device="cpu") for _ in range(2))
        self.gates = nn.Parameter(torch.full((self.count, dim), OPEN_AT_FIRST))
        if settings.towers.user_encoder == "hstu":
            self.hidden, self.heads = nn.Linear(dim, dim), nn.Linear(dim, self.count, bias=False)
            self.found_gates = nn.Parameter(torch.ones(self.count, dim))

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, K, D) of unit norm."""
        users = self.users
        assert isinstance(users, HistoryUserTower)  # the objective needs it
        last = inputs.last
        states = None if users.last is None or last is None else users.last.states(last)
        total = users.total(inputs, states)[:, None]  # (A, 1, D)
        parts = ((inputs.artists, users.artist_gates), (inputs.tracks, users.track_gates))
        for table, shares, (pool, gates) in zip(users.tables, self.shares, parts, strict=True):
            if pool is not None:
                total = total + self._beyond_the_plain(table, shares, pool, gates, inputs)
        vectors = F.normalize(total, dim=-1)
        if states is None or last is None:
            return vectors
        return F.normalize(vectors + self._found(states, last) * self.found_gates, dim=-1)

    def _beyond_the_plain(
        self, table: IdEmbedding, shares: Tensor, pool: Pool, gates: Tensor, inputs: UserInputs
    ) -> Tensor:
        """(A, K, D) g_k * (K share_k - 1) times the weighted items, summed over the scales."""
        assert inputs.intent is not None
        ids = torch.cat(pool.ids)
        vectors = table(ids)  # (n, D), as those that the plain vector sums
        share = (F.normalize(vectors, dim=-1) @ shares.T).softmax(dim=-1)  # (n, K)
        more = ((self.count * share - 1)[..., None] * vectors[:, None]).flatten(1)  # (n, K D)
        blocks = zip(pool.weights, more.split([len(of) for of in pool.ids]), strict=True)
        sums = torch.cat([(weights.flatten(0, 1) @ items).view(*weights.shape[:2], -1) for weights, items in blocks])
        sums = sums.view(*sums.shape[:2], self.count, -1)  # (P, scales, K, D)
        of_intents = torch.einsum("pskd,isd->ipkd", sums, gates).flatten(0, 1)
        row = torch.arange(len(inputs), device=ids.device) if inputs.pooled is None else inputs.pooled
        beyond: Tensor = of_intents.index_select(0, inputs.intent * len(sums) + row) * self.gates
        return beyond

    def _found(self, states: Tensor, last: Sequences) -> Tensor:
        """(A, K, D) what each head finds among the last listens; zeros where nothing was heard."""
        lately, is_heard = last_states(states, last, self.listens)
        logits = self.heads(self.hidden(lately).tanh())  # (A, N, K)
        weights = logits.masked_fill(~is_heard[..., None], torch.finfo(logits.dtype).min).softmax(dim=1)
        found: Tensor = weights.transpose(1, 2) @ lately
        return found

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of what is served, and the guard against interests that are all alike."""
        vectors = self.user_vectors(batch.users)
        loss = merged_softmax(vectors, [self.tracks(batch.tracks)], batch, self.inverse_temperature(), self.merge)
        if self.count == 1:
            return loss
        return loss + GUARD * (pair_cosines(vectors) - MOST_ALIKE).clamp(min=0).mean()
