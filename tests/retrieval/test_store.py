import numpy as np
import pytest

from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes import SETTINGS_FILE, build_index, load_index, save_index
from loopback_core.retrieval.vectors import VECTORS, load_vectors, save_vectors
from loopback_core.settings import IndexSettings, IvfSettings


def test_vectors_are_read_back_bit_for_bit_and_cannot_be_written_to(unit_vectors, tmp_path):
    vectors = unit_vectors(30, 8)
    save_vectors(vectors, tmp_path)
    loaded = load_vectors(tmp_path)
    assert np.array_equal(loaded, vectors)
    with pytest.raises(ValueError, match="read-only"):
        loaded[0, 0] = 1


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "pickle"])
def test_missing_or_damaged_vectors_end_in_a_sentence(unit_vectors, tmp_path, damage):
    save_vectors(unit_vectors(30, 8), tmp_path)
    path = tmp_path / VECTORS
    content = path.read_bytes()
    path.unlink()
    if damage == "pickle":
        np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    elif damage != "missing":
        path.write_bytes(content[:500] if damage == "cut" else b"")
    with pytest.raises(ArtifactError, match="build them again"):
        load_vectors(tmp_path)


def test_an_index_is_searched_with_the_settings_it_was_built_with(unit_vectors, tmp_path):
    settings = IndexSettings(kind="ivf", ivf=IvfSettings(probes=3))
    save_index(build_index(unit_vectors(400, 8), settings), tmp_path)
    index = load_index(tmp_path)
    assert (index.kind, index.settings) == ("ivf", settings)


@pytest.mark.parametrize("content", [None, "{", '{"kind": "octree"}'])
def test_missing_or_damaged_settings_of_an_index_end_in_a_sentence(unit_vectors, tmp_path, content):
    save_index(build_index(unit_vectors(40, 8), IndexSettings(kind="flat")), tmp_path)
    (tmp_path / SETTINGS_FILE).unlink()
    if content is not None:
        (tmp_path / SETTINGS_FILE).write_text(content)
    with pytest.raises(ArtifactError, match="build it again"):
        load_index(tmp_path)
