"""What a history tower may read of a request in addition to the pools: the last listens in order, context, demographics."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from loopback_core.data import Histories
from loopback_core.features.demographics import DEMOGRAPHIC_SIZES
from loopback_core.settings import TowersSettings
from loopback_core.towers.decayed_counts import Moments
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.inputs import Inputs
from loopback_core.towers.optional.context import CONTEXT_SIZES, CodeEmbedding, request_context
from loopback_core.towers.optional.encoders import SequenceEncoder, make_encoder
from loopback_core.towers.optional.sequences import GAPS, HOURS, NO_LISTEN, SequenceReader, Sequences


@dataclass(frozen=True)
class RequestInputs(Inputs):
    """Of A requests; None is what is not read."""

    last: Sequences | None = None
    context: Tensor | None = None  # (A, 3) int64 codes below CONTEXT_SIZES
    demographics: Tensor | None = None  # (A, 3) int64 codes below DEMOGRAPHIC_SIZES


class RequestReader:
    """Reads the optional inputs of any moment of some histories."""

    def __init__(self, histories: Histories, artist: NDArray[np.int32], settings: TowersSettings) -> None:
        """artist: (tracks,) the artist of every catalog track."""
        self._histories, self._settings = histories, settings.pooled
        windows = {"ema": settings.ema.window, "transformer": settings.transformer.window}
        window = windows.get(settings.user_encoder)
        self._last = SequenceReader(histories, artist, window) if window else None

    def read(self, moments: Moments) -> RequestInputs | None:
        """What is read of each moment; None for towers that read nothing of it."""
        context = request_context(self._histories, moments) if self._settings.context else None
        codes = self._histories.demographics if self._settings.demographics else None
        if self._last is None and context is None and codes is None:
            return None
        return RequestInputs(
            None if self._last is None else self._last.read(moments),
            None if context is None else torch.from_numpy(context),
            None if codes is None else torch.from_numpy(codes[moments.row].astype(np.int64)),
        )


class LastListens(nn.Module):
    """An encoding of the last listens, gated like the pools."""

    def __init__(
        self, tables: tuple[IdEmbedding, IdEmbedding], encoder: SequenceEncoder, settings: TowersSettings
    ) -> None:
        """tables: of artists and of tracks; they belong to the track tower."""
        super().__init__()
        self._tables, self.dropout = tables, settings.pooled.dropout
        self.encoder = encoder
        self.gates = nn.Parameter(torch.full((2, encoder.outputs, settings.output_dim), 1 / encoder.outputs))
        self.when = CodeEmbedding((HOURS + 1, GAPS + 1), settings.output_dim, 0.0)

    def forward(self, total: Tensor, inputs: RequestInputs, intent: Tensor) -> Tensor:
        """total: (A, D), what is read so far. intent: (A,). -> (A, D)."""
        if inputs.last is None:
            return total
        return total + (self._encode(inputs.last) * self.gates.index_select(0, intent)).sum(dim=1)

    def _encode(self, last: Sequences) -> Tensor:
        """-> (A, outputs, D): the stretches encoded, and read where each request stands; zeros where nothing was heard."""
        artist, track = self._tables
        is_listen = last.tracks != NO_LISTEN
        is_read = is_listen & (self._keep(is_listen.numel(), artist.weight).view(is_listen.shape) > 0)
        listens = artist(last.artists) + track(last.tracks) + self.when(torch.stack([last.hour, last.gap], dim=-1) + 1)
        encoded: Tensor = self.encoder(listens * is_read[..., None], is_read)
        at_request = encoded.flatten(0, 1).index_select(0, last.last)
        return at_request * is_listen.flatten()[last.last][:, None, None]

    def _keep(self, count: int, like: Tensor) -> Tensor:
        """(count,) of 0 and 1: training leaves out some of a history at random."""
        if not (self.training and self.dropout):
            return torch.ones(count, device=like.device)
        return (torch.rand(count, device=like.device) >= self.dropout).to(like.dtype)


class RequestCodes(nn.Module):
    """Vectors of the codes of a request: its context, or the demographics of its user."""

    def __init__(self, field: str, sizes: tuple[int, ...], settings: TowersSettings) -> None:
        """field: of `RequestInputs`."""
        super().__init__()
        self.field, self.codes = field, CodeEmbedding(sizes, settings.output_dim, settings.pooled.dropout)

    def forward(self, total: Tensor, inputs: RequestInputs, intent: Tensor) -> Tensor:
        """As :meth:`LastListens.forward`."""
        codes: Tensor | None = getattr(inputs, self.field)
        return total if codes is None else total + self.codes(codes)


def make_request_parts(tables: tuple[IdEmbedding, IdEmbedding], settings: TowersSettings) -> nn.ModuleList:
    """The parts that the settings switch on, in the order in which they are added; empty in the recipe."""
    parts = nn.ModuleList()
    if (encoder := make_encoder(settings)) is not None:
        parts.append(LastListens(tables, encoder, settings))
    if settings.pooled.context:
        parts.append(RequestCodes("context", CONTEXT_SIZES, settings))
    if settings.pooled.demographics:
        parts.append(RequestCodes("demographics", DEMOGRAPHIC_SIZES, settings))
    return parts
