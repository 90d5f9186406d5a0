from pathlib import Path

import faiss
import numpy as np
import pytest

from loopback_core.data import NOTHING
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.index_recall import recall_of_index
from loopback_core.retrieval.indexes import build_index, faiss_engine, graph_lists
from loopback_core.retrieval.indexes.centroids import learn_centroids
from loopback_core.settings import HnswSettings, IndexSettings, IvfSettings

KINDS = ("flat", "hnsw", "ivf")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Searches this small wait for a second thread longer than they compute."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)


def settings_of(kind, ef_search, probes):
    of_kind = {"hnsw": {"hnsw": HnswSettings(ef_search=ef_search)}, "ivf": {"ivf": IvfSettings(probes=probes)}}
    return IndexSettings(kind=kind, **of_kind.get(kind, {}))


def wide(kind):
    """Settings under which a search of 400 tracks passes all of them."""
    return settings_of(kind, ef_search=400, probes=400)


def narrow(kind):
    return settings_of(kind, ef_search=8, probes=1)


def sorted_by_score(vectors, queries):
    return np.argsort(-(queries.astype(np.float64) @ vectors.T.astype(np.float64)), axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_that_passes_all_tracks_finds_the_largest_inner_products(unit_vectors, kind):
    vectors, queries = unit_vectors(400, 8), unit_vectors(6, 8, seed=1)
    index = build_index(vectors, wide(kind))
    assert (index.kind, len(index)) == (kind, 400)
    found = index.search(queries, 10, None)
    best = sorted_by_score(vectors, queries)[:, :10]
    assert found.tracks.tolist() == best.tolist()
    np.testing.assert_allclose(found.scores, np.take_along_axis(queries @ vectors.T, best, axis=1), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("storage", "error"), [("fp16", 1e-3), ("int8", 2e-2)])
def test_smaller_numbers_find_nearly_the_same_in_less_room(unit_vectors, tmp_path, kind, storage, error):
    vectors, queries = unit_vectors(4000, 32), unit_vectors(6, 32, seed=1)
    settings = wide(kind).model_copy(update={"storage": storage})
    index = build_index(vectors, settings)
    index.save(tmp_path / "small")
    build_index(vectors, wide(kind)).save(tmp_path / "whole")
    assert (tmp_path / "small").stat().st_size < (tmp_path / "whole").stat().st_size
    loaded = faiss_engine.Index.load(tmp_path / "small", settings)
    assert (loaded.kind, len(loaded)) == (kind, 4000)
    found = loaded.search(queries, 10, None)
    np.testing.assert_allclose(found.scores, np.take_along_axis(queries @ vectors.T, found.tracks, axis=1), atol=error)
    assert recall_of_index(loaded, vectors, queries, 10) > 0.8


@pytest.mark.parametrize("scanned", [0, 256])  # 0: the graph is searched however many tracks are excluded
@pytest.mark.parametrize("kind", KINDS)
def test_lists_stay_long_and_good_when_hundreds_of_the_best_are_excluded(
    unit_vectors, ragged, monkeypatch, kind, scanned
):
    monkeypatch.setattr(faiss_engine, "SCANNED_PER_WIDTH", scanned)
    vectors, queries = unit_vectors(2000, 8), unit_vectors(5, 8, seed=1)
    order = sorted_by_score(vectors, queries)
    played = [0, 1, 300, 600, 1000]
    exclude = ragged([order[row, :count] for row, count in enumerate(played)])
    index = build_index(vectors, settings_of(kind, ef_search=8, probes=20))
    found = index.search(queries, 50, exclude)
    assert NOTHING not in found.tracks
    for row, count in enumerate(played):
        tracks = set(found.tracks[row].tolist())
        assert len(tracks) == 50
        assert not tracks & set(exclude[row].tolist())
        assert len(tracks & set(order[row, count : count + 50].tolist())) > 40
    assert np.all(np.diff(found.scores, axis=1) <= 0)


def test_an_exact_search_with_exclusions_is_exact(unit_vectors, ragged):
    vectors, queries = unit_vectors(400, 8), unit_vectors(3, 8, seed=1)
    order = sorted_by_score(vectors, queries)
    found = build_index(vectors, wide("flat")).search(queries, 7, ragged([[], order[1, :5], order[2, ::2]]))
    assert found.tracks.tolist() == [order[0, :7].tolist(), order[1, 5:12].tolist(), order[2, 1:15:2].tolist()]


def test_a_list_longer_than_the_width_of_the_search_is_still_filled(unit_vectors):
    vectors, queries = unit_vectors(2000, 8), unit_vectors(5, 8, seed=1)
    for kind in ("hnsw", "ivf"):
        found = build_index(vectors, narrow(kind)).search(queries, 200, None)
        assert NOTHING not in found.tracks


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_longer_than_the_catalog_ends_in_nothing(unit_vectors, ragged, kind):
    vectors, queries = unit_vectors(50, 8), unit_vectors(2, 8, seed=1)
    index = build_index(vectors, wide(kind))
    whole = index.search(queries, 60, None)
    assert sorted(whole.tracks[0, :50].tolist()) == list(range(50))
    assert whole.tracks[0, 50:].tolist() == [NOTHING] * 10
    assert whole.scores[0, 50:].tolist() == [-np.inf] * 10
    rest = index.search(queries, 4, ragged([range(2, 50), range(50)]))
    assert (sorted(rest.tracks[0, :2].tolist()), rest.tracks[0, 2:].tolist()) == ([0, 1], [NOTHING] * 2)
    assert rest.tracks[1].tolist() == [NOTHING] * 4
    assert rest.scores[1].tolist() == [-np.inf] * 4


def test_without_queries_there_are_no_lists(unit_vectors, ragged):
    index = build_index(unit_vectors(50, 8), wide("flat"))
    assert index.search(np.zeros((0, 8), np.float32), 4, ragged([])).tracks.shape == (0, 4)
    assert index.search(np.zeros((0, 8), np.float32), 4, None).tracks.shape == (0, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_read_back_is_of_the_same_kind_and_finds_the_same(unit_vectors, ragged, tmp_path, kind):
    vectors, queries = unit_vectors(400, 8), unit_vectors(4, 8, seed=1)
    index = build_index(vectors, narrow(kind))
    index.save(tmp_path / "index")
    loaded = faiss_engine.Index.load(tmp_path / "index", narrow(kind))
    assert (loaded.kind, len(loaded)) == (kind, 400)
    for exclude in (None, ragged([[], [1], range(100), range(200, 400)])):
        before, after = index.search(queries, 10, exclude), loaded.search(queries, 10, exclude)
        assert after.tracks.tolist() == before.tracks.tolist()
        assert after.scores.tolist() == before.scores.tolist()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what a process maps")
def test_the_lists_of_an_index_that_nobody_holds_are_unmapped_before_the_destructor_of_faiss(unit_vectors, tmp_path):
    path = tmp_path / "index"
    build_index(unit_vectors(400, 8), narrow("ivf")).save(path)
    loaded = faiss_engine.Index.load(path, narrow("ivf"))
    assert str(path) in Path("/proc/self/maps").read_text()
    of_faiss = loaded.index
    del loaded
    assert of_faiss.ntotal == 400  # it is still there, without what its destructor would unmap
    assert str(path) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut at the start", "cut at the end", "garbage"])
def test_a_missing_or_damaged_index_ends_in_a_sentence(unit_vectors, tmp_path, kind, damage):
    path = tmp_path / "index"
    build_index(unit_vectors(400, 8), wide(kind)).save(path)
    whole = path.read_bytes()
    left = {"empty": b"", "cut at the start": whole[:30], "cut at the end": whole[:-9], "garbage": b"x" * 1000}
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(left[damage])
    with pytest.raises(ArtifactError, match="build it again"):
        faiss_engine.Index.load(path, wide(kind))


@pytest.mark.parametrize("scanned", [0, 10**6])  # centroids by the graph; by a scan
@pytest.mark.parametrize("kind", ["ivf_hnsw", "pq_hnsw"])
def test_centroids_are_found_by_a_graph_or_a_scan_and_tracks_are_the_same(
    unit_vectors, ragged, monkeypatch, kind, scanned
):
    monkeypatch.setattr(graph_lists, "SCANNED_PER_PROBE", scanned)
    vectors, queries = unit_vectors(4000, 8), unit_vectors(5, 8, seed=1)
    order = sorted_by_score(vectors, queries)
    index = build_index(vectors, IndexSettings(kind=kind, ivf=IvfSettings(lists=60, probes=40)))
    exclude = ragged([order[row, :count] for row, count in enumerate([0, 1, 300, 600, 3990])])
    found = index.search(queries, 50, exclude)
    for row, count in enumerate([0, 1, 300, 600]):
        assert len(set(found.tracks[row].tolist()) & set(order[row, count : count + 50].tolist())) > 40
    assert sorted(found.tracks[4, :10].tolist()) == sorted(order[4, 3990:].tolist())
    assert found.tracks[4, 10:].tolist() == [NOTHING] * 40


def test_the_vectors_of_the_second_look_are_mapped_from_a_large_file_until_something_is_added(
    unit_vectors, monkeypatch, tmp_path
):
    monkeypatch.setattr(faiss_engine, "MAPPED_FROM", 0)
    vectors, queries = unit_vectors(2000, 8), unit_vectors(5, 8, seed=1)
    settings = IndexSettings(kind="pq_hnsw", storage="int8")
    index = build_index(vectors, settings)
    index.save(tmp_path / "index")
    loaded = faiss_engine.Index.load(tmp_path / "index", settings)
    assert loaded.search(queries, 10, None).tracks.tolist() == index.search(queries, 10, None).tracks.tolist()
    for changed in (index, loaded):
        changed.add(unit_vectors(100, 8, seed=2))
    assert len(loaded) == 2100
    assert loaded.search(queries, 10, None).tracks.tolist() == index.search(queries, 10, None).tracks.tolist()
    loaded.save(tmp_path / "index")
    again = faiss_engine.Index.load(tmp_path / "index", settings)
    assert again.search(queries, 10, None).tracks.tolist() == index.search(queries, 10, None).tracks.tolist()


@pytest.mark.parametrize("lists", [7, 1500])
def test_about_as_many_centroids_are_learned_as_are_asked_for_and_of_unit_length(unit_vectors, lists):
    sample = np.concatenate(
        [unit_vectors(4000, 8), np.tile(unit_vectors(1, 8, seed=3), (500, 1))]
    )  # many tracks are equal
    centroids = learn_centroids(sample, lists)
    assert 0.9 * lists <= len(centroids) <= 1.1 * lists
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["ivf", "pq", "ivf_hnsw", "pq_hnsw"])
def test_more_lists_than_tracks_are_a_list_for_each_track_and_a_search_is_filled_from_all(unit_vectors, kind):
    settings = IndexSettings(kind=kind, ivf=IvfSettings(lists=5000, probes=1))
    index = build_index(unit_vectors(700, 8), settings)
    found = index.search(unit_vectors(20, 8, seed=1), 100, None, np.arange(0, 700, 7))
    assert np.sort(found.tracks, axis=1).tolist() == [list(range(0, 700, 7))] * 20


@pytest.mark.parametrize("kind", ["ivf", "pq", "ivf_hnsw", "pq_hnsw"])
def test_what_one_user_finds_does_not_depend_on_who_else_is_asked_for(unit_vectors, kind):
    few, many = np.eye(8, dtype=np.float32)[[0]], np.eye(8, dtype=np.float32)[[1]]
    vectors = np.concatenate([few + 0.1 * unit_vectors(3, 8), many + 0.1 * unit_vectors(697, 8, seed=2)])
    index = build_index(vectors, IndexSettings(kind=kind, ivf=IvfSettings(lists=8, probes=1)))
    alone = index.search(many, 10, None)
    assert index.search(np.concatenate([few, many]), 10, None).tracks[1].tolist() == alone.tracks[0].tolist()


@pytest.mark.parametrize(("n", "kind"), [(100, "flat"), (101, "ivf")])
def test_auto_searches_exactly_up_to_the_limit_and_then_by_lists(unit_vectors, n, kind):
    assert build_index(unit_vectors(n, 8), IndexSettings(kind="auto", flat_limit=100)).kind == kind


def test_recall_of_an_exact_index_is_one_and_of_a_crippled_one_less(unit_vectors):
    vectors, queries = unit_vectors(4000, 8), unit_vectors(20, 8, seed=1)
    assert recall_of_index(build_index(vectors, wide("flat")), vectors, queries, 10) == 1.0
    crippled = build_index(vectors, narrow("ivf"))
    recall = recall_of_index(crippled, vectors, queries, 10)
    best = sorted_by_score(vectors, queries)[:, :10]
    found = crippled.search(queries, 10, None).tracks
    assert recall == pytest.approx(np.mean([np.isin(best[row], found[row]).mean() for row in range(20)]))
    assert recall < 0.95


def test_recall_counts_tracks_with_equal_vectors_for_each_other(unit_vectors):
    vectors = np.repeat(unit_vectors(20, 8), 10, axis=0)
    index = build_index(vectors[::-1].copy(), wide("flat"))  # of ten equal ones another five may be found
    assert recall_of_index(index, vectors[::-1].copy(), unit_vectors(4, 8, seed=1), 5) == 1.0
    assert recall_of_index(index, vectors, unit_vectors(4, 8, seed=1), 5) < 1.0  # an index of other names
