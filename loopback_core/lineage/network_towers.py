"""Pre-rankers whose whole score is a network over what is kept of a user and of a track."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

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
from loopback_core.settings import AttentionSettings, CrossSettings, RankTowerSettings, Settings
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs
from loopback_core.training.losses import sampled_softmax
from loopback_core.training.sampled import SampledBatch

_PAIRS_OF_A_PRODUCT = 256
"""Candidates are scored in blocks of this length, the last one filled up: a product of matrices gives a row other last digits where
there are more or fewer of them."""


class NetworkTowers(PreRanker, ABC):
    """score(u, t) = u · t + f(parts of u, states of t).

    u, t: the vectors of the plain towers, by whose product candidates are found. States are a projection of t, which is computed with
    the index. f starts at 0. The loss is the sampled softmax of the score, over some of the negatives, and a part of that of u · t
    alone over all of them.
    """

    family: ClassVar[str]

    of_tracks: nn.Module
    """From the vectors of tracks to their states."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        settings: Settings,
        names: TrackNames | None,
        shape: AttentionSettings | CrossSettings | RankTowerSettings,
    ) -> None:
        super().__init__(vocabulary, settings, names)
        in_order(self, self.family)
        self.listens = min(settings.lineage.listens, settings.towers.hstu.window)
        self._negatives, self._regulariser = shape.negatives, shape.regulariser

    @property
    @abstractmethod
    def part_shapes(self) -> Sequence[tuple[int, ...]]:
        """The shape of each part of a user beside the plain vector."""

    @abstractmethod
    def of_users(self, inputs: UserInputs) -> tuple[Tensor, Sequence[Tensor]]:
        """(A, D) of the plain tower, and the parts, each (A, *shape)."""

    @abstractmethod
    def of_pairs(self, states: Tensor, parts: Sequence[Tensor]) -> Tensor:
        """(A, n): f of each user with n tracks. states: (A, n, W), or (1, n, W) where all users have the same tracks."""

    def plain_and_states(self, inputs: UserInputs) -> tuple[Tensor, Tensor]:
        """(A, D) of the plain tower, and the states of the last listens as the encoder of order leaves them."""
        users, last = in_order(self, self.family)
        assert inputs.last is not None
        states = last.states(inputs.last)
        return F.normalize(users.total(inputs, states), dim=-1), states

    def plain_and_last(self, inputs: UserInputs) -> tuple[Tensor, Tensor, Tensor]:
        """(A, D) of the plain tower; the states of the last listens, the latest first, (A, N, D), and which there are, (A, N)."""
        plain, states = self.plain_and_states(inputs)
        assert inputs.last is not None
        return plain, *last_states(states, inputs.last, self.listens)

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1, D + the sizes of the parts)."""
        plain, parts = self.of_users(inputs)
        return torch.cat([plain, *(part.flatten(1) for part in parts)], dim=1)[:, None]

    def scores(self, users: Floats, views: Sequence[TrackView], tracks: Ids) -> Floats:
        """See :class:`MultiVectorTowers`."""
        plain, states = views
        assert isinstance(states, View)
        scores: Floats = plain.products(users[:, : self.settings.output_dim], tracks)[0]
        block = np.zeros((_PAIRS_OF_A_PRODUCT, states.vectors.shape[1]), np.float32)
        for start in range(0, len(tracks), _PAIRS_OF_A_PRODUCT):
            some = tracks[start : start + _PAIRS_OF_A_PRODUCT]
            block[: len(some)] = states.vectors[some]
            scores[start : start + len(some)] += self.added(users[0], block)[: len(some)]
        return scores

    @torch.inference_mode()
    def added(self, user: Floats, states: Floats) -> Floats:
        """(n,): f of some tracks for one user. user: a row of :meth:`user_vectors`. states: (n, W) of the second view."""
        own = torch.from_numpy(np.array(user[self.settings.output_dim :])).to(self.device)
        flat = torch.split(own, [math.prod(shape) for shape in self.part_shapes])
        parts = [part.view(1, *shape) for part, shape in zip(flat, self.part_shapes, strict=True)]
        f: Floats = self.of_pairs(torch.from_numpy(states).to(self.device)[None], parts)[0].cpu().numpy()
        return f

    def views(self, content: TrackContent) -> list[TrackView]:
        """A vector of each track, and its states."""
        plain, states = self.with_more(content, self.of_tracks)
        return [plain, View(states.numpy())]

    def drawn_negatives(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Those of a step's negatives that the whole score is trained against, and for how many of them each stands, both (n,)."""
        drawn = torch.randperm(count, device=device)[: self._negatives]
        return drawn, torch.full((len(drawn),), count / max(len(drawn), 1), device=device)

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of the score over some of the negatives, and of the product alone over all of them."""
        scale, count = self.inverse_temperature(), len(batch)
        (plain, parts), tracks = self.of_users(batch.users), self.tracks(batch.tracks)
        masks = batch.correction, batch.false_negative, batch.weight
        alone = sampled_softmax(plain, tracks[:count], batch.request, tracks[count:], scale, *masks)

        of_target, *their_parts = [part.index_select(0, batch.request) for part in (plain, *parts)]
        states = self.of_tracks(tracks[:count])[:, None]
        score = scale * ((of_target * tracks[:count]).sum(dim=1) + self.of_pairs(states, their_parts)[:, 0])

        drawn, stands_for = self.drawn_negatives(len(batch.correction), tracks.device)
        negatives = tracks[count:].index_select(0, drawn)
        products = plain @ negatives.T + self.of_pairs(self.of_tracks(negatives)[None], parts)
        logits = scale * products - batch.correction.index_select(0, drawn) + stands_for.log()
        forbidden = batch.false_negative.index_select(1, drawn)
        others = logits.masked_fill(forbidden, torch.finfo(logits.dtype).min).logsumexp(dim=1)
        return cost_of_targets(score, others, batch) + self._regulariser * alone
