"""The trained artifacts, loaded together: the one loader of all recommenders, in the evaluation and for a caller."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from loopback_core.data import NOTHING, Floats, Histories, Ids, Ragged
from loopback_core.errors import RequestError
from loopback_core.ranking.linear_ranker import LinearRanker, load_rankers
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.scorer import Scorer, scorer_of
from loopback_core.ranking.terms import Knowledge
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.request import Recommendation, Request, ids_of
from loopback_core.retrieval.indexes import load_index
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.vectors import load_catalog_values, load_vectors
from loopback_core.splits import Splits
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.tasks.task import Task
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING, ONLY_NEW

log = logging.getLogger("loopback")


@dataclass(frozen=True)
class Towers:
    """The towers of one training, and the score that is served with them."""

    model: TwoTower
    rankers: Mapping[str, LinearRanker]  # by task
    relations: Relations

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :func:`loopback_core.training.train.train_towers` wrote.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        return cls(TwoTower.load(folder), load_rankers(folder), Relations.load(folder))

    def scorer(self, task: Task, vectors: Floats | None = None) -> Scorer:
        """The served score in a task. vectors: (n_tracks, D) of the catalog, where they are known already."""
        return scorer_of(task, self.model, self.rankers[task.name], vectors, self.relations)


@dataclass(frozen=True)
class Bundle:
    """Towers, vectors, index and names that belong together. Nothing in it changes after loading."""

    splits: Splits
    towers: Towers
    vectors: Floats  # (n_tracks, D) of unit norm, memory-mapped
    catalog_values: Floats  # (n_tracks, catalog terms)
    index: VectorIndex
    tie_seed: int = 0

    @classmethod
    def open(cls, home: Path | str = ".loopback") -> Self:
        """The newest index of a folder of artifacts, and what it was made from.

        Raises:
            ArtifactError: there is none, or a file of it is damaged.
        """
        store = ArtifactStore(Path(home))
        index = store.latest("faiss_index")
        index.verify()
        above = [store.upstream(index, name) for name in ("temporal_splits", "trained_towers", "track_embeddings")]
        return cls.load(*(artifact.folder for artifact in (*above, index)))

    @classmethod
    def load(cls, splits: Path, towers: Path, vectors: Path, index: Path) -> Self:
        """From the folders of the four artifacts.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        return cls(
            Splits(splits), Towers.load(towers), load_vectors(vectors), load_catalog_values(vectors), load_index(index)
        )

    def scorer(self, task: str) -> Scorer:
        """The served score of the whole catalog. task: discovery or next_listen."""
        catalog = self.splits.testing.catalog
        return Scorer(
            self.towers.model,
            Knowledge(catalog, self.towers.relations),
            self.vectors,
            self.catalog_values,
            catalog.artist,
            self.towers.rankers[task],
            ONLY_NEW if task == "discovery" else ANYTHING,
        )

    def recommend(self, request: Request) -> list[Recommendation]:
        """The k best tracks for a history, best first; for an empty one those without a personal term.

        In discovery nothing that was played is recommended. Listens to tracks that the catalog does not know are left
        out, and counted in the log.
        """
        if self.towers.model.settings.user_encoder == "id":
            raise RequestError(
                "These towers know the users of the log by their ids and read no history: train a preset that reads histories "
                "(training.preset = 'default') to recommend for a history."
            )
        histories = self._histories([request])
        named = ids_of(request.exclude, self.names)
        played = histories.tracks.values if request.task == "discovery" else named[:0]
        exclude = np.unique(np.concatenate([named[named >= 0], played]))
        most = int(min(request.k, len(self.vectors)))
        recommender = IndexRecommender(self.scorer(request.task), self.index, self.tie_seed)
        best = recommender.recommend(histories, most, Ragged(np.array([0, len(exclude)]), exclude))
        tracks = best.tracks[0][best.tracks[0] != NOTHING]
        names = self.names[tracks].iter_rows()
        return [
            Recommendation(int(track), artist, title, float(score))
            for track, (artist, title), score in zip(tracks, names, best.scores[0], strict=False)
        ]

    @cached_property
    def names(self) -> pl.DataFrame:
        """artist_name and track_name of the catalog, row i for track i."""
        return self.splits.track_names.head(len(self.vectors)).select("artist_name", "track_name")

    def _histories(self, requests: Sequence[Request]) -> Histories:
        rows: list[tuple[Ids, Ids]] = []
        for request in requests:
            track, time = ids_of([listen[:2] for listen in request.history], self.names), request.times()
            if unknown := int((track < 0).sum()):
                log.warning("%d of %d listens are to tracks that the catalog does not know", unknown, len(track))
            order = np.argsort(time, kind="stable")
            order = order[track[order] >= 0]
            rows.append((track[order], time[order]))
        offsets = np.cumsum([0, *(len(track) for track, _ in rows)])
        now = np.array([request.moment(self.splits.testing.now) for request in requests], np.int64)
        tracks = Ragged(offsets.astype(np.int64), np.concatenate([track for track, _ in rows]))
        demographics = self.splits.testing.demographics
        unknown_people = None if demographics is None else np.zeros((len(rows), 3), np.int16)
        users = np.full(len(rows), -1, np.int64)
        return Histories(users, tracks, np.concatenate([time for _, time in rows]), now, unknown_people)
