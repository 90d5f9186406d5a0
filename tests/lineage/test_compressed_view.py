"""Vectors as centroids and coded residuals."""

import numpy as np
import pytest

from loopback_core.errors import SettingsError
from loopback_core.lineage.compressed_view import CompressedView
from loopback_core.lineage.track_views import View


@pytest.fixture(scope="module")
def view():
    """400 tracks around 8 directions; each two share a vector."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(8, 16))[np.arange(200) % 8] + 0.5 * rng.normal(size=(200, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return View(vectors.astype(np.float32), (np.arange(400) // 2).astype(np.int32))


def test_fewer_bits_take_less_room_and_are_less_like_the_vectors(view):
    made = [CompressedView.of(view, bits) for bits in (4, 2, 1)]
    assert [one.codes.shape[1] for one in made] == [9, 5, 3]  # one byte names the centroid
    errors = [np.linalg.norm(one.vectors - view.vectors, axis=1).mean() for one in made]
    assert errors[0] < 0.1 < errors[1] < errors[2] < 0.7
    assert np.allclose(np.linalg.norm(made[2].vectors, axis=1), 1, atol=1e-5)


def test_products_are_those_of_the_decoded_vectors_whatever_else_is_asked_for(view):
    coded = CompressedView.of(view, 2)
    users = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    tracks = np.array([399, 0, 7, 6])
    products = coded.products(users, tracks)
    assert np.allclose(products, users @ coded.vectors[coded.row[tracks]].T, atol=1e-5)
    assert np.array_equal(products[:, 2], products[:, 3])  # of one artist
    assert np.array_equal(coded.products(users, np.arange(400))[:, tracks], products)


def test_it_is_read_as_it_was_written(view, tmp_path):
    coded = CompressedView.of(view, 1)
    coded.save(tmp_path, 1)
    read = CompressedView.load(tmp_path, 1, is_shared=True)
    assert np.array_equal(read.vectors, coded.vectors) and np.array_equal(read.row, coded.row)
    assert read.n_bytes == 200 * 3 + 400 * 4


def test_a_catalog_of_one_track_is_coded(view):
    one = CompressedView.of(View(view.vectors[:1]), 4)
    assert np.allclose(one.vectors, view.vectors[:1], atol=1e-5)


def test_dimensions_that_cannot_be_coded_together_are_a_sentence(view):
    with pytest.raises(SettingsError, match=r"residual_bits = 1 codes 4 dimensions together: .* which is 6"):
        CompressedView.of(View(np.ascontiguousarray(view.vectors[:, :6])), 1)
