"""The vectors and the index over them."""

from collections.abc import Iterator

import numpy as np

from loopback_core.checks.check import Verdict
from loopback_core.data import Floats
from loopback_core.retrieval.indexes import load_index
from loopback_core.retrieval.vectors import load_vectors
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.store.artifacts import Artifact, ArtifactStore

NORMS_AT_ONCE = 1_000_000  # vectors

SAMPLE = 2_000  # vectors, drawn at random, in the test for collapse


def embeddings_healthy(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """One finite unit vector per catalog track, and not all of them the same."""
    vectors = load_vectors(artifact.folder)
    catalog = Splits(store.upstream(artifact, "temporal_splits").folder).testing.catalog
    norms = np.concatenate([np.linalg.norm(block, axis=1) for block in _blocks(vectors)])
    not_finite, not_unit = ~np.isfinite(norms), ~(np.abs(norms - 1) <= 1e-3)
    sample = vectors[np.random.default_rng(0).permutation(len(vectors))[:SAMPLE]].astype(np.float64)
    n = len(sample)
    # The mean over pairs of distinct vectors, from the norm of their sum.
    cosine = float((np.square(sample.sum(axis=0)).sum() - n) / (n * (n - 1))) if n > 1 else 0.0
    limit = settings.checks.max_mean_cosine
    wrong = []
    if len(vectors) != catalog.n_tracks:
        wrong.append(f"{len(vectors):,} vectors for {catalog.n_tracks:,} catalog tracks")
    if not_finite.any():
        wrong.append(f"{not_finite.sum():,} vectors are not finite, first that of track {np.argmax(not_finite)}")
    elif not_unit.any():
        wrong.append(f"{not_unit.sum():,} vectors are not of unit norm, first that of track {np.argmax(not_unit)}")
    elif cosine > limit:
        wrong.append(f"the mean cosine between tracks is {cosine:.3f}, above {limit}: the embeddings collapsed")
    facts = {"vectors": len(vectors), "mean_cosine": cosine if np.isfinite(cosine) else None}
    return Verdict(not wrong, "; ".join(wrong) or f"finite, of unit norm, mean cosine {cosine:.3f}", facts)


def index_size(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The index and its id map hold exactly the catalog."""
    import polars as pl

    index = load_index(artifact.folder)
    named = pl.scan_parquet(artifact.folder / "tracks.parquet", glob=False).select(pl.len()).collect().item()
    catalog = Splits(store.upstream(artifact, "temporal_splits").folder).testing.catalog
    facts = {"indexed": len(index), "named": named, "catalog": catalog.n_tracks}
    sentence = f"{len(index):,} vectors and {named:,} names for a catalog of {catalog.n_tracks:,} tracks"
    return Verdict(len(index) == named == catalog.n_tracks, sentence, facts)


def index_recall(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Recall@100 of the index against exact search, over real user vectors, is above its threshold."""
    from loopback_core.recommenders.build_retrieval import real_queries
    from loopback_core.retrieval.index_recall import recall_of_index

    splits = Splits(store.upstream(artifact, "temporal_splits").folder)
    embeddings = store.upstream(artifact, "track_embeddings").folder
    queries = real_queries(splits, store.upstream(artifact, "trained_towers").folder)
    recall = recall_of_index(load_index(artifact.folder), load_vectors(embeddings), queries, 100)
    floor = settings.checks.min_index_recall
    sentence = f"recall@100 against exact search is {recall:.4f} over {len(queries):,} users; the floor is {floor}"
    return Verdict(recall >= floor, sentence, {"recall@100": recall, "users": len(queries)})


def _blocks(vectors: Floats) -> Iterator[Floats]:
    """Rows that are held at a time; one block without rows where there are none."""
    for start in range(0, max(1, len(vectors)), NORMS_AT_ONCE):
        yield vectors[start : start + NORMS_AT_ONCE]
