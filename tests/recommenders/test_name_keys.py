import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopback_core.errors import RequestError
from loopback_core.listens.log_rules import normal_form
from loopback_core.recommenders.name_keys import NameKeys

NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \t\n\v\x1c\x85\u00a0é\u0301"), max_size=6)
)


def keys_of(artists, titles):
    rows = {"artist": np.arange(len(artists), dtype=np.int32), "artist_name": artists, "track_name": titles}
    return NameKeys.of(pl.DataFrame(rows, {"artist": pl.Int32, "artist_name": pl.String, "track_name": pl.String}))


@settings(deadline=None)  # the first names load polars' expressions
@given(NAMES)
def test_names_are_found_by_the_normal_form_of_the_ingest_ascii_or_not(names):
    normal = normal_form(pl.Series(names, dtype=pl.String)).to_list()
    distinct = list(dict.fromkeys(normal))
    keys = keys_of(distinct, ["a"] * len(distinct))
    tracks, artists = keys.find(names, [" a"] * len(names))
    assert tracks.tolist() == [distinct.index(name) for name in normal]
    assert [id_ for id_, name in zip(artists.tolist(), normal, strict=True) if name] == [
        distinct.index(name) for name in normal if name
    ]
    assert keys.find_tracks(names, ["a"] * len(names)).tolist() == tracks.tolist()
    assert keys.find_artists(names).tolist() == artists.tolist()


@pytest.mark.parametrize("wrong", [7, b"x", "\ud800"])
def test_what_is_no_text_is_refused(wrong):
    keys = keys_of(["x"], ["y"])
    assert keys.find_artists([None, "x"]).tolist() == [-1, 0]
    with pytest.raises(RequestError, match="names are strings of Unicode"):
        keys.find([wrong], ["y"])
