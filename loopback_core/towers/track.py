"""The track tower of the recipe."""

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding, keep_rows
from loopback_core.towers.inputs import Inputs
from loopback_core.towers.optional.content import ContentInputs, make_content_encoder


@dataclass(frozen=True)
class TrackInputs(Inputs):
    """What the track tower reads of B tracks; None is what it does not read."""

    track: Tensor  # (B,) int64 dense ids; an id outside those of train is the unknown track
    artist: Tensor  # (B,) int64 dense ids; likewise
    content: ContentInputs | None = None

    def __len__(self) -> int:
        return len(self.track)


class SumTrackTower(nn.Module):
    """The sum of the artist's vector, the track's own, and those of its names and numbers -> unit vector.

    No layer lies between the tables and the result, so that the user tower can add up the same rows: a user who plays
    an artist lies near that artist's tracks before anything is learned. The layers of the content start at zero. In
    training ids are left out at random, so that the artist, and content, have to carry a track that the weights never
    saw.
    """

    def __init__(
        self, n_tracks: int, n_artists: int, settings: TowersSettings, widths: tuple[int, int], *, sparse: bool
    ) -> None:
        """widths: how many statistics and how many columns of features there are."""
        super().__init__()
        dim = settings.output_dim
        unit = 1 / math.sqrt(dim)  # the standard deviation at which a vector has a length of about 1
        self.track = IdEmbedding(n_tracks, dim, std=settings.embedding_std * unit, sparse=sparse, of="tracks")
        self.artist = IdEmbedding(n_artists, dim, std=unit, sparse=sparse, of="artists")
        self.id_dropout = settings.sum.id_dropout
        self.content = make_content_encoder(settings, widths, sparse=sparse)  # None in the recipe

    def forward(self, inputs: TrackInputs) -> Tensor:
        """-> (B, D) of unit norm."""
        own = self.track(inputs.track)
        keep = keep_rows(own, self.id_dropout if self.training else 0.0)
        known = (inputs.track >= 0) & (inputs.track < self.track.count) & keep
        artist, own = self.artist(inputs.artist), own * known[:, None]
        if self.content is None or inputs.content is None:
            return F.normalize(artist + own, dim=-1)
        return F.normalize(self.content(artist, own, known, inputs.content), dim=-1)
