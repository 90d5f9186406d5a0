"""A pre-ranker: one product finds candidates, and heads of several layers of the user put them in order.

(Li et al. 2022, "IntTower: the Next Generation of Two-Tower Model for Pre-Ranking System".)
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.data import Floats, Ids
from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.merged_softmax import merged_softmax
from loopback_core.lineage.pre_ranker import PreRanker
from loopback_core.lineage.track_views import TrackView, View, scores_of
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import HistoryUserTower, UserInputs
from loopback_core.training.losses import sampled_softmax
from loopback_core.training.sampled import SampledBatch


class LightSE(nn.Module):
    """Weighs the fields of each user by how strong they are: f + softmax(W s) f, with s the root mean square of each field.

    (The paper takes the mean of the dimensions, which says little of a sum of vectors whose signs are drawn.)
    """

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.layer = nn.Linear(fields, fields)
        nn.init.zeros_(self.layer.weight)  # every field weighs the same at first
        nn.init.zeros_(self.layer.bias)

    def forward(self, fields: Tensor) -> Tensor:
        """(A, F, D) -> (A, F, D)."""
        strength = (fields.square().mean(dim=-1) + 1e-12).sqrt()
        more: Tensor = fields * (1 + self.layer(strength).softmax(dim=-1))[..., None]
        return more


class ResidualLayer(nn.Module):
    """x + W silu(V x); at the start x itself."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, D) -> (n, D)."""
        layer: Tensor = x + self.out(F.silu(self.hidden(x)))
        return layer


class IntTowers(PreRanker):
    """score(u, t) = u · t + sum over layers l and heads i of w_li * max over heads j of a_li(u) · b_j(t), with w > 0.

    u, t: the vectors of the plain towers, by whose product candidates are found. a_li: head i of layer l of the user, whose first
    layer reads the fields of the plain user tower, weighed by :class:`LightSE`; b_j: head j of the last layer of the track. All
    have unit norm. What is kept of a track does not depend on the user. The loss is the sampled softmax of the score, and, as
    the contrastive regulariser of the paper, that of u · t alone, which makes it a retriever. (The paper scores by the
    heads alone and leaves candidates to others.)
    """

    own = ("gate.", "user_layers.", "track_layers.", "user_heads.", "track_heads.")

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names)
        users, pooled = self.users, settings.towers.pooled
        if not isinstance(users, HistoryUserTower):
            raise SettingsError(
                "The family 'int_tower' of the lineage reads histories: set towers.user_encoder to 'pooled'."
            )
        self.shape, dim = settings.lineage.interaction, settings.towers.output_dim
        scales = len(pooled.artist_half_lives) + len(pooled.track_half_lives) if pooled.listens else 0
        self.gate = LightSE(1 + scales + (users.last is not None))
        self.user_layers = nn.ModuleList(ResidualLayer(dim) for _ in range(self.shape.layers))
        self.track_layers = nn.ModuleList(ResidualLayer(dim) for _ in range(self.shape.layers))
        width = self.shape.heads * self.shape.head_dim
        self.track_heads, *of_users = (nn.Linear(dim, width, bias=False) for _ in range(1 + self.shape.layers))
        self.user_heads = nn.ModuleList(of_users)
        if not self.track_heads.weight.is_meta:
            nn.init.orthogonal_(self.track_heads.weight)
            for heads in of_users:  # a head of a user and one of a track look at the same at first
                heads.weight.data.copy_(self.track_heads.weight)
        heads_of_user = self.shape.layers * self.shape.heads
        weight = math.log(self.shape.weight / heads_of_user)
        self.weights = nn.Parameter(torch.full((2, heads_of_user), weight))  # for each intent; logarithms

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1, D + L H d): u, and the heads of every layer, each as long as its weight."""
        plain, heads = self._of_users(inputs)
        return torch.cat([plain, heads.flatten(1)], dim=1)[:, None]

    def scores(self, users: Floats, views: Sequence[TrackView], tracks: Ids) -> Floats:
        """See :class:`MultiVectorTowers`."""
        dim = self.settings.output_dim
        scores: Floats = views[0].products(users[:, :dim], tracks)[0]
        scores += scores_of(users[0, dim:].reshape(-1, self.shape.head_dim), views[1:], tracks, self.merge)
        return scores

    def views(self, content: TrackContent) -> list[TrackView]:
        """A vector of each track, and one for each of its heads."""
        plain, heads = self.with_more(content, self._heads_of_tracks)
        return [plain, *(View(head.contiguous().numpy()) for head in heads.unbind(dim=1))]

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of the score, and of the product alone."""
        scale, count = self.inverse_temperature(), len(batch)
        (plain, heads), tracks = self._of_users(batch.users), self.tracks(batch.tracks)
        views = list(self._heads_of_tracks(tracks).unbind(dim=1))
        loss = merged_softmax(heads, views, batch, scale, self.merge, plain=(plain, tracks))
        masks = batch.correction, batch.false_negative, batch.weight
        alone = sampled_softmax(plain, tracks[:count], batch.request, tracks[count:], scale, *masks)
        return loss + self.shape.regulariser * alone

    def _of_users(self, inputs: UserInputs) -> tuple[Tensor, Tensor]:
        """(A, D) of the plain tower, and (A, L H, d)."""
        users = self.users
        assert isinstance(users, HistoryUserTower) and inputs.intent is not None
        fields = self._fields(inputs)
        total = fields.sum(dim=1)
        if inputs.optional is not None:
            for part in users.parts:
                total = part(total, inputs.optional)
        layer, found = F.normalize(self.gate(fields).sum(dim=1), dim=-1), []
        for deeper, heads in zip(self.user_layers, self.user_heads, strict=True):
            layer = deeper(layer)
            found.append(self._split(heads(layer)))
        weights = self.weights.index_select(0, inputs.intent).exp()
        return F.normalize(total, dim=-1), torch.cat(found, dim=1) * weights[..., None]

    def _fields(self, inputs: UserInputs) -> Tensor:
        """(A, F, D) what the plain user tower adds up: the intent, each scale of the pools, the last listens."""
        users, intent = self.users, inputs.intent
        assert isinstance(users, HistoryUserTower) and intent is not None
        fields = [users.intents.index_select(0, intent)[:, None]]
        gates = (users.artist_gates, users.track_gates)
        for table, gate, pool in zip(users.tables, gates, (inputs.artists, inputs.tracks), strict=True):
            if pool is not None:
                sums = pool.sums(table, users.dropout if self.training else 0.0)  # (P, scales, D)
                of_intents = torch.cat([sums * one for one in gate])
                row = torch.arange(len(inputs), device=intent.device) if inputs.pooled is None else inputs.pooled
                fields.append(of_intents.index_select(0, intent * len(sums) + row))
        if users.last is not None and inputs.last is not None:
            fields.append((users.last(inputs.last) * users.last_gates.index_select(0, intent))[:, None])
        return torch.cat(fields, dim=1)

    def _heads_of_tracks(self, tracks: Tensor) -> Tensor:
        """(n, H, d) from the vectors of the plain tower, (n, D)."""
        for deeper in self.track_layers:
            tracks = deeper(tracks)
        return self._split(self.track_heads(tracks))

    def _split(self, heads: Tensor) -> Tensor:
        """(n, H d) -> (n, H, d) of unit norm."""
        return F.normalize(heads.view(len(heads), self.shape.heads, self.shape.head_dim), dim=-1)
