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
        "Low Tide (Live)",
        "Low Tide (Live_2009_4_15)",
        "Low Tide [Extended Mix]",
        "Low Tide - 2011 Remaster",
        "Low Tide - Remastered 2009 - Live",
        "Low Tide - Single Version - Remastered 2011",
        "Low Tide – Radio Edit",
        "Low Tide ~ Piano Version",
        "Low Tide (2005 Reworked)",
        "Low Tide (Somebody's Lo-Fi Remix)",
        "Low Tide - Live in Stratford-upon-Avon",
        "Low Tide feat. Somebody",
        "Low Tide (feat. Somebody) [Remix]",
        "Low Tide (with Somebody)",
        "Lów  Tíde!",
    ],
)
def test_versions_of_a_title_share_it(version):
    assert work_title(pl.Series([version])).to_list() == ["low tide"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Low Tide", "Low Tide, Part 2"),
        ("Low Tide", "Low Tide (Delivery)"),
        ("Low Tide", "Low Tide - Dawn"),
        ("Tide", "Live Tide"),
        ("01 - Live Wire", "01 - Take It Easy"),
        ("Low Tide - Live Wire", "Low Tide - Cover You In Oil"),
        ("D Block - Bonus Track 1", "D Block - Bonus Track 2"),
        ("Tide (Parts I-V, Live)", "Tide (Parts VI-IX, Live)"),
        ("Interlude (Live Your Life)", "Interlude (Take Me Home)"),
        ("6 Ft Deep", "6 Ft Under"),
        ("Somebody Feat. 112 / Sky's The Limit", "Somebody Feat. 112 / Dead Wrong"),
        ("दिल", "दाल"),
        ("カラス", "ガラス"),
        ("мой", "мои"),
    ],
)
def test_other_titles_do_not(one, other):
    titles = work_title(pl.Series([one, other])).to_list()
    assert titles[0] != titles[1]


@pytest.mark.parametrize("title", ["(Remix)", "!!!", "[Live]", "愛", "Мир", ""])
def test_a_title_of_which_nothing_would_be_left_stays(title):
    assert work_title(pl.Series([title])).to_list() == [title.lower()]


def test_a_work_is_of_one_artist():
    titles = pl.Series(["Low Tide", "Low Tide (Live)", "Low Tide", "High Tide"])
    works = works_of(titles, np.array([0, 0, 1, 0], np.int32))
    assert works[0] == works[1]
    assert len({works[0], works[2], works[3]}) == 3


def test_no_tracks_have_no_works():
    assert works_of(pl.Series([], dtype=pl.String), np.zeros(0, np.int32)).tolist() == []
