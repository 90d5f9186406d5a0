import numpy as np
import polars as pl
import pytest

from loopback_core.data.names import Names, TrackNames

BUCKETS = 1 << 20


def trigrams(*names):
    made = Names.of(pl.Series(names, dtype=pl.String))
    return made.trigrams(np.arange(len(names)), BUCKETS)


def test_a_name_has_a_trigram_for_each_of_its_letters():
    found = trigrams("abba", "a", "", None, "Ænima")
    assert found.lengths.tolist() == [4, 1, 0, 0, 5]  # with both marks n + 2 letters, so n trigrams
    assert (found.values >= 0).all()
    assert (found.values < BUCKETS).all()


def test_names_share_the_trigrams_that_they_share_wherever_these_stand():
    found = trigrams("low", "Low", "slow", "lows")
    low, same, slow, lows = (set(found[row].tolist()) for row in range(4))
    assert low == same  # case does not matter
    assert len(low & slow) == 2  # "low" and "ow" with the mark at the end, not "lo" with that at the beginning
    assert len(low & lows) == 2


def test_the_buckets_are_the_same_on_every_machine():
    assert trigrams("low").values.tolist() == EXPECTED


EXPECTED = [943062, 100981, 133923]


def test_a_name_that_is_not_there_has_no_trigrams():
    made = Names.of(pl.Series(["abc", "de"]))
    assert made.trigrams(np.array([-1, 1, 2]), BUCKETS).lengths.tolist() == [0, 2, 0]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_titles_go_by_track_and_artist_names_by_artist(order):
    frame = pl.DataFrame({"artist": [3, 0, 3], "artist_name": ["Low", "Can", "Low"], "track_name": ["x", "yy", "zzz"]})
    names = TrackNames(lambda: frame)
    assert names.titles.trigrams(np.array(order), 9).lengths.tolist() == [[1, 2, 3][track] for track in order]
    assert names.artists.trigrams(np.arange(4), 9).lengths.tolist() == [3, 0, 0, 3]  # artists 1 and 2 have no track
    can = Names.of(pl.Series(["Can"])).trigrams(np.array([0]), BUCKETS).values
    assert np.array_equal(names.artists.trigrams(np.array([0]), BUCKETS).values, can)
