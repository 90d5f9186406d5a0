from pathlib import Path

import polars as pl
import pytest

from loopback_core.data import distinct_tracks as module
from loopback_core.data.distinct_tracks import distinct_tracks

LISTENS = [
    ("Air", "Mer", None, None),
    ("Can", "Mer", "t-3", None),
    ("Air", "Mer", "t-2", "a-1"),
    ("Air", "Home", None, "a-1"),
    ("Air", "Mer", "t-1", None),
    ("Can", "Mer", None, "a-9"),
    ("Can", "Mer", "t-4", "a-8"),
]


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_each_track_comes_once_with_its_least_ids_however_many_listens_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(module, "NAMED_AT_ONCE", rows)
    names = ["artist_name", "track_name", "track_mbid", "artist_mbid"]
    schema = dict.fromkeys(names, pl.String)
    pl.DataFrame(LISTENS, schema, orient="row").write_parquet(tmp_path / "interactions.parquet")
    tracks = distinct_tracks(tmp_path / "interactions.parquet")
    assert tracks.columns == names
    assert tracks.sort(*names[:2]).rows() == [
        ("Air", "Home", None, "a-1"),
        ("Air", "Mer", "t-1", "a-1"),
        ("Can", "Mer", "t-3", "a-8"),
    ]
