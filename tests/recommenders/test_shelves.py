from types import SimpleNamespace

import numpy as np
import pytest

from loopback_core.data import Ragged
from loopback_core.recommenders.baselines.shelves import Shelves
from loopback_core.retrieval.top_k import rank_rows, tie_order, top_k


def catalog_of(rng, n_tracks, n_artists):
    """Artists of very different sizes; the last one has no track."""
    artist = (n_artists - 1) * rng.random(n_tracks) ** 3
    return SimpleNamespace(artist=artist.astype(np.int32), n_artists=n_artists)


@pytest.mark.parametrize("k", [1, 10, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [2, 50], ids=["many ties", "some ties"])
def test_lists_are_those_that_scoring_every_track_gives(k, dtype, levels):
    rng = np.random.default_rng(k + levels)
    catalog = catalog_of(rng, 3000, 150)
    counts = rng.integers(1, levels, 3000, endpoint=True)
    rows = (rng.integers(0, levels, (6, 150)) / levels).astype(dtype)
    rows[0] = 0  # nothing to say
    rows[1, 20:] = 0
    heard = [np.flatnonzero(rng.random(3000) < share) for share in (0.1, 0.5, 0, 0.3, 0.99, 0.05)]
    heard[5] = np.append(np.flatnonzero(counts == counts.max()), 7777)  # the best of every artist; 7777 is no track
    exclude = Ragged(np.cumsum([0, *map(len, heard)]), np.concatenate(heard))

    worth = np.arange(levels + 1, dtype=dtype) ** 0.5
    every = rows[:, catalog.artist] * worth[counts]
    expected = top_k(np.where(every > 0, every, -np.inf), k, tie_order(3000, 0), exclude)
    shelves = Shelves(catalog, counts)
    for _ in range(2):  # what was excluded for one user is not for the next
        contenders = shelves.contenders(iter(rows), 0.5, k, exclude, dtype)
        found = rank_rows(contenders, len(rows), k, tie_order(3000, 0), exclude)
        assert found.tracks.tolist() == expected.tracks.tolist()
        assert found.scores.tolist() == expected.scores.tolist()
    unfiltered = rank_rows(shelves.contenders(rows, 0.5, k, None, dtype), len(rows), k, tie_order(3000, 0))
    assert (
        unfiltered.tracks.tolist() == top_k(np.where(every > 0, every, -np.inf), k, tie_order(3000, 0)).tracks.tolist()
    )


def test_few_tracks_contend_for_a_short_list():
    rng = np.random.default_rng(0)
    catalog = catalog_of(rng, 20_000, 400)
    shelves = Shelves(catalog, rng.integers(1, 10_000, 20_000))
    [(tracks, _)] = shelves.contenders([rng.random(400)], 1.0, 10, None)
    assert 10 <= len(tracks) < 200
