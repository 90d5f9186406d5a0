"""What every index engine keeps, asked of all that are installed."""

import builtins
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from index_contract import ENGINES, LIBRARIES, engine

from loopback_core.data import NOTHING
from loopback_core.errors import ArtifactError, SettingsError
from loopback_core.retrieval.indexes import build_index, index_file, load_index, save_index
from loopback_core.settings import IndexSettings

N, DIM, K = 3000, 34, 10

ERROR = {
    "usearch fp16": 2e-2,
    "qdrant fp16": 2e-2,
    "pq int8": 5e-2,
    "ivf_hnsw int8": 5e-2,
    "pq_hnsw int8": 5e-2,
    "scann int8": 5e-2,
}
"""Of scores, where numbers are kept in fewer bits; queries are as long as 6."""

WRITER = Path(__file__).with_name("killed_writer.py")

each_engine = pytest.mark.parametrize("name", [engine(name) for name in ENGINES])


def clustered(n, seed):
    """(n, DIM): unit vectors around 50 centres, and two further dimensions, so that lengths differ."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((50, DIM - 2))
    towers = centres[random.integers(50, size=n)] + 0.5 * random.standard_normal((n, DIM - 2))
    towers /= np.linalg.norm(towers, axis=1, keepdims=True)
    return np.concatenate([towers, 0.1 * random.random((n, 2))], axis=1).astype(np.float32)


VECTORS = clustered(N, 0)
QUERIES = 5 * clustered(8, 1)
PRODUCTS = QUERIES.astype(np.float64) @ VECTORS.T.astype(np.float64)
ORDER = np.argsort(-PRODUCTS, axis=1)

_built = {}


def whole_index(name):
    """The index over VECTORS. Tests that change one build their own."""
    if name not in _built:
        _built[name] = build_index(VECTORS, ENGINES[name])
    return _built[name]


@pytest.fixture(autouse=True, scope="module")
def graphs_of_few_tracks():
    """Qdrant would scan this few, and its graph would not be tested."""
    if find_spec("qdrant_edge"):
        from loopback_core.retrieval.indexes import qdrant_engine

        qdrant_engine.SCANNED_KB = 10
    yield
    _built.clear()


def check_lists(found, name, left, k=K, vectors=VECTORS):
    """Every list holds k distinct tracks of those that are left, best first, with their own inner products."""
    for row, allowed in enumerate(left):
        count = min(k, len(allowed))
        tracks, scores = found.tracks[row], found.scores[row]
        assert len(set(tracks[:count].tolist())) == count
        assert set(tracks[:count].tolist()) <= set(allowed)
        assert np.all(np.diff(scores[:count]) <= 0)
        assert tracks[count:].tolist() == [NOTHING] * (k - count)
        assert scores[count:].tolist() == [-np.inf] * (k - count)
        np.testing.assert_allclose(scores[:count], vectors[tracks[:count]] @ QUERIES[row], atol=ERROR.get(name, 1e-4))


def recall(found, name, left, k=K):
    """Share of the lists whose products reach those of the k-th best of those that are left, up to the error of the kind."""
    of_rows = []
    for row, allowed in enumerate(left):
        best = [track for track in ORDER[row] if track in allowed][:k]
        products = PRODUCTS[row][found.tracks[row][: len(best)]]
        of_rows.append(np.mean(products >= PRODUCTS[row][best[-1]] - ERROR.get(name, 1e-6)))
    return np.mean(of_rows)


@each_engine
def test_ids_are_positions_and_the_best_inner_products_come_first(name):
    index = whole_index(name)
    assert (index.kind, len(index), index.settings) == (ENGINES[name].kind, N, ENGINES[name])
    found = index.search(QUERIES, K, None)
    check_lists(found, name, [range(N)] * len(QUERIES))
    assert recall(found, name, [set(range(N))] * len(QUERIES)) >= 0.9


@each_engine
def test_it_is_the_inner_product_that_counts_and_not_the_angle(name):
    vectors = VECTORS.copy()
    vectors[7] *= 1.5  # the angle to itself stays 0, that of the others too
    found = build_index(vectors, ENGINES[name]).search(vectors[7:8], 3, None)
    assert found.tracks[0, 0] == 7
    assert found.scores[0, 0] == pytest.approx(float(vectors[7] @ vectors[7]), abs=0.03)


@each_engine
@pytest.mark.parametrize("count", [1, 1000, N - 4])
def test_excluded_tracks_never_appear_and_lists_stay_long(name, count, ragged):
    played = [ORDER[row, : count if row % 2 else 0] for row in range(len(QUERIES))]
    found = whole_index(name).search(QUERIES, K, ragged(played))
    left = [set(range(N)) - set(tracks.tolist()) for tracks in played]
    check_lists(found, name, left)
    assert recall(found, name, left) >= 0.9


@each_engine
@pytest.mark.parametrize("count", [0, 4, N // 100, N // 2, N])
def test_a_filter_keeps_only_its_tracks(name, count):
    only = np.random.default_rng(2).permutation(N)[:count]
    found = whole_index(name).search(QUERIES, K, None, only)
    left = [set(only.tolist())] * len(QUERIES)
    check_lists(found, name, left)
    if count:
        assert recall(found, name, left) >= 0.9


@each_engine
def test_a_filter_and_exclusions_hold_together(name, ragged):
    only = np.arange(0, N, 3)
    played = [ORDER[row, :500] for row in range(len(QUERIES))]
    found = whole_index(name).search(QUERIES, K, ragged(played), only)
    left = [set(only.tolist()) - set(tracks.tolist()) for tracks in played]
    check_lists(found, name, left)
    assert recall(found, name, left) >= 0.9


@each_engine
def test_unknown_ids_are_ignored(name, ragged):
    unknown = [N, N + 5, 2 * N]
    plain = whole_index(name).search(QUERIES[:1], K, None)
    found = whole_index(name).search(QUERIES[:1], K, ragged([unknown]))
    assert found.tracks.tolist() == plain.tracks.tolist()
    check_lists(whole_index(name).search(QUERIES[:1], K, None, np.array([*unknown, 5, 6])), name, [{5, 6}])


@each_engine
def test_ties_neither_lose_nor_repeat_a_track(name):
    vectors = np.repeat(VECTORS[:40], 20, axis=0)
    index = build_index(vectors, ENGINES[name])
    found = index.search(QUERIES[:2], 800, None)
    assert [sorted(tracks.tolist()) for tracks in found.tracks] == [list(range(800))] * 2
    best = np.sort(vectors @ QUERIES[0])[::-1][:20]
    np.testing.assert_allclose(index.search(QUERIES[:1], 20, None).scores[0], best, atol=ERROR.get(name, 1e-4))


@each_engine
def test_a_list_is_filled_past_many_equal_vectors(name, ragged):
    vectors = np.repeat(VECTORS[:4], 500, axis=0)
    index = build_index(vectors, ENGINES[name])
    check_lists(index.search(QUERIES[:2], 600, None), name, [range(2000)] * 2, 600, vectors)
    seen = ragged([range(300), range(1000, 1300)])
    left = [set(range(2000)) - set(seen[row].tolist()) for row in range(2)]
    check_lists(index.search(QUERIES[:2], 600, seen), name, left, 600, vectors)


@each_engine
def test_without_tracks_or_without_length_lists_are_empty(name, tmp_path, ragged):
    empty = build_index(VECTORS[:0], ENGINES[name])
    save_index(empty, tmp_path)
    for index in (empty, load_index(tmp_path)):
        assert len(index) == 0
        assert index.search(QUERIES[:2], 3, None).tracks.tolist() == [[NOTHING] * 3] * 2
        assert index.search(QUERIES[:1], 3, ragged([[5]]), np.array([1])).tracks.tolist() == [[NOTHING] * 3]
    assert whole_index(name).search(QUERIES[:2], 0, None).tracks.shape == (2, 0)
    assert whole_index(name).search(QUERIES[:2], 0, ragged([[1], []])).tracks.shape == (2, 0)


@each_engine
def test_deleted_tracks_whose_file_is_missing_do_not_come_back(name, tmp_path):
    index = build_index(VECTORS[:300], ENGINES[name])
    index.delete(np.array([3, 4]))
    save_index(index, tmp_path)
    file = tmp_path / f"{index_file(ENGINES[name])}.deleted.npy"
    np.save(file, np.array([5, 6]))
    for _ in range(2):  # those of another index, and none
        with pytest.raises(ArtifactError, match="deleted tracks"):
            load_index(tmp_path)
        file.unlink(missing_ok=True)


@each_engine
def test_short_and_empty_lists_end_in_nothing(name, ragged):
    index = build_index(VECTORS[:50], ENGINES[name])
    check_lists(index.search(QUERIES[:1], 60, None), name, [range(50)], 60)
    check_lists(index.search(QUERIES[:2], 4, ragged([range(2, 50), range(50)])), name, [[0, 1], []], 4)
    assert index.search(QUERIES[:0], 4, ragged([])).tracks.shape == (0, 4)
    assert index.search(QUERIES[:0], 4, None).tracks.shape == (0, 4)


@each_engine
def test_an_index_of_one_track_finds_it(name):
    found = build_index(VECTORS[:1], ENGINES[name]).search(QUERIES[:1], 3, None)
    assert found.tracks.tolist() == [[0, NOTHING, NOTHING]]


@each_engine
def test_what_is_added_and_deleted_is_seen_also_after_reading_it_back(name, tmp_path, ragged):
    index = build_index(VECTORS[:2000], ENGINES[name])
    save_index(index, tmp_path)
    before = (tmp_path / index_file(index.settings)).read_bytes()
    index = load_index(tmp_path)
    index.add(VECTORS[2000:])
    gone = np.unique(np.concatenate([ORDER[:, :3].ravel(), [N - 1]]))  # the last one: its place stays taken
    index.delete(gone)
    index.delete(np.append(gone, 5 * N))
    assert len(index) == N - len(gone)
    assert (tmp_path / index_file(index.settings)).read_bytes() == before
    (tmp_path / "later").mkdir()
    save_index(index, tmp_path / "later")
    left = [set(range(N)) - set(gone.tolist())] * len(QUERIES)
    for now in (index, load_index(tmp_path / "later")):
        assert len(now) == N - len(gone)
        found = now.search(QUERIES, K, None)
        check_lists(found, name, left)
        assert recall(found, name, left) >= 0.9
        few = np.append(gone, ORDER[0, -1])
        check_lists(now.search(QUERIES[:1], K, None, few), name, [{ORDER[0, -1]} - set(gone.tolist())])
        check_lists(now.search(QUERIES[:1], K, ragged([gone]), None), name, left[:1])
    now.add(VECTORS[:1])
    again = now.search(VECTORS[:1], 2, None, np.array([0, N]))
    assert set(again.tracks[0].tolist()) == {0, N} - set(gone.tolist()) | ({NOTHING} if 0 in gone else set())


@each_engine
def test_an_index_read_back_gives_the_same_answers(name, tmp_path, ragged):
    index = whole_index(name)
    save_index(index, tmp_path)
    loaded = load_index(tmp_path)
    assert (loaded.kind, len(loaded), loaded.settings) == (index.kind, N, index.settings)
    played = ragged([ORDER[row, :300] for row in range(len(QUERIES))])
    for exclude, only in ((None, None), (played, None), (None, np.arange(30))):
        before, after = (kind.search(QUERIES, K, exclude, only) for kind in (index, loaded))
        assert after.tracks.tolist() == before.tracks.tolist()
        np.testing.assert_allclose(after.scores, before.scores, atol=1e-6)


@each_engine
@pytest.mark.parametrize("damage", ["missing", "empty", "cut at the start", "cut at the end", "garbage"])
def test_a_damaged_index_ends_in_a_sentence(name, damage, tmp_path):
    save_index(whole_index(name), tmp_path)
    path = tmp_path / index_file(ENGINES[name])
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        left = {"empty": b"", "cut at the start": whole[:30], "garbage": b"x" * 1000}
        path.write_bytes(left.get(damage, whole[: len(whole) // 2]))
    with pytest.raises(ArtifactError, match="build it again"):
        load_index(tmp_path)


@each_engine
def test_a_folder_whose_writer_was_killed_loads_whole_or_ends_in_a_sentence(name, tmp_path):
    whole = whole_index(name).search(QUERIES, K, None).tracks.tolist()
    ends = set()
    for moment in (1, 3, 6):
        folder = tmp_path / str(moment)
        folder.mkdir()
        save_index(whole_index(name), folder)
        with TemporaryDirectory(prefix="loopback-killed-") as left_behind:
            Path(left_behind).chmod(0o755)  # PostgreSQL does not run as root
            command, environment = [sys.executable, WRITER, folder, str(moment)], os.environ | {"TMPDIR": left_behind}
            writer = subprocess.run(command, capture_output=True, env=environment)
            for server in Path(left_behind).rglob("postmaster.pid"):
                os.kill(int(server.read_text().split()[0]), signal.SIGQUIT)
        assert writer.returncode in (0, -signal.SIGKILL), writer.stderr.decode()
        ends.add(writer.returncode)
        try:
            index = load_index(folder)
        except ArtifactError as error:
            assert "build it again" in str(error)
        else:
            assert index.search(QUERIES, K, None).tracks.tolist() == whole or len(index) == N - 1
    assert -signal.SIGKILL in ends


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_ends_in_a_sentence_that_installs_it(name, monkeypatch):
    importing = builtins.__import__

    def without_libraries(module, *arguments):
        if module.partition(".")[0] in LIBRARIES[name]:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return importing(module, *arguments)

    monkeypatch.delitem(sys.modules, f"loopback_core.retrieval.indexes.{name}_engine", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_libraries)
    with pytest.raises(SettingsError, match=rf'not installed \(.+\): pip install "loopback\[{name}\]"'):
        build_index(VECTORS, IndexSettings(kind=name))


def test_a_precision_that_an_engine_does_not_have_is_refused():
    with pytest.raises(ValueError, match="storage is 'int8', but kind 'voyager' keeps fp32"):
        IndexSettings(kind="voyager", storage="int8")
