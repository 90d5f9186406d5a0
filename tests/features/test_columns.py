import numpy as np
import polars as pl
import pytest

from loopback_core.errors import SettingsError
from loopback_core.features.columns import read_columns

NAMES = pl.DataFrame({"artist_name": ["Low", "Can", "Low"], "track_name": ["Words", "Vitamin C", "Lullaby"]})


def written(tmp_path, **columns):
    path = tmp_path / "features.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_a_row_goes_to_the_track_of_its_name_and_what_is_not_there_is_nan(tmp_path):
    path = written(
        tmp_path, track_name=["Lullaby", "Words", "Unheard"], artist_name=["Low", "Low", "Nobody"],
        tempo=[80, None, 3], mood=[[0.5, 1.5], [2.5, float("inf")], [0.0, 0.0]], label=["a", "b", "c"],
    )  # fmt: skip
    expected = [[np.nan, 2.5, np.nan], [np.nan, np.nan, np.nan], [80, 0.5, 1.5]]
    np.testing.assert_array_equal(read_columns(path, NAMES), np.array(expected, np.float32))


@pytest.mark.parametrize("kind", [pl.List(pl.Float32), pl.Array(pl.Float32, 2)])
def test_a_list_that_is_missing_is_unknown_in_all_its_places(tmp_path, kind):
    path = written(
        tmp_path, artist_name=["Low", "Can"], track_name=["Words", "Vitamin C"],
        mood=pl.Series([[0.5, 1.5], None], dtype=kind), mood_0=[3, 4],
    )  # fmt: skip
    expected = [[0.5, 1.5, 3], [np.nan, np.nan, 4], [np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(read_columns(path, NAMES), np.array(expected, np.float32))


def test_tracks_are_found_by_names_that_are_kept_as_categories_or_as_numbers(tmp_path):
    path = written(
        tmp_path, artist_name=pl.Series(["Prince"], dtype=pl.Categorical), track_name=[1999], tempo=[118.0]
    )  # fmt: skip
    names = pl.DataFrame({"artist_name": ["Prince"], "track_name": ["1999"]})
    assert read_columns(path, names).tolist() == [[118.0]]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"track_name": ["a"], "x": [1.0]}, "has no column artist_name; it names the tracks"),
        ({"x": [1.0]}, "has no column artist_name and no track_name"),
        ({"artist_name": ["Low"], "track_name": ["a"], "label": ["b"]}, "has no column of numbers"),
        ({"artist_name": ["Low"], "track_name": ["a"], "x": [None]}, "has no column of numbers"),
        ({"artist_name": ["Low"] * 2, "track_name": ["a"] * 2, "x": [1, 2]}, "has 'a' by 'Low' twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_is_wrong(tmp_path, columns, sentence):
    with pytest.raises(SettingsError, match=sentence):
        read_columns(written(tmp_path, **columns), NAMES)


def test_a_file_that_is_missing_or_no_parquet_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="there is no file"):
        read_columns(tmp_path / "none.parquet", NAMES)
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(SettingsError, match="cannot be read as Parquet"):
        read_columns(tmp_path / "text.parquet", NAMES)
