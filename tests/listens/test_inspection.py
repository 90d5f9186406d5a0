"""What a log seems to be: the proposal of settings, and the counts from its beginning."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.inspection import inspect_log
from loopback_core.settings import SourceSettings


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_a_log_in_our_columns_needs_no_settings(tmp_path):
    path = write(
        tmp_path / "plays.csv",
        "user_id,timestamp,artist_name,track_name\n"
        "anna,2021-01-01T00:00:00Z,ABBA,Waterloo\nben,2021-01-02T00:00:00Z,,Joga\nben,soon,ABBA,Joga\n",
    )
    found = inspect_log(path, SourceSettings())
    assert (found.survey.layout_name, dict(found.proposal.settings)) == ("text with a header", {})
    assert (found.rows, found.listens, found.whole, found.users) == (3, 1, True, {"anna"})
    assert found.rejected == {"missing artist": 1, "unreadable timestamp": 1}
    assert found.first == [
        {
            "user_id": "anna",
            "timestamp": datetime(2021, 1, 1, tzinfo=UTC),
            "artist_name": "ABBA",
            "track_name": "Waterloo",
        }
    ]


def test_other_names_and_times_are_proposed_and_with_them_it_is_read(tmp_path):
    path = write(tmp_path / "plays.csv", "listener;song;band;played_at\nanna;Waterloo;ABBA;1609462137000\n")
    found = inspect_log(path, SourceSettings())
    assert found.proposal.settings == {
        "columns": {"user_id": "listener", "timestamp": "played_at", "artist_name": "band", "track_name": "song"},
        "time_format": "epoch_milliseconds",
    }
    assert (found.listens, found.users) == (1, {"anna"})


def test_without_a_column_of_users_the_name_of_the_file_is_proposed(tmp_path):
    path = write(tmp_path / "anna.csv", "title,artist,time\nWaterloo,ABBA,2021-01-01 00:00\n")
    found = inspect_log(path, SourceSettings())
    assert found.proposal.settings["user"] == "file"
    assert found.users == {"anna"}


def test_numbers_in_parquet_are_told_by_their_size(tmp_path):
    frame = pl.DataFrame({"uid": ["anna"], "ts": [1_609_462_137], "artist": ["ABBA"], "title": ["Waterloo"]})
    frame.write_parquet(tmp_path / "plays.parquet")
    found = inspect_log(tmp_path / "plays.parquet", SourceSettings())
    assert found.proposal.settings["time_format"] == "epoch_seconds"
    assert found.first[0]["timestamp"] == datetime(2021, 1, 1, 0, 48, 57, tzinfo=UTC)


def test_an_export_names_its_columns_and_asks_for_nothing(tmp_path):
    path = write(tmp_path / "anna.csv", "uts,artist,track\n1609462137,ABBA,Waterloo\n")
    found = inspect_log(path, SourceSettings())
    assert dict(found.proposal.settings) == {}
    assert found.proposal.columns == ("uts", "artist", "track")
    assert found.proposal.mapping["timestamp"] == "uts"


def test_only_the_beginning_of_a_long_log_is_looked_at(tmp_path):
    line = "anna\t2021-01-01T00:00:00Z\t\tABBA\t\t" + "Waterloo " * 50 + "\n"
    path = write(tmp_path / "plays.tsv", line * 20_000)
    found = inspect_log(path, SourceSettings(), most_blocks=1)
    assert not found.whole
    assert 5_000 < found.rows < 10_000
    assert len(found.first) == 10


def test_a_folder_of_exports_is_a_log_of_several_users(tmp_path):
    play = {"endTime": "2023-05-01 00:01", "artistName": "ABBA", "trackName": "Waterloo", "msPlayed": 165_000}
    for user in ("anna", "ben"):
        for number in range(2):
            write(tmp_path / "log" / user / f"StreamingHistory_music_{number}.json", json.dumps([play]))
    write(tmp_path / "log" / "anna" / "Playlist1.json", "{}")
    found = inspect_log(tmp_path / "log", SourceSettings())
    assert found.users == {"anna", "ben"}
    assert found.rows == 4
    assert list(found.log.left_out) == ["anna/Playlist1.json"]


def test_what_is_no_log_ends_in_a_sentence(tmp_path):
    with pytest.raises(BadLogError, match="is not a log"):
        inspect_log(write(tmp_path / "a.json", '{"a": 1}'), SourceSettings())
    with pytest.raises(BadLogError, match="has no column"):
        inspect_log(write(tmp_path / "a.csv", "a,b\n1,2\n"), SourceSettings())


def test_a_parquet_file_without_a_row_is_looked_at(tmp_path):
    pl.DataFrame(schema=dict.fromkeys(("user_id", "timestamp", "artist_name", "track_name"), pl.String)).write_parquet(
        tmp_path / "plays.parquet"
    )
    found = inspect_log(tmp_path / "plays.parquet", SourceSettings())
    assert (found.rows, found.users) == (0, set())


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        (
            "Benutzer;Zeitpunkt;Künstler;Titel",
            {"user_id": "Benutzer", "timestamp": "Zeitpunkt", "artist_name": "Künstler", "track_name": "Titel"},
        ),
        (
            "email;time;artist;song",
            {"user_id": "email", "timestamp": "time", "artist_name": "artist", "track_name": "song"},
        ),
        (
            "user;time;artist;title",
            {"user_id": "user", "timestamp": "time", "artist_name": "artist", "track_name": "title"},
        ),
    ],
)
def test_names_of_other_languages_and_programs_are_proposed(tmp_path, header, mapping):
    path = write(tmp_path / "plays.csv", f"{header};track\nanna;25.03.2021 10:00;ABBA;Waterloo;3\n")
    assert inspect_log(path, SourceSettings()).proposal.settings == {
        "columns": mapping,
        "time_format": "%d.%m.%Y %H:%M",
    }


def test_a_pattern_that_is_set_and_reads_all_times_is_kept(tmp_path):
    path = write(
        tmp_path / "plays.csv", "user_id,timestamp,artist_name,track_name\nanna,05/03/2021 10:00,ABBA,Waterloo\n"
    )
    found = inspect_log(path, SourceSettings(time_format="%d/%m/%Y %H:%M"))
    assert dict(found.proposal.settings) == {}
    assert found.first[0]["timestamp"] == datetime(2021, 3, 5, 10, tzinfo=UTC)
    found = inspect_log(path, SourceSettings())
    assert (found.proposal.settings["time_format"], found.proposal.day_first) == ("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M")


def test_what_rejected_rows_suggest_is_said(tmp_path):
    path = tmp_path / "plays.csv"
    path.write_bytes(
        f"user_id,timestamp,artist_name,track_name\nanna,10:00,ABBA,Waterloo\nben,{'2021-01-01'},Björk,Joga\n".encode(
            "cp1252"
        )
    )
    assert [sentence.split(":")[0] for sentence in inspect_log(path, SourceSettings()).advice] == [
        "The times look like '10",
        "plays.csv seems to be in Latin-1, not UTF-8",
    ]


def test_users_are_asked_for_where_other_columns_are_missing_too(tmp_path):
    with pytest.raises(BadLogError, match="has no column user_id, timestamp, artist_name, track_name; "):
        inspect_log(write(tmp_path / "a.csv", "a,b\n1,2\n"), SourceSettings())
