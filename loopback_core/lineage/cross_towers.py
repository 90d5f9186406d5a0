"""The end of the spectrum: listens and track read each other, layer by layer, so that nothing of the pair can be computed before.

(A cross-encoder over the last listens and the candidate: Nogueira & Cho 2019, "Passage re-ranking with BERT"; Chen et al. 2019, "Behavior
Sequence Transformer".)
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from loopback_core.data.names import TrackNames
from loopback_core.lineage.network_towers import NetworkTowers
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs

CROSSED_AT_ONCE = 1 << 14
"""Pairs whose tokens are held in one pass."""


class CrossTowers(NetworkTowers):
    """score(u, t) = u · t + f, with f read from the token of the track after layers in which all tokens attend to each other.

    Tokens: a projection of the state of each of the last listens, with the embedding of its place, and one of the track.
    """

    family = "cross_encoder"

    own = ("of_tracks.", "of_listens.", "place", "layers.", "norm.", "out.")

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names, settings.lineage.cross)
        self.shape, dim = settings.lineage.cross, settings.towers.output_dim
        width = self.shape.heads * self.shape.head_dim
        self.of_tracks, self.of_listens = nn.Linear(dim, width), nn.Linear(dim, width)
        self.place = nn.Parameter(torch.zeros(self.listens, width))  # 0: the latest
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, self.shape.heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(self.shape.layers)
        )
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 1, bias=False)
        if not self.out.weight.is_meta:
            nn.init.zeros_(self.out.weight)

    @property
    def part_shapes(self) -> Sequence[tuple[int, ...]]:
        """The tokens of the last listens, and which there are."""
        return (self.listens, self.shape.heads * self.shape.head_dim), (self.listens,)

    def of_users(self, inputs: UserInputs) -> tuple[Tensor, Sequence[Tensor]]:
        """See :class:`NetworkTowers`."""
        plain, lately, is_heard = self.plain_and_last(inputs)
        tokens = (self.of_listens(lately) + self.place) * is_heard[..., None]
        return plain, (tokens, is_heard.to(tokens.dtype))

    def of_pairs(self, states: Tensor, parts: Sequence[Tensor]) -> Tensor:
        """See :class:`NetworkTowers`; some users at a time."""
        tokens, is_heard = parts
        states = states.expand(len(tokens), -1, -1)
        users = max(CROSSED_AT_ONCE // max(states.shape[1], 1), 1)
        blocks = zip(*(torch.split(whole, users) for whole in (states, tokens, is_heard)), strict=True)
        if not torch.is_grad_enabled():
            return torch.cat([self._read(*block) for block in blocks])
        # Computed again in the backward pass: the tokens of all pairs would not fit into memory.
        return torch.cat([checkpoint(self._read, *block, use_reentrant=False) for block in blocks])

    def _read(self, states: Tensor, tokens: Tensor, is_heard: Tensor) -> Tensor:
        """(A, n) from (A, n, width), (A, N, width) and (A, N)."""
        n = states.shape[1]
        pairs = torch.cat([states[:, :, None], tokens[:, None].expand(-1, n, -1, -1)], dim=2).flatten(0, 1)
        absent = F.pad(is_heard == 0, (1, 0))[:, None].expand(-1, n, -1).flatten(0, 1)  # the track is always there
        for layer in self.layers:
            pairs = layer(pairs, src_key_padding_mask=absent)
        found: Tensor = self.out(self.norm(pairs[:, 0]))
        return found.view(-1, n)
