"""A pre-ranker: heads of a user and heads of a track attend to each other, and the most similar ones are the score.

(Yan & Li 2024, "RankTower: A Synergistic Framework for Enhancing Two-Tower Pre-Ranking Model".)
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
from loopback_core.training.negatives import takes_every_track

LEAST = -60.0
"""Below the largest of a pair, in nats: an exponential of less would be 0, and so might the sum that others are divided by."""


class GatedHeads(nn.Module):
    """V x, where each number is let through by a gate that reads x, as H heads beside each other."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.content, self.gate = nn.Linear(dim, width), nn.Linear(dim, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, D) -> (n, H d)."""
        heads: Tensor = self.content(x) * torch.sigmoid(self.gate(x))
        return heads


class GatedAttention(nn.Module):
    """Each head and, let through by a gate that reads it, what it finds among the heads of the other side."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(head_dim, head_dim)

    def forward(self, heads: Tensor, others: Tensor, weights: Tensor) -> Tensor:
        """(A, n, H, d) of unit norm. heads: the same shape or one that spreads to it. weights: (A, n, H, H of others), positive."""
        found = (weights / weights.sum(dim=-1, keepdim=True)) @ others
        return F.normalize(heads + torch.sigmoid(self.gate(heads)) * found, dim=-1)


class RankTowers(NetworkTowers):
    """score(u, t) = u · t + w (mean over heads i of max over j of a_i · b_j + mean over j of max over i of a_i · b_j).

    a_i, b_j: heads of the user and of the track after each side has attended to the other (:class:`GatedAttention`), of unit
    norm. What is kept of a track are its heads before that. w starts at 0. Negatives are of tiers, as in the paper: drawn from
    the catalog, targets of others, and, all of them in each step, tracks that were found near its users and that they do
    not play (:class:`loopback_core.training.optional.hard_negatives.HardNegatives`). Without the distillation of the paper: there is no
    ranker yet when towers are trained.
    """

    family = "rank_tower"

    own = ("of_tracks.", "of_users_heads.", "users_attend.", "tracks_attend.")

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names, settings.lineage.rank_tower)
        self.shape, dim = settings.lineage.rank_tower, settings.towers.output_dim
        sampled, n_tracks = settings.training.sampled, vocabulary.n_tracks
        self._anywhere = n_tracks if takes_every_track(sampled, n_tracks) else sampled.negatives
        width = self.shape.heads * self.shape.head_dim
        self.of_tracks, self.of_users_heads = GatedHeads(dim, width), GatedHeads(dim, width)
        self.users_attend, self.tracks_attend = GatedAttention(self.shape.head_dim), GatedAttention(self.shape.head_dim)
        self.weight = nn.Parameter(torch.zeros(()))

    @property
    def part_shapes(self) -> Sequence[tuple[int, ...]]:
        """The heads of a user."""
        return ((self.shape.heads, self.shape.head_dim),)

    def of_users(self, inputs: UserInputs) -> tuple[Tensor, Sequence[Tensor]]:
        """See :class:`NetworkTowers`."""
        plain, _ = self.plain_and_states(inputs)
        return plain, (self._split(self.of_users_heads(plain)),)

    def of_pairs(self, states: Tensor, parts: Sequence[Tensor]) -> Tensor:
        """See :class:`NetworkTowers`."""
        users, tracks = parts[0], self._split(states)  # (A, H, d), (A or 1, n, H, d)
        logits = torch.einsum("aid,anjd->anij", users, tracks) / math.sqrt(self.shape.head_dim)
        # Both directions read the same exponentials; a softmax over four numbers takes several times as long.
        weights = (logits - logits.amax(dim=(-1, -2), keepdim=True)).clamp_min(LEAST).exp()
        of_users = self.users_attend(users[:, None], tracks, weights)
        of_tracks = self.tracks_attend(tracks, users[:, None], weights.transpose(-1, -2))
        similar = of_users @ of_tracks.transpose(-1, -2)
        best = similar.amax(dim=-1).mean(dim=-1) + similar.amax(dim=-2).mean(dim=-1)
        added: Tensor = self.weight * best
        return added

    def drawn_negatives(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """See :class:`NetworkTowers`; those that were found near the users stand last, and are all taken."""
        drawn, stands_for = super().drawn_negatives(self._anywhere, device)
        found = torch.arange(self._anywhere, count, device=device)
        return torch.cat([drawn, found]), torch.cat([stands_for, torch.ones(len(found), device=device)])

    def _split(self, heads: Tensor) -> Tensor:
        """(..., H d) -> (..., H, d)."""
        return heads.view(*heads.shape[:-1], self.shape.heads, self.shape.head_dim)
