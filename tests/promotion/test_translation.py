import numpy as np
import polars as pl
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.data import NOTHING, Histories, Ragged
from loopback_core.promotion.translation import Translation
from loopback_core.recommenders.bundle import Bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    of = planted_evaluated(tmp_path_factory.mktemp("artifacts"))
    return Bundle.load(of.splits, of.towers, of.ranker, of.vectors, of.index)


@pytest.fixture(scope="module")
def catalog_names(bundle):
    return bundle.track_names.rows()


@pytest.fixture(scope="module")
def translation(bundle, catalog_names):
    """A log of five tracks: 0 is track 7 of the bundle, 1 is new by a known artist, 2 is track 3, 3 is unknown, 4 is track 0."""
    known_artist = catalog_names[5][0]
    rows = [catalog_names[7], (known_artist, "new"), catalog_names[3], ("nobody", "new"), catalog_names[0]]
    names = pl.DataFrame(rows, schema=["artist_name", "track_name"], orient="row")
    return Translation.between(names, bundle)


def test_ids_go_to_the_bundle_by_name_and_back(translation, bundle):
    artist = int(bundle.catalog.artist[5])
    assert translation.listen.tolist() == [7, bundle.catalog.n_tracks + artist, 3, -1, 0]
    recommended = np.array([[0, 3, 7], [1, 7, NOTHING]])
    assert translation.to_log(recommended).tolist() == [[4, 2, 0], [NOTHING, 0, NOTHING]]


def test_histories_keep_order_times_and_moments_and_lose_what_the_bundle_does_not_know(translation, bundle):
    listens = Ragged(np.array([0, 3, 4, 4]), np.array([2, 3, 1, 3]))
    histories = Histories(np.array([4, 5, 9]), listens, np.array([10, 20, 30, 40]), np.array([50, 60, 70]))
    told = translation.histories(histories, has_profiles=False)
    artist = bundle.catalog.n_tracks + int(bundle.catalog.artist[5])
    assert [told.tracks[row].tolist() for row in range(3)] == [[3, artist], [], []]
    assert told.timestamps.tolist() == [10, 30] and told.now.tolist() == [50, 60, 70]
    assert told.users.tolist() == [-1, -1, -1] and told.demographics is None
    assert translation.histories(histories, has_profiles=True).demographics.tolist() == [[0, 0, 0]] * 3


def test_excluded_are_the_tracks_that_the_bundle_knows_each_once(translation):
    excluded = translation.exclude(Ragged(np.array([0, 4, 4, 6]), np.array([4, 0, 1, 3, 2, 2])))
    assert [excluded[row].tolist() for row in range(3)] == [[0, 7], [], [3]]
