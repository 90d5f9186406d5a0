"""Causal encoders of the last listens: every place of a stretch is encoded in one pass, from what lies before it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.settings import EmaSettings, TowersSettings, TransformerSettings

MASKED = -1e4  # finite: a place without any listen before it would otherwise be 0 / 0


def lags(length: int, device: torch.device) -> Tensor:
    """(L, L): how many listens place j lies before place i; negative where it lies after."""
    place = torch.arange(length, device=device)
    return place[:, None] - place


class EmaEncoder(nn.Module):
    """Exponential moving averages over the last W listens, on several learned scales.

    A listen that lies n back weighs 0.5 ** (n / half-life). The squares of the weights add up to 1, as in the pools of
    the whole history: summed vectors have independent directions, so the sum is about as long as one of them.
    """

    def __init__(self, settings: EmaSettings) -> None:
        super().__init__()
        self.window, self.outputs = settings.window, len(settings.half_lives)
        self.log_half_lives = nn.Parameter(torch.tensor(settings.half_lives).log())

    def forward(self, listens: Tensor, is_read: Tensor) -> Tensor:
        """listens: (C, L, D). is_read: (C, L) bool. -> (C, L, scales, D)."""
        lag = lags(is_read.shape[1], listens.device)
        seen = (lag >= 0) & (lag < self.window)
        weight = torch.exp2(-lag.clamp(min=0) / self.log_half_lives.exp()[:, None, None]) * seen  # (scales, L, L)
        squares = torch.einsum("sij,cj->cis", weight.square(), is_read.to(weight.dtype))
        averages = torch.einsum("sij,cjd->cisd", weight, listens * is_read[..., None])
        return averages * squares.clamp(min=1e-12).rsqrt()[..., None]


class TransformerEncoder(nn.Module):
    """Causal self-attention over the last W listens, after SASRec (Kang & McAuley 2018).

    The position of a listen enters as a learned bias for each lag (Raffel et al. 2020), not as a vector for each place,
    so that a stretch may begin anywhere. Blocks normalise first, and their last layers start at zero: at the start the
    encoding of a place is the listen itself.
    """

    outputs = 1

    def __init__(self, dim: int, settings: TransformerSettings) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(dim, settings) for _ in range(settings.layers))

    def forward(self, listens: Tensor, is_read: Tensor) -> Tensor:
        """listens: (C, L, D). is_read: (C, L) bool. -> (C, L, 1, D)."""
        for block in self.blocks:
            listens = block(listens, is_read)
        return F.normalize(listens, dim=-1)[:, :, None]


class _Block(nn.Module):
    def __init__(self, dim: int, settings: TransformerSettings) -> None:
        super().__init__()
        self.heads, self.window, self.dropout = settings.heads, settings.window, settings.dropout
        self.before_attention, self.before_feed_forward = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 3 * dim)
        self.lag_bias = nn.Parameter(torch.zeros(settings.heads, settings.window))
        self.mix = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, settings.hidden_dim), nn.GELU(), nn.Dropout(settings.dropout))
        self.out = nn.Linear(settings.hidden_dim, dim)
        for silent in (self.mix, self.out):
            nn.init.zeros_(silent.weight)
            nn.init.zeros_(silent.bias)

    def forward(self, listens: Tensor, is_read: Tensor) -> Tensor:
        count, length, dim = listens.shape
        parts = self.project(self.before_attention(listens)).view(count, length, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (C, heads, L, D / heads)
        lag = lags(length, listens.device)
        bias = self.lag_bias[:, lag.clamp(0, self.window - 1)]  # (heads, L, L)
        bias = bias.masked_fill((lag < 0) | (lag >= self.window), MASKED)
        bias = bias + torch.where(is_read, 0.0, MASKED)[:, None, None]  # (C, heads, L, L)
        drop = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=drop)
        listens = listens + self.mix(attended.transpose(1, 2).reshape(count, length, dim))
        fed: Tensor = self.out(self.feed_forward(self.before_feed_forward(listens)))
        return listens + fed


SequenceEncoder = EmaEncoder | TransformerEncoder


def make_encoder(settings: TowersSettings) -> SequenceEncoder | None:
    """The encoder of the last listens that `towers.user_encoder` names; None for towers that read pools only."""
    if settings.user_encoder == "ema":
        return EmaEncoder(settings.ema)
    return (
        TransformerEncoder(settings.output_dim, settings.transformer)
        if settings.user_encoder == "transformer"
        else None
    )
