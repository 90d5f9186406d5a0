import numpy as np

from loopback_core.retrieval.products import products_with


def test_products_are_those_of_the_chosen_rows(unit_vectors, tmp_path):
    vectors, user = unit_vectors(50, 8), unit_vectors(1, 8, seed=1)[0]
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    tracks = np.array([7, 0, 7, 49])
    for rows in (vectors, mapped):
        np.testing.assert_allclose(products_with(rows, tracks, user), vectors[tracks] @ user, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        products_with(vectors, tracks, np.repeat(user, 2)[::2]), vectors[tracks] @ user, rtol=1e-5
    )
    assert len(products_with(vectors, tracks[:0], user)) == 0
