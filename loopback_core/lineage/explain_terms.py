"""Why a track is recommended: the terms that it shares with the user."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from loopback_core.data import Histories
from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.lineage.name_parts import bucket_of, words_in_names
from loopback_core.lineage.retriever import Retriever
from loopback_core.lineage.sparse_towers import SparseTowers
from loopback_core.lineage.sparse_view import SparseView


@dataclass(frozen=True)
class SharedTerm:
    """A term of which user and track have more than nothing; the score is the sum of the products."""

    name: str  # artist "…", word "…", or code 17
    user: float
    track: float

    @property
    def product(self) -> float:
        """What it adds to the score."""
        return self.user * self.track


def explain(retriever: Retriever, history: Histories, track: int, names: TrackNames) -> list[SharedTerm]:
    """The terms that a user and a track share, the largest product first.

    history: of one user. track: of the catalog. names: of the log.

    Raises:
        SettingsError: the retriever has no terms.
    """
    model, view = retriever.model, retriever.views[0]
    if not isinstance(model, SparseTowers) or not isinstance(view, SparseView):
        raise SettingsError(f"The family {retriever.id!r} has no terms to explain a score by: take 'sparse'.")
    user = retriever.embed(history)[0, 0]
    of_track = slice(view.offsets[track], view.offsets[track + 1])
    terms, weights = view.terms[of_track], view.weights[of_track]
    name_of = dict(_names_of(model, names.frame[track]))
    shared = [
        SharedTerm(name_of.get(term, f"code {term}"), float(user[term]), weight)
        for term, weight in zip(terms.tolist(), weights.tolist(), strict=True)
        if user[term] > 0
    ]
    return sorted(shared, key=lambda term: -term.product)


def _names_of(model: SparseTowers, of_track: pl.DataFrame) -> Iterator[tuple[int, str]]:
    """The terms of a track that are no codes, and what they are called. of_track: its row of the names."""
    codes, buckets = model.sparse_settings.codes, model.sparse_settings.words
    words: dict[int, list[str]] = {}
    for word in words_in_names(of_track)["word"]:
        words.setdefault(codes + bucket_of(word, buckets), []).append(word)
    for term, of_bucket in words.items():
        yield term, "word " + ", ".join(f'"{word}"' for word in of_bucket)  # words of one bucket cannot be told apart
    artist, name = of_track.select("artist", "artist_name").row(0)
    yield codes + buckets + artist, f'artist "{name}"'
