"""A pre-ranker: one product finds candidates, and attention over the last listens puts them in order.

(Vast et al. 2026, "MICE: minimal interaction cross-encoders for efficient re-ranking"; Zhou et al. 2018, "Deep Interest Network".)
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.data.names import TrackNames
from loopback_core.lineage.network_towers import NetworkTowers
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs

ABSENT = -1e4
"""Added to the attention to a listen that there was not."""


class AttentionTowers(NetworkTowers):
    """score(u, t) = u · t + f(c, p(t)), with c = sum over the last listens i of softmax_i(q(t) · k_i + b_i) v_i.

    q(t), p(t): two projections of t. k_i, v_i: projections of the state of listen i; b_i: a bias of its place. f: a network of one
    hidden layer over c, p and their product. Attention goes one way, from the track to the listens, so what is kept of a track depends
    on no user, and what is computed of a user on no track.
    """

    family = "one_way_attention"

    own = ("of_tracks.", "of_listens.", "place", "hidden.", "out.")

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names, settings.lineage.attention)
        self.shape, dim = settings.lineage.attention, settings.towers.output_dim
        width = self.shape.width
        self.of_tracks, self.of_listens = nn.Linear(dim, 2 * width), nn.Linear(dim, 2 * width)
        self.place = nn.Parameter(torch.zeros(self.listens))  # 0: the latest
        self.hidden, self.out = nn.Linear(3 * width, self.shape.hidden), nn.Linear(self.shape.hidden, 1, bias=False)
        if not self.out.weight.is_meta:
            nn.init.zeros_(self.out.weight)

    @property
    def part_shapes(self) -> Sequence[tuple[int, ...]]:
        """Keys and values of the last listens, and what is added to the attention to each."""
        of_listens = (self.listens, self.shape.width)
        return of_listens, of_listens, (self.listens,)

    def of_users(self, inputs: UserInputs) -> tuple[Tensor, Sequence[Tensor]]:
        """See :class:`NetworkTowers`."""
        plain, lately, is_heard = self.plain_and_last(inputs)
        keys, values = (self.of_listens(lately) * is_heard[..., None]).chunk(2, dim=-1)
        return plain, (keys, values, torch.where(is_heard, self.place, ABSENT))

    def of_pairs(self, states: Tensor, parts: Sequence[Tensor]) -> Tensor:
        """See :class:`NetworkTowers`."""
        keys, values, bias = parts
        query, content = states.chunk(2, dim=-1)
        logits = query @ keys.transpose(1, 2) / math.sqrt(self.shape.width) + bias[:, None]
        context = logits.softmax(dim=-1) @ values  # (A, n, width); 0 where nothing was heard
        content = content.expand_as(context)
        found: Tensor = self.out(F.silu(self.hidden(torch.cat([context, content, context * content], dim=-1))))[..., 0]
        return found
