"""The body that both towers share: embeddings in, a unit vector out."""

import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.settings import TowersSettings


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
