"""What a history tower may read of a request in addition to its history: context, demographics."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loopback_core.data import Histories
from loopback_core.features.demographics import DEMOGRAPHIC_SIZES
from loopback_core.settings import TowersSettings
from loopback_core.towers.decayed_counts import Moments
from loopback_core.towers.inputs import Inputs
from loopback_core.towers.optional.context import CONTEXT_SIZES, CodeEmbedding, request_context


@dataclass(frozen=True)
class RequestInputs(Inputs):
    """Of A requests; None is what is not read."""

    context: Tensor | None = None  # (A, 3) int64 codes below CONTEXT_SIZES
    demographics: Tensor | None = None  # (A, 3) int64 codes below DEMOGRAPHIC_SIZES


def read_request(histories: Histories, moments: Moments, settings: TowersSettings) -> RequestInputs | None:
    """What is read of each moment of some histories; None for towers that read nothing of it."""
    context = request_context(histories, moments) if settings.pooled.context else None
    codes = histories.demographics if settings.pooled.demographics else None
    if context is None and codes is None:
        return None
    return RequestInputs(
        None if context is None else torch.from_numpy(context),
        None if codes is None else torch.from_numpy(codes[moments.row].astype("int64")),
    )


class RequestCodes(nn.Module):
    """Vectors of the codes of a request: its context, or the demographics of its user."""

    def __init__(self, field: str, sizes: tuple[int, ...], settings: TowersSettings) -> None:
        """field: of `RequestInputs`."""
        super().__init__()
        self.field, self.codes = field, CodeEmbedding(sizes, settings.output_dim, settings.pooled.dropout)

    def forward(self, total: Tensor, inputs: RequestInputs) -> Tensor:
        """total: (A, D), what is read so far. -> (A, D)."""
        codes: Tensor | None = getattr(inputs, self.field)
        return total if codes is None else total + self.codes(codes)


def make_request_parts(settings: TowersSettings) -> nn.ModuleList:
    """The parts that the settings switch on, in the order in which they are added; empty in the recipe."""
    parts = nn.ModuleList()
    if settings.pooled.context:
        parts.append(RequestCodes("context", CONTEXT_SIZES, settings))
    if settings.pooled.demographics:
        parts.append(RequestCodes("demographics", DEMOGRAPHIC_SIZES, settings))
    return parts
