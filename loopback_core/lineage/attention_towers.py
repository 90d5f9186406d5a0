"""A pre-ranker: one product finds candidates, and attention over the last listens puts them in order.

(Vast et al. 2026, "MICE: minimal interaction cross-encoders for efficient re-ranking"; Zhou et al. 2018, "Deep Interest Network".)
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.data import Floats, Ids
from loopback_core.data.names import TrackNames
from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.merged_softmax import cost_of_targets
from loopback_core.lineage.multi_vector_towers import in_order, last_states
from loopback_core.lineage.pre_ranker import PreRanker
from loopback_core.lineage.track_views import TrackView, View
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs
from loopback_core.training.losses import sampled_softmax
from loopback_core.training.sampled import SampledBatch

_PAIRS_OF_A_PRODUCT = 256
"""Candidates are scored in blocks of this length, the last one filled up: a product of matrices gives a row other last digits where
there are more or fewer of them."""

ABSENT = -1e4
"""Added to the attention to a listen that there was not."""


class AttentionTowers(PreRanker):
    """score(u, t) = u · t + f(c, p(t)), with c = sum over the last listens i of softmax_i(q(t) · k_i + b_i) v_i.

    u, t: the vectors of the plain towers, by whose product candidates are found. q(t), p(t): two projections of t, which are computed
    with the index. k_i, v_i: projections of the state of listen i; b_i: a bias of its place. f: a network of one hidden layer over c,
    p and their product, which starts at 0. Attention goes one way, from the track to the listens, so what is kept of a track depends on
    no user, and what is computed of a user on no track. The loss is the sampled softmax of the score, over some of the negatives, and
    a part of that of u · t alone over all of them.
    """

    own = ("of_tracks.", "of_listens.", "place", "hidden.", "out.")

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names)
        in_order(self, "one_way_attention")
        self.shape, dim = settings.lineage.attention, settings.towers.output_dim
        self.listens = min(settings.lineage.listens, settings.towers.hstu.window)
        width = self.shape.width
        self.of_tracks, self.of_listens = nn.Linear(dim, 2 * width), nn.Linear(dim, 2 * width)
        self.place = nn.Parameter(torch.zeros(self.listens))  # 0: the latest
        self.hidden, self.out = nn.Linear(3 * width, self.shape.hidden), nn.Linear(self.shape.hidden, 1, bias=False)
        if not self.out.weight.is_meta:
            nn.init.zeros_(self.out.weight)

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1, D + N (2 width + 1)): u, the keys and the values of the last N listens, and what is added to the attention to each."""
        plain, keys, values, bias = self._of_users(inputs)
        return torch.cat([plain, keys.flatten(1), values.flatten(1), bias], dim=1)[:, None]

    def scores(self, users: Floats, views: Sequence[TrackView], tracks: Ids) -> Floats:
        """See :class:`MultiVectorTowers`."""
        plain, states = views
        assert isinstance(states, View)
        scores = plain.products(users[0, : self.settings.output_dim], tracks)
        block = np.zeros((_PAIRS_OF_A_PRODUCT, 2 * self.shape.width), np.float32)
        for start in range(0, len(tracks), _PAIRS_OF_A_PRODUCT):
            some = tracks[start : start + _PAIRS_OF_A_PRODUCT]
            block[: len(some)] = states.vectors[some]
            scores[start : start + len(some)] += self.attended(users[0], block)[: len(some)]
        return scores

    @torch.inference_mode()
    def attended(self, user: Floats, states: Floats) -> Floats:
        """(n,): f of some tracks for one user. user: (D + N (2 width + 1),). states: (n, 2 width) of the second view."""
        width, count = self.shape.width, self.listens
        own = torch.from_numpy(np.array(user[self.settings.output_dim :])).to(self.device)
        parts = torch.split(own, [count * width, count * width, count])
        keys, values, bias = parts[0].view(1, count, width), parts[1].view(1, count, width), parts[2][None]
        f: Floats = self._pairs(torch.from_numpy(states).to(self.device)[None], keys, values, bias)[0].cpu().numpy()
        return f

    def views(self, content: TrackContent) -> list[TrackView]:
        """A vector of each track, and its two projections."""
        plain, states = self.with_more(content, self.of_tracks)
        return [plain, View(states.numpy())]

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of the score over some of the negatives, and of the product alone over all of them."""
        scale, count = self.inverse_temperature(), len(batch)
        (plain, keys, values, bias), tracks = self._of_users(batch.users), self.tracks(batch.tracks)
        masks = batch.correction, batch.false_negative, batch.weight
        alone = sampled_softmax(plain, tracks[:count], batch.request, tracks[count:], scale, *masks)

        of_target = [part.index_select(0, batch.request) for part in (plain, keys, values, bias)]
        states = self.of_tracks(tracks[:count])[:, None]
        score = scale * ((of_target[0] * tracks[:count]).sum(dim=1) + self._pairs(states, *of_target[1:])[:, 0])

        drawn = torch.randperm(len(batch.correction), device=tracks.device)[: self.shape.negatives]
        negatives = tracks[count:].index_select(0, drawn)
        products = plain @ negatives.T + self._pairs(self.of_tracks(negatives)[None], keys, values, bias)
        fewer = math.log(len(batch.correction) / max(len(drawn), 1))  # each stands for so many of them
        logits = scale * products - batch.correction.index_select(0, drawn) + fewer
        forbidden = batch.false_negative.index_select(1, drawn)
        others = logits.masked_fill(forbidden, torch.finfo(logits.dtype).min).logsumexp(dim=1)
        return cost_of_targets(score, others, batch) + self.shape.regulariser * alone

    def _of_users(self, inputs: UserInputs) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(A, D) of the plain tower; (A, N, width) keys and values of the last listens; (A, N) what is added to the attention."""
        users, last = in_order(self, "one_way_attention")
        assert inputs.last is not None
        states = last.states(inputs.last)
        plain = F.normalize(users.total(inputs, states), dim=-1)
        lately, is_heard = last_states(states, inputs.last, self.listens)
        keys, values = (self.of_listens(lately) * is_heard[..., None]).chunk(2, dim=-1)
        return plain, keys, values, torch.where(is_heard, self.place, ABSENT)

    def _pairs(self, states: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """(A, n): f of each user with n tracks. states: (A, n, 2 width), or (1, n, 2 width) where all users have the same tracks."""
        query, content = states.chunk(2, dim=-1)
        logits = query @ keys.transpose(1, 2) / math.sqrt(self.shape.width) + bias[:, None]
        context = logits.softmax(dim=-1) @ values  # (A, n, width); 0 where nothing was heard
        content = content.expand_as(context)
        found: Tensor = self.out(F.silu(self.hidden(torch.cat([context, content, context * content], dim=-1))))[..., 0]
        return found
