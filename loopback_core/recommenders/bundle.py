"""The trained artifacts, loaded together: the one loader of all recommenders, in the evaluation and for a caller."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Catalog, Floats, Histories, Ids, Ragged, Ranking
from loopback_core.data.names import TrackNames
from loopback_core.errors import RequestError
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import Knowledge
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.name_keys import NameKeys
from loopback_core.recommenders.ranked_towers import Towers
from loopback_core.recommenders.request import Recommendation, Request
from loopback_core.reranking.reranker import Reranker
from loopback_core.reranking.versions import works_of
from loopback_core.retrieval.indexes import load_index
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.vectors import load_catalog_values, load_vectors
from loopback_core.splits import Splits
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.towers.user import ANYTHING, ONLY_NEW

log = logging.getLogger("loopback")

SERVED_TASKS = {"discovery": ONLY_NEW, "next_listen": ANYTHING}
"""The tasks of a request, with the intent that the user tower reads."""


@dataclass(frozen=True)
class Bundle:
    """Towers, vectors, index and names that belong together. Nothing in it changes after loading."""

    catalog: Catalog
    names: TrackNames
    now: int  # seconds since 1970-01-01 UTC: the end of the listens that the catalog was counted on
    own_moments: bool  # whether a history without a time of its request is asked right after its last listen
    has_profiles: bool  # whether the towers may read demographics
    towers: Towers
    vectors: Floats  # (n_tracks, D) of unit norm, memory-mapped
    catalog_values: Floats  # (n_tracks, catalog terms)
    index: VectorIndex
    tie_seed: int = 0
    rerank: bool = False  # whether lists are shown re-ranked where a request does not say how diverse it wants them

    @classmethod
    def open(cls, home: Path | str = ".loopback") -> Self:
        """The newest index of a folder of artifacts, what it was made from, and the newest ranker of its towers.

        Raises:
            ArtifactError: there is none, or a file of it is damaged.
        """
        store = ArtifactStore(Path(home))
        index = store.latest("faiss_index")
        index.verify()
        splits, towers, vectors = (
            store.upstream(index, asset) for asset in ("temporal_splits", "trained_towers", "track_embeddings")
        )
        ranker = store.made_from("trained_ranker", towers)
        ranker.verify()
        return cls.load(Splits(splits.folder), towers.folder, ranker.folder, vectors.folder, index.folder)

    @classmethod
    def load(cls, splits: Splits, towers: Path, ranker: Path, vectors: Path, index: Path) -> Self:
        """The catalog at test time, and what was made from it. towers, ranker, vectors, index: folders of the artifacts.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        fit = splits.testing
        names = fit.names or TrackNames(lambda: splits.track_names)
        return cls(
            fit.catalog,
            names,
            fit.now,
            fit.own_moments,
            fit.demographics is not None,
            Towers.load(towers, ranker),
            load_vectors(vectors),
            load_catalog_values(vectors),
            load_index(index),
        )

    @cached_property
    def listen_artist(self) -> NDArray[np.int32]:
        """The artist of every id that a history may hold: a track, or n_tracks + a for an unknown track by artist a."""
        return np.concatenate([self.catalog.artist, np.arange(self.catalog.n_artists, dtype=np.int32)])

    def scorer(self, task: str) -> Scorer:
        """The served score of the whole catalog. task: discovery or next_listen."""
        return self._scorers[task]

    @cached_property
    def knowledge(self) -> Knowledge:
        """What the terms of the score read besides a history."""
        return Knowledge(self.catalog, self.towers.relations, self.listen_artist)

    @cached_property
    def _scorers(self) -> dict[str, Scorer]:
        return {
            task: Scorer(
                self.towers.model,
                self.knowledge,
                self.vectors,
                self.catalog_values,
                self.catalog.artist,
                self.towers.rankers[task],
                intent,
                corrector=self.towers.correctors.get(task),
            )
            for task, intent in SERVED_TASKS.items()
        }

    def recommender(self, task: str) -> IndexRecommender:
        """Ranks the catalog for histories, through the index. task: discovery or next_listen."""
        return self._recommenders[task]

    def retriever(self, task: str) -> IndexRecommender:
        """The same by the linear score alone."""
        return self._retrievers[task]

    @cached_property
    def _recommenders(self) -> dict[str, IndexRecommender]:
        return {task: IndexRecommender(scorer, self.index, self.tie_seed) for task, scorer in self._scorers.items()}

    @cached_property
    def _retrievers(self) -> dict[str, IndexRecommender]:
        return {
            task: IndexRecommender(replace(scorer, corrector=None), self.index, self.tie_seed)
            for task, scorer in self._scorers.items()
        }

    def reranker(self, task: str, diversity: float | None = None) -> Reranker | None:
        """What puts lists into the order in which they are shown; None where that is the order of the scores.

        diversity: from 0 to 1; None: as chosen on validation where the bundle is served so.
        """
        if diversity is None:
            return self.chosen_rerankers.get(task) if self.rerank else None
        chosen = self.chosen_rerankers.get(task) or Reranker(self.vectors, self.listen_artist, self.works)
        return replace(chosen, diversity=diversity)

    @cached_property
    def chosen_rerankers(self) -> dict[str, Reranker]:
        """By task, as chosen on validation; none for towers that are served without any other term."""
        return {
            task: Reranker(self.vectors, self.listen_artist, self.works, choice.diversity, choice.method, choice.rules)
            for task, choice in self.towers.reranking.items()
        }

    def shown(self, task: str, ranking: Ranking, histories: Histories) -> Ranking:
        """Lists as they are shown, of lists by score that hold LONGEST tracks where there are so many.

        histories: of their users, with ids as in `listen_artist`.
        """
        reranker = self.reranker(task)
        return ranking if reranker is None else reranker.rerank(ranking, histories)

    @cached_property
    def works(self) -> Ids:
        """(n_tracks,) the same number for two tracks that are versions of one work."""
        return works_of(self.names.frame.head(len(self.vectors))["track_name"], self.catalog.artist)

    def recommend(self, request: Request) -> list[Recommendation]:
        """The k best tracks for a history, in the order of their scores; for an empty one those without a personal term.

        In discovery nothing that was played is recommended. A listen to a track that the catalog does not know counts
        by its artist, if that is known; others are left out. Both are counted in the log.
        """
        self.refuse_ids()
        tracks, artists = self.keys.find(request.artists, request.titles)
        ids = self.listen_ids(tracks, artists)
        if unknown := int((tracks < 0).sum()):
            by_artist = int((ids >= 0).sum() - (tracks >= 0).sum())
            log.warning(
                "%d of %d listens are to tracks that the catalog does not know; %d of these count by their artist",
                unknown,
                len(ids),
                by_artist,
            )
        times = request.times()
        moment = request.moment(int(times.max(initial=0)) if self.own_moments and len(times) else self.now)
        order = np.argsort(times, kind="stable")
        order = order[ids[order] >= 0]
        histories = self.histories([ids[order]], [times[order]], [moment])
        named = self.keys.find_tracks(*(zip(*request.exclude, strict=True) if request.exclude else ((), ())))
        played = tracks[tracks >= 0] if request.task == "discovery" else tracks[:0]
        exclude = np.unique(np.concatenate([named[named >= 0], played]))
        most = int(min(request.k, len(self.vectors)))
        best = self.recommender(request.task).recommend(histories, most, Ragged(np.array([0, len(exclude)]), exclude))
        found = best.tracks[0][best.tracks[0] != NOTHING]
        names = self.track_names[found].iter_rows()
        return [
            Recommendation(int(track), artist, title, float(score))
            for track, (artist, title), score in zip(found, names, best.scores[0], strict=False)
        ]

    def histories(self, ids: Sequence[Ids], times: Sequence[Ids], moments: Sequence[int]) -> Histories:
        """Histories of users whom nobody knows. Each is (listens,), oldest first; ids as in `listen_artist`."""
        offsets = np.cumsum([0, *map(len, ids)]).astype(np.int64)
        none = np.zeros(0, np.int64)
        return Histories(
            np.full(len(ids), -1, np.int64),
            Ragged(offsets, np.concatenate([none, *ids])),
            np.concatenate([none, *times]),
            np.array(moments, np.int64),
            np.zeros((len(ids), 3), np.int16) if self.has_profiles else None,
        )

    def listen_ids(self, tracks: Ids, artists: Ids) -> Ids:
        """The ids of listens in a history, -1 for those that say nothing. tracks, artists: (listens,) -1: not known."""
        of_artist = np.where(artists < 0, -1, self.catalog.n_tracks + artists)
        return np.where(tracks < 0, of_artist, tracks)

    def refuse_ids(self) -> None:
        """Raise unless the towers can answer a history.

        Raises:
            RequestError: they know users by their ids alone.
        """
        if self.towers.model.settings.user_encoder == "id":
            raise RequestError(
                "These towers know the users of the log by their ids and read no history: train a preset that reads histories "
                "(training.preset = 'default') to recommend for a history."
            )

    @cached_property
    def track_names(self) -> pl.DataFrame:
        """artist_name and track_name of the catalog, row i for track i."""
        return self.names.frame.head(len(self.vectors)).select("artist_name", "track_name")

    @cached_property
    def keys(self) -> NameKeys:
        """Ids of the catalog by name."""
        return NameKeys.of(self.names.frame.head(len(self.vectors)))
