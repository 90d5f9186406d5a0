"""Towers that read names and no ids.

(Huang et al. 2013, "Learning Deep Structured Semantic Models for Web Search using Clickthrough Data", DSSM.)
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from loopback_core.data.names import Names, TrackNames
from loopback_core.errors import SettingsError
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.settings import Settings
from loopback_core.towers.embedding import Bags, IdEmbedding
from loopback_core.towers.track import SumTrackTower
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import HistoryUserTower


class NameTable(nn.Module):
    """Looks like a table of ids, and gives the vector of an id's name: the mean of its letter trigrams, through a layer."""

    buckets: Tensor  # (total,) int32
    begins: Tensor  # (n + 1,) int64; the trigrams of name i are buckets[begins[i]:begins[i + 1]]

    def __init__(self, trigrams: IdEmbedding, layer: nn.Linear, names: Names | None, count: int) -> None:
        """names: of the ids below `count`; None: they are loaded with the weights."""
        super().__init__()
        self._encoder = (trigrams, layer)  # in a tuple: they belong to the track tower, and are saved there
        buckets, begins = np.zeros(0, np.int32), np.zeros(1, np.int64)
        if names is not None:
            rows = names.trigrams(np.arange(count), trigrams.count)
            buckets, begins = rows.values.astype(np.int32), rows.offsets
        self.register_buffer("buckets", torch.tensor(buckets))
        self.register_buffer("begins", torch.tensor(begins))

    @property
    def weight(self) -> Tensor:
        """(trigram width, D)."""
        return self._encoder[1].weight.T

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (n,) int64 -> (n, D); zeros for an id without a name."""
        trigrams, layer = self._encoder
        known = (ids >= 0) & (ids < len(self.begins) - 1)
        begins = self.begins[torch.where(known, ids, 0)]
        lengths = torch.where(known, self.begins[torch.where(known, ids + 1, 0)] - begins, 0)
        offsets = lengths.cumsum(0) - lengths
        place = torch.repeat_interleave(begins - offsets, lengths)
        place = place + torch.arange(len(place), device=ids.device)
        weights = torch.repeat_interleave(1 / lengths.clamp(min=1), lengths)
        vectors: Tensor = layer(trigrams.bag(Bags(self.buckets[place].long(), offsets, weights)))
        return vectors

    def _load_from_state_dict(self, state: Any, prefix: str, *more: Any) -> None:
        for name in ("buckets", "begins"):  # as many as were saved
            if (saved := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(saved, device=getattr(self, name).device))
        super()._load_from_state_dict(state, prefix, *more)


@dataclass(frozen=True)
class _Tables:
    """What the user tower reads: names in place of ids."""

    artist: NameTable
    track: NameTable


class NameTowers(MultiVectorTowers):
    """track = the trigrams of its title and artist; user = the trigrams of what was played, pooled as in the plain tower.

    A layer for titles and one for artists lie between trigrams and vectors, and no others: a history is then the sum of its
    names. (DSSM has two more, with tanh.) A track that nobody has played has a vector like every other.
    """

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        """names: of the tracks that the vocabulary counts; None: they are loaded with the weights."""
        super().__init__(replace(vocabulary, n_tracks=0, n_artists=0), settings)
        self.vocabulary = vocabulary
        content = self.tracks.content if isinstance(self.tracks, SumTrackTower) else None
        if content is None or content.names is None:
            raise SettingsError("The family 'names' of the lineage reads names: set towers.sum.ngram_buckets above 0.")
        encoder = content.names
        for layer in (encoder.title, encoder.artist):  # nothing else tells tracks apart: they cannot start silent
            if not layer.weight.is_meta:
                nn.init.orthogonal_(layer.weight)
        artists, titles = (None, None) if names is None else (names.artists, names.titles)
        self.played_artists = NameTable(encoder.trigrams, encoder.artist, artists, vocabulary.n_artists)
        self.played_titles = NameTable(encoder.trigrams, encoder.title, titles, vocabulary.n_tracks)
        tables: Any = _Tables(self.played_artists, self.played_titles)
        self.users = HistoryUserTower(tables, settings.towers, sparse=settings.training.optimizer == "sparse")
