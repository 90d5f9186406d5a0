"""The towers of the reference: ids through an MLP."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.user import UserInputs


class UnitMLP(nn.Module):
    """input_dim -> hidden (GELU, dropout) -> output on the unit sphere."""

    def __init__(self, input_dim: int, settings: TowersSettings) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(input_dim, settings.mlp.hidden_dim),
            nn.GELU(),
            nn.Dropout(settings.mlp.dropout),
            nn.Linear(settings.mlp.hidden_dim, settings.output_dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        """features: (B, input_dim) -> (B, output_dim) of unit norm."""
        return F.normalize(self.layers(features), dim=-1)


class IdUserTower(nn.Module):
    """User id -> MLP -> unit vector."""

    def __init__(self, n_users: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.user = IdEmbedding(n_users, settings.mlp.id_dim, std=settings.embedding_std, sparse=sparse, of="users")
        self.body = UnitMLP(settings.mlp.id_dim, settings)

    def forward(self, inputs: UserInputs) -> Tensor:
        """-> (A, D) of unit norm."""
        vectors: Tensor = self.body(self.user(inputs.user))
        return vectors


class MLPTrackTower(nn.Module):
    """Track id and artist id -> MLP -> unit vector."""

    def __init__(self, n_tracks: int, n_artists: int, settings: TowersSettings, *, sparse: bool) -> None:
        super().__init__()
        self.track = IdEmbedding(n_tracks, settings.mlp.id_dim, std=settings.embedding_std, sparse=sparse, of="tracks")
        self.artist = IdEmbedding(
            n_artists, settings.mlp.id_dim, std=settings.embedding_std, sparse=sparse, of="artists"
        )
        self.body = UnitMLP(2 * settings.mlp.id_dim, settings)

    def forward(self, inputs: TrackInputs) -> Tensor:
        """-> (B, D) of unit norm."""
        features = torch.cat([self.track(inputs.track), self.artist(inputs.artist)], dim=-1)
        vectors: Tensor = self.body(features)
        return vectors
