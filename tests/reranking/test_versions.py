import numpy as np
import polars as pl
import pytest

from loopback_core.reranking.versions import work_title, works_of


@pytest.mark.parametrize(
    "version",
    [
        "Low Tide",
        "low tide",
        "Low Tide (Live at the Pier, 1999)",
        "Low Tide [Extended Mix]",
        "Low Tide - 2011 Remaster",
        "Low Tide – Radio Edit",
        "Low Tide feat. Somebody",
        "Low Tide (feat. Somebody) [Remix]",
        "Lów  Tíde!",
    ],
)
def test_versions_of_a_title_share_it(version):
    assert work_title(pl.Series([version])).to_list() == ["low tide"]


@pytest.mark.parametrize(
    "other", ["Low Tide, Part 2", "Low Tide (Delivery)", "Low Tide - Dawn", "Tide", "Low Tides", "Live Tide"]
)
def test_other_titles_do_not(other):
    assert work_title(pl.Series([other])).to_list() != ["low tide"]


@pytest.mark.parametrize("title", ["(Remix)", "!!!", "[Live]", "愛", "Мир"])
def test_a_title_of_which_nothing_would_be_left_stays(title):
    assert work_title(pl.Series([title])).to_list() == [title.lower()]


def test_a_work_is_of_one_artist():
    titles = pl.Series(["Low Tide", "Low Tide (Live)", "Low Tide", "High Tide"])
    works = works_of(titles, np.array([0, 0, 1, 0], np.int32))
    assert works[0] == works[1]
    assert len({works[0], works[2], works[3]}) == 3


def test_no_tracks_have_no_works():
    assert works_of(pl.Series([], dtype=pl.String), np.zeros(0, np.int32)).tolist() == []
