"""A family of the lineage as a recommender: fitted, asked, kept on disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from loopback_core.data import NOTHING, FitData, Floats, Histories, Ids, Ragged, Ranking
from loopback_core.features.track_content import track_content
from loopback_core.lineage.compressed_view import CompressedView
from loopback_core.lineage.families import FAMILIES
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.sparse_index import SparseIndex, build_sparse_index
from loopback_core.lineage.sparse_view import SparseView
from loopback_core.lineage.track_views import TrackView, View
from loopback_core.retrieval.embed import read_users
from loopback_core.retrieval.indexes import build_index
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.top_k import no_ranking, tie_order, top_k_sparse
from loopback_core.settings import Settings
from loopback_core.towers.user import ANYTHING
from loopback_core.training.checkpoint import Progression
from loopback_core.training.loop import Validate, train

NEAREST_OF_VECTOR = 1_000
"""Tracks that the index is asked for at least by each vector of a user, so that a short list is the head of a long one.

Of tracks with equal products that lie across this place the index says which are candidates, and not the tie order."""


Find = Callable[[Floats, int, Ids], Ids]
"""From the vectors of a user, (U, D), k, and the tracks to leave out to the candidates."""


@dataclass
class Retriever:
    """Finds candidates in one index of tracks by the vectors that its towers search with, and scores their union exactly.

    Each history is read and scored by itself, so that a list is the same to the last digit whoever is asked about with it.
    Obeys :class:`loopback_core.recommenders.recommender.Recommender`.
    """

    id: str  # the name of its family
    settings: Settings
    model: MultiVectorTowers
    views: Sequence[TrackView]
    artist: NDArray[np.int32]  # (n_tracks,) of every track of the catalog
    index: VectorIndex | SparseIndex  # over the first view
    intent: int = ANYTHING

    @classmethod
    def of(cls, family: str, model: MultiVectorTowers, data: FitData, settings: Settings) -> Self:
        """With the views and the index of the catalog of `data`."""
        content = track_content(data, settings.towers)
        views = model.views(content)
        return cls(family, settings, model, views, content.artist, index_of(views[0], settings))

    def fit(self, data: FitData) -> Self:
        """:func:`fit_retriever` has fitted it; what it reads of `data` comes in with each history."""
        return self

    def for_intent(self, intent: int) -> Self:
        """The same, asked for ANYTHING or for ONLY_NEW tracks."""
        return replace(self, intent=intent)

    @torch.inference_mode()
    def embed(self, histories: Histories) -> Floats:
        """(rows, U, D) the vectors of each user. A history may be empty."""
        self.model.eval()
        read = read_users(self.model, histories, self.artist, self.intent, batch_size=1)
        return np.concatenate(
            [self.model.user_vectors(one.to(self.model.device)).float().cpu().numpy() for one in read]
        )

    def recommend(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """See :class:`loopback_core.recommenders.recommender.Recommender`."""
        return self._ranked(histories, k, exclude, self.candidates)

    def recommend_exactly(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The same with every track of the catalog as a candidate: slow, and what the index is measured against."""
        everything = np.arange(len(self.artist))
        return self._ranked(
            histories, k, exclude, lambda users, k, out: np.setdiff1d(everything, out, assume_unique=True)
        )

    def candidates(self, users: Floats, k: int, exclude: Ids) -> Ids:
        """The tracks, ascending, that any vector of :meth:`MultiVectorTowers.searched` finds nearest. users: (U, D). exclude: distinct tracks."""
        users = self.model.searched(users)
        is_there = np.any(users != 0, axis=1)
        users = users[is_there] if is_there.any() else users[:1]
        out = Ragged(np.arange(len(users) + 1) * len(exclude), np.tile(exclude, len(users))) if len(exclude) else None
        found = self.index.search(users, min(max(k, NEAREST_OF_VECTOR), len(self.artist)), out).tracks
        return np.unique(found[found != NOTHING])

    def rank(self, users: Floats, candidates: Ids, k: int) -> Ranking:
        """The k best of some candidates for one user, a ranking of one row. users: (U, D)."""
        scores = self.model.scores(users, self.views, candidates)
        return top_k_sparse(Ragged(np.array([0, len(candidates)]), candidates), scores, k, self._tie_rank)

    def _ranked(self, histories: Histories, k: int, exclude: Ragged | None, find: Find) -> Ranking:
        ranking = no_ranking(len(histories), k)
        for row in range(len(histories)):
            users = self.embed(histories.rows(row, row + 1))[0]
            out = np.zeros(0, np.int64) if exclude is None else exclude[row][exclude[row] < len(self.artist)]
            best = self.rank(users, find(users, k, out), k)
            ranking.tracks[row], ranking.scores[row] = best.tracks[0], best.scores[0]
        return ranking

    @cached_property
    def _tie_rank(self) -> Ids:
        return tie_order(len(self.artist), self.settings.evaluation.seed)


def index_of(view: TrackView, settings: Settings) -> VectorIndex | SparseIndex:
    """Over the vectors of a view, or over its terms."""
    if isinstance(view, SparseView):
        return build_sparse_index(view, settings)
    assert isinstance(view, View | CompressedView)
    return build_index(view.vectors, settings.index)


def fit_towers(
    family: str, data: FitData, settings: Settings, validation: Validate | None, checkpoints: Path
) -> tuple[MultiVectorTowers, Progression]:
    """Train the towers of a family on `data`.

    settings: of :func:`loopback_core.lineage.families.settings_of_family`. validation, checkpoints: as of
    :func:`loopback_core.training.loop.train`.
    """
    make = partial(FAMILIES[family].make, names=data.names)
    model, progression = train(data, settings, validation, checkpoints, f"{family}, epoch", make=make)
    assert isinstance(model, MultiVectorTowers)
    return model, progression


def fit_retriever(
    family: str, data: FitData, settings: Settings, validation: Validate | None, checkpoints: Path
) -> Retriever:
    """The same, with the catalog of `data` indexed."""
    return Retriever.of(family, fit_towers(family, data, settings, validation, checkpoints)[0], data, settings)
