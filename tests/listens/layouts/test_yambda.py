"""Yambda: ids as names, times from a day that is taken for the first one."""

from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.log_rules import RAW_COLUMNS
from loopback_core.listens.reading import read_rows
from loopback_core.settings import SourceSettings

LISTENS = pl.DataFrame(
    {
        "uid": [100, 100, 200],
        "timestamp": [0, 39_420, 25_823_600],
        "item_id": [7, 8, 7],
        "is_organic": [1, 0, 1],
        "played_ratio_pct": [100, 10, 16],
        "track_length_seconds": [200, 200, 190],
    },
    schema_overrides={"uid": pl.UInt32, "timestamp": pl.UInt32, "item_id": pl.UInt32, "played_ratio_pct": pl.UInt16},
)


def read(path: Path, **source: object) -> pl.DataFrame:
    return pl.concat(read_rows(path, SourceSettings.model_validate(source), lambda _: None))


def test_a_listen_of_yambda_is_user_track_and_seconds_from_the_first_day(tmp_path):
    LISTENS.write_parquet(tmp_path / "listens.parquet")
    assert read(tmp_path / "listens.parquet").select(*RAW_COLUMNS, "problem").rows() == [
        ("100", "2000-01-01T00:00:00Z", None, "7", None, "7", None),
        ("100", "2000-01-01T10:57:00Z", None, "8", None, "8", "played too short"),
        ("200", "2000-10-25T21:13:20Z", None, "7", None, "7", None),
    ]


def test_among_other_events_only_listens_are_read(tmp_path):
    events = LISTENS.with_columns(pl.Series("event_type", ["listen", "like", "unlike"], pl.Categorical))
    events.write_parquet(tmp_path / "multi_event.parquet")
    assert read(tmp_path / "multi_event.parquet")["problem"].to_list() == [None, "not a listen", "not a listen"]


@pytest.mark.parametrize("least", [0, 20])
def test_the_least_duration_is_a_setting(tmp_path, least):
    LISTENS.write_parquet(tmp_path / "listens.parquet")
    assert read(tmp_path / "listens.parquet", least_seconds_played=least)["problem"].to_list() == [None, None, None]


def test_a_mapping_of_the_user_comes_first(tmp_path):
    LISTENS.write_parquet(tmp_path / "listens.parquet")
    columns = {"user_id": "item_id", "track_name": "uid", "artist_name": "uid", "timestamp": "timestamp"}
    rows = read(tmp_path / "listens.parquet", columns=columns, time_format="epoch_seconds")
    assert rows.select("user_id", "timestamp").row(1) == ("8", "39420")


def test_a_time_format_is_refused_since_it_would_not_be_read(tmp_path):
    LISTENS.write_parquet(tmp_path / "listens.parquet")
    with pytest.raises(BadLogError, match=r"whose times are known: remove \[source\] time_format"):
        read(tmp_path / "listens.parquet", time_format="epoch_seconds")


@pytest.mark.parametrize(
    "time",
    [
        pl.Series([0, 2**63 - 1, -(2**63)]),
        pl.Series([0, 2**64 - 1, None], dtype=pl.UInt64),
        pl.Series([0.0, float("nan"), 1e300]),
    ],
)
def test_times_beyond_the_calendar_are_no_times(tmp_path, time):
    LISTENS.with_columns(time.alias("timestamp")).write_parquet(tmp_path / "listens.parquet")
    assert read(tmp_path / "listens.parquet")["timestamp"].to_list() == ["2000-01-01T00:00:00Z", None, None]
