import numpy as np
import polars as pl
import pytest

from loopback_core.ranking.terms import CATALOG_FEATURES
from loopback_core.retrieval.indexes import load_index, save_index
from loopback_core.retrieval.vectors import VECTORS, save_catalog_values, save_vectors
from loopback_core.settings import IndexSettings


def with_vectors(change):
    """A change of the vectors of the catalog."""

    def spoil(folder):
        vectors = np.array(np.load(folder / VECTORS))
        save_vectors(np.ascontiguousarray(change(vectors), dtype=np.float32), folder)

    return spoil


def put(row, value):
    def change(vectors):
        vectors[row] = value
        return vectors

    return change


def with_index(vectors, names=None):
    """An index over other vectors; `names`: rows of its id map."""

    def spoil(folder):
        from loopback_core.retrieval.indexes import build_index

        save_index(build_index(np.ascontiguousarray(vectors), IndexSettings()), folder)
        if names is not None:
            pl.DataFrame({"track": range(names)}).write_parquet(folder / "tracks.parquet")

    return spoil


def test_finite_distinct_unit_vectors_are_healthy(trained):
    verdict = trained.verdict("embeddings_healthy", trained.sound["track_embeddings"], max_mean_cosine=0.99)
    assert verdict.passed
    assert verdict.facts["vectors"] == 5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put((3, 1), np.nan), "1 vectors are not finite, first that of track 3"),
        (put((2, 0), np.inf), "1 vectors are not finite, first that of track 2"),
        (
            lambda vectors: vectors * np.array([[1], [1.01], [1], [1], [1.01]]),
            "2 vectors are not of unit norm, first that of track 1",
        ),
        (put(4, 0.0), "1 vectors are not of unit norm, first that of track 4"),
        (lambda vectors: vectors[:4], "4 vectors for 5 catalog tracks"),
    ],
)
def test_defective_vectors_are_reported_with_the_first_track(trained, change, sentence):
    sick = trained.spoiled("track_embeddings", with_vectors(change))
    verdict = trained.verdict("embeddings_healthy", sick, max_mean_cosine=1.0)
    assert not verdict.passed
    assert verdict.sentence == sentence


def test_the_mean_cosine_is_over_pairs_of_distinct_tracks(trained):
    # Three along one axis, two along another: three pairs and one pair of cosine 1, six of cosine 0.
    axes = np.eye(4)[[0, 0, 0, 1, 1]]
    crowded = trained.spoiled("track_embeddings", with_vectors(lambda vectors: axes))
    verdict = trained.verdict("embeddings_healthy", crowded, max_mean_cosine=0.41)
    assert verdict.passed
    assert verdict.facts["mean_cosine"] == pytest.approx(0.4)
    assert not trained.verdict("embeddings_healthy", crowded, max_mean_cosine=0.39).passed


def test_vectors_that_are_all_the_same_have_collapsed(trained):
    same = trained.spoiled("track_embeddings", with_vectors(lambda vectors: np.eye(4)[[0] * 5]))
    verdict = trained.verdict("embeddings_healthy", same)
    assert not verdict.passed
    assert verdict.sentence == "the mean cosine between tracks is 1.000, above 0.9: the embeddings collapsed"


def test_an_index_of_the_whole_catalog_has_the_right_size(trained):
    verdict = trained.verdict("index_size", trained.sound["faiss_index"])
    assert verdict.passed
    assert verdict.facts == {"indexed": 5, "named": 5, "catalog": 5}


@pytest.mark.parametrize(("indexed", "names"), [(4, 5), (5, 4), (6, 6)])
def test_an_index_of_another_size_than_the_catalog_is_found(trained, unit_vectors, indexed, names):
    other = trained.spoiled("faiss_index", with_index(unit_vectors[:indexed], names))
    verdict = trained.verdict("index_size", other)
    assert not verdict.passed
    assert verdict.sentence == f"{indexed} vectors and {names} names for a catalog of 5 tracks"


@pytest.fixture
def many(trained, unit_vectors):
    """The chain with 300 vectors, so that a hundred nearest of them are a choice."""

    def change(folder):
        with_vectors(lambda _: unit_vectors)(folder)
        save_catalog_values(np.zeros((300, len(CATALOG_FEATURES)), np.float32), folder)

    vectors = trained.spoiled("track_embeddings", change)
    return trained, {"track_embeddings": vectors.version}


def test_an_exact_index_finds_all_that_exact_search_finds(many, unit_vectors):
    chain, upstream = many
    index = chain.spoiled("faiss_index", with_index(unit_vectors), upstream)
    verdict = chain.verdict("index_recall", index, min_index_recall=1.0)
    assert verdict.passed
    assert verdict.facts == {"recall@100": 1.0, "users": 3}


@pytest.mark.parametrize("order", [range(299, -1, -1), range(50)], ids=["other names", "a sixth of the tracks"])
def test_an_index_that_finds_other_tracks_is_below_the_floor(many, unit_vectors, order):
    chain, upstream = many
    index = chain.spoiled("faiss_index", with_index(unit_vectors[list(order)]), upstream)
    verdict = chain.verdict("index_recall", index)
    assert not verdict.passed
    assert verdict.facts["recall@100"] < 0.6
    assert "over 3 users; the floor is 0.95" in verdict.sentence


@pytest.mark.parametrize("name", ["index_size", "index_recall"])
def test_a_damaged_index_is_not_searched(trained, name):
    index = trained.copy("faiss_index")
    path = index.folder / "tracks.faiss"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert len(load_index(index.folder)) == 5, "FAISS itself does not notice"
    verdict = trained.verdict(name, index)
    assert not verdict.passed
    assert f"{index} is damaged (tracks.faiss: other bytes than were published)" in verdict.sentence
