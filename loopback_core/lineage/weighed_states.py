"""The states of the last listens, each with a weight of its place: the vectors of a user, or one vector, their sum."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.data.names import TrackNames
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers, in_order, last_states
from loopback_core.settings import Settings
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs
from loopback_core.training.losses import sampled_softmax
from loopback_core.training.sampled import SampledBatch


class WeighedStates(MultiVectorTowers):
    """u_0 is the vector of the plain user tower, the others are the states of the last listens, the latest first.

    The weights are of places, learned for each intent, and add up to 1 over the vectors that a user has.
    """

    family: ClassVar[str]

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names)
        in_order(self, self.family)
        self.listens = min(settings.lineage.listens, settings.towers.hstu.window)
        weights = torch.zeros(2, 1 + self.listens)  # for each intent; in logarithms
        weights[:, 0] = torch.tensor(float(self.listens)).log()  # half of the score is that of the plain towers
        self.weights = nn.Parameter(weights)

    def weighed(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1 + N, D), each as long as its weight; zeros where there was no listen."""
        users, last = in_order(self, self.family)
        assert inputs.last is not None and inputs.intent is not None
        states = last.states(inputs.last)
        pooled = F.normalize(users.total(inputs, states), dim=-1)
        lately, is_heard = last_states(states, inputs.last, self.listens)
        is_there = F.pad(is_heard, (1, 0), value=True)
        weights = self.weights.index_select(0, inputs.intent)
        weights = weights.masked_fill(~is_there, -torch.inf).softmax(dim=1)
        return torch.cat([pooled[:, None], lately], dim=1) * weights[..., None]


class SummedStates(WeighedStates):
    """score(u, t) = (sum over i of w_i u_i) · t: late interaction in which the own vector of a track is always the best one.

    So it is served as plain towers are.
    """

    family = "summed_states"

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1, D), no longer than 1."""
        return self.weighed(inputs).sum(dim=1, keepdim=True)

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of the product."""
        users, tracks, count = self.user_vectors(batch.users)[:, 0], self.tracks(batch.tracks), len(batch)
        masks = batch.correction, batch.false_negative, batch.weight
        return sampled_softmax(users, tracks[:count], batch.request, tracks[count:], self.inverse_temperature(), *masks)
