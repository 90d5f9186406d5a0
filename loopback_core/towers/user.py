"""The user tower."""

from dataclasses import dataclass

from torch import Tensor, nn

from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.mlp import UnitMLP


@dataclass(frozen=True)
class UserInputs:
    """What the user tower reads of B users."""

    user: Tensor  # (B,) int64 dense ids; an id outside those of train is the unknown user


class UserTower(nn.Module):
    """User id -> MLP -> unit vector."""

    def __init__(self, n_users: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.user = IdEmbedding(n_users, settings.id_dim, std=settings.embedding_std, sparse=sparse)
        self.body = UnitMLP(settings.id_dim, settings)

    def forward(self, inputs: UserInputs) -> Tensor:
        """-> (B, D) of unit norm."""
        vectors: Tensor = self.body(self.user(inputs.user))
        return vectors
