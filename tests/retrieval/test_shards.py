import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from loopback_core.errors import RoomError
from loopback_core.retrieval.indexes import build_index, build_index_in_shards, faiss_engine, faiss_shards, index_file
from loopback_core.retrieval.shards import Shard, make_shards, shards_of
from loopback_core.retrieval.vectors import VECTORS, join_vectors, load_vectors
from loopback_core.settings import IndexSettings, IvfSettings, ShardSettings

N = 1000

BY_300 = ShardSettings(tracks=300)

KINDS = {
    "flat": IndexSettings(kind="flat", shards=BY_300),
    "flat int8": IndexSettings(kind="flat", storage="int8", shards=BY_300),
    "ivf": IndexSettings(kind="ivf", ivf=IvfSettings(probes=4), shards=BY_300),
    "pq int8": IndexSettings(kind="pq", ivf=IvfSettings(probes=4), storage="int8", shards=BY_300),
    "ivf_hnsw int8": IndexSettings(kind="ivf_hnsw", ivf=IvfSettings(probes=4), storage="int8", shards=BY_300),
    "pq_hnsw int8": IndexSettings(kind="pq_hnsw", ivf=IvfSettings(probes=4), storage="int8", shards=BY_300),
}


@pytest.fixture
def opened(unit_vectors, tmp_path):
    """Opens vectors in which every track has 9 twins, of which most lie in other shards."""
    np.save(tmp_path / "vectors.npy", np.tile(unit_vectors(N // 10, 16), (10, 1)))
    return partial(np.load, tmp_path / "vectors.npy", mmap_mode="r")


def write_numbers(shard: Shard, path: Path) -> None:
    path.write_text(f"{shard.start} {shard.stop} {os.getpid()}")


def end_the_process(shard: Shard, path: Path) -> None:
    if shard.number == 1:
        os._exit(1)
    write_numbers(shard, path)


def test_shards_cover_every_track_once():
    assert [(shard.number, shard.start, shard.stop) for shard in shards_of(7, 3)] == [(0, 0, 3), (1, 3, 6), (2, 6, 7)]
    assert [(shard.start, shard.stop) for shard in shards_of(6, 3)] == [(0, 3), (3, 6)]
    assert [(shard.start, shard.stop) for shard in shards_of(0, 3)] == [(0, 0)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_of_shards_gives_bit_for_bit_what_one_index_gives_also_of_ties(
    opened, unit_vectors, ragged, monkeypatch, tmp_path, kind
):
    monkeypatch.setattr(faiss_engine, "MAPPED_FROM", 0)
    settings = KINDS[kind]
    whole, (sharded, _) = (build_index(opened(), settings), build_index_in_shards(opened, settings, tmp_path))
    assert (sharded.kind, len(sharded)) == (whole.kind, N)
    queries = unit_vectors(8, 16, seed=1)
    exclude = ragged([range(row, 900, 3) for row in range(8)])
    for left_out, only in ((None, None), (exclude, None), (None, np.arange(250, 650)), (exclude, np.arange(250, 650))):
        for k in (1, 15, 200):
            one, joined = (index.search(queries, k, left_out, only) for index in (whole, sharded))
            assert joined.tracks.tolist() == one.tracks.tolist()
            assert joined.scores.tolist() == one.scores.tolist()
    for name, index in (("whole", whole), ("joined", sharded)):
        index.save(tmp_path / name)
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_build_that_was_killed_goes_on_with_the_shards_that_are_complete(opened, monkeypatch, tmp_path):
    folder, made = tmp_path / "shards", []
    folder.mkdir()
    index_shard = faiss_shards._index_shard

    def killed_in_the_third(*arguments):
        shard = arguments[3]
        if shard.number == 2 and not made.count(2):
            made.append(2)
            raise KeyboardInterrupt
        made.append(shard.number)
        index_shard(*arguments)

    monkeypatch.setattr(faiss_shards, "_index_shard", killed_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        build_index_in_shards(opened, KINDS["ivf"], folder)
    index, _ = build_index_in_shards(opened, KINDS["ivf"], folder)
    assert made == [0, 1, 2, 2, 3]
    assert list(folder.iterdir()) == []
    index.save(tmp_path / "joined")
    build_index(opened(), KINDS["ivf"]).save(tmp_path / "whole")
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("damaged", ["trained-00000-of-00001", "index-00001-of-00004"])
@pytest.mark.parametrize("left", [b"", b"x" * 1000])
def test_what_was_damaged_of_a_build_that_was_killed_is_made_again(opened, monkeypatch, tmp_path, damaged, left):
    folder = tmp_path / "shards"
    folder.mkdir()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(faiss_shards, "_join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        build_index_in_shards(opened, KINDS["ivf"], folder)
    (folder / damaged).write_bytes(left)
    index, _ = build_index_in_shards(opened, KINDS["ivf"], folder)
    index.save(tmp_path / "joined")
    build_index(opened(), KINDS["ivf"]).save(tmp_path / "whole")
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()
    assert list(folder.iterdir()) == []


def test_shards_of_other_ranges_or_of_something_else_are_made_again(tmp_path):
    make_shards(write_numbers, shards_of(6, 3), tmp_path, "numbers", 1, "a")
    [first, _] = make_shards(write_numbers, shards_of(6, 4), tmp_path, "numbers", 1, "a")
    assert first.read_text().split()[:2] == ["0", "4"]
    first.write_text("kept")
    make_shards(write_numbers, shards_of(6, 4), tmp_path, "numbers", 1, "a")
    assert first.read_text() != "kept"
    before = first.stat().st_ino
    make_shards(write_numbers, shards_of(6, 4), tmp_path, "numbers", 1, "a")
    assert first.stat().st_ino == before
    make_shards(write_numbers, shards_of(6, 4), tmp_path, "numbers", 1, "b")
    assert first.stat().st_ino != before


def test_several_processes_make_what_one_makes(opened, tmp_path):
    settings = KINDS["ivf_hnsw int8"].model_copy(update={"shards": ShardSettings(tracks=500, processes=2)})
    index, _ = build_index_in_shards(opened, settings, tmp_path)
    index.save(tmp_path / "joined")
    build_index(opened(), settings).save(tmp_path / "whole")
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_process_that_is_ended_leaves_the_complete_shards_and_a_sentence(tmp_path):
    shards = shards_of(4, 2)
    with pytest.raises(RoomError, match=r"lower index\.shards\.processes"):
        make_shards(end_the_process, shards, tmp_path, "numbers", 2)
    assert not (tmp_path / "numbers-00001-of-00002").exists()
    paths = make_shards(write_numbers, shards, tmp_path, "numbers", 2)
    assert [path.read_text().split()[:2] for path in paths] == [["0", "2"], ["2", "4"]]


def test_vectors_of_shards_are_joined_to_the_file_of_one_array(unit_vectors, tmp_path):
    vectors = unit_vectors(7, 3)
    np.save(tmp_path / "whole.npy", vectors)
    parts = [tmp_path / "first", tmp_path / "second"]
    for part, rows in zip(parts, (vectors[:4], vectors[4:]), strict=True):
        with part.open("wb") as file:
            np.save(file, rows)
    join_vectors(parts, tmp_path)
    assert (tmp_path / VECTORS).read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert np.array_equal(load_vectors(tmp_path), vectors)


def test_a_kind_that_cannot_be_joined_is_built_whole(opened, tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    index, _ = build_index_in_shards(opened, IndexSettings(kind="hnsw", shards=BY_300), folder)
    assert (index.kind, len(index), list(folder.iterdir())) == ("hnsw", N, [])


def test_settings_name_the_file_of_an_index_of_any_kind():
    assert {index_file(settings) for settings in KINDS.values()} == {"tracks.faiss"}
