"""Exports as they are downloaded, through the whole ingest: archives, folders of several people, whose listens they are."""

import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.ingest import IngestSummary, ingest
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings


def run(path: Path, **source: object) -> tuple[IngestSummary, list[tuple[str, str]]]:
    """The summary, and (user, title) of each listen."""
    settings = SourceSettings.model_validate({"name": str(path), **source})
    folder = path.parent / "out"
    folder.mkdir()
    summary = ingest(find_log(settings, path.parent), folder, settings)
    return summary, pl.read_parquet(folder / "interactions.parquet").select("user_id", "track_name").rows()


def pack(path: Path, members: dict[str, object]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return path


def unpack(folder: Path, members: dict[str, object]) -> Path:
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return folder


def stream(title: str | None, minute: int, milliseconds: int = 200_000) -> dict[str, object]:
    return {
        "ts": f"2021-03-01T12:{minute:02}:30Z",
        "ms_played": milliseconds,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": title and "ABBA",
        "episode_name": None if title else "Talk",
    }


def listen(title: str, time: int) -> str:
    return json.dumps({"listened_at": time, "track_metadata": {"artist_name": "ABBA", "track_name": title}}) + "\n"


SPOTIFY: dict[str, object] = {
    "Spotify Extended Streaming History/ReadMeFirst_ExtendedStreamingHistory.pdf": "%PDF",
    "Spotify Extended Streaming History/Streaming_History_Audio_2021_0.json": [stream("One", 1), stream(None, 9)],
    "Spotify Extended Streaming History/Streaming_History_Audio_2021_1.json": [stream("Two", 20), stream("Two", 21, 9)],
}
LISTENBRAINZ: dict[str, object] = {
    "user.json": {"user_id": 1, "username": "anna"},
    "listens/2020/12.jsonl": listen("One", 1_609_400_000),
    "listens/2021/1.jsonl": listen("Two", 1_609_500_000) + listen("Three", 1_609_500_300),
    "feedback.jsonl": json.dumps({"recording_msid": "m", "score": 1}) + "\n",
}


def test_the_zip_of_spotify_is_the_history_of_one_user_named_by_it(tmp_path):
    summary, listens = run(pack(tmp_path / "anna.zip", SPOTIFY))
    assert listens == [("anna", "One"), ("anna", "Two")]
    assert summary.rejected["not music"] == summary.rejected["played too short"] == 1
    assert (summary.rows, summary.kept, summary.reject_share) == (4, 2, 0.0)


def test_the_setting_names_the_user_of_an_export(tmp_path):
    assert run(pack(tmp_path / "my_spotify_data.zip", SPOTIFY), user="Anna")[1] == [("Anna", "One"), ("Anna", "Two")]


@pytest.mark.parametrize(
    "make", [lambda path: pack(path / "anna.zip", LISTENBRAINZ), lambda path: unpack(path / "anna", LISTENBRAINZ)]
)
def test_the_export_of_listenbrainz_is_read_as_zip_and_as_folder(tmp_path, make):
    assert run(make(tmp_path))[1] == [("anna", "One"), ("anna", "Two"), ("anna", "Three")]


def test_the_years_of_listenbrainz_are_no_users(tmp_path):
    folder = unpack(tmp_path / "anna", LISTENBRAINZ) / "listens"
    assert {user for user, _ in run(folder)[1]} == {"listens"}


def test_a_folder_of_exports_is_a_log_of_several_users(tmp_path):
    unpack(tmp_path / "logs" / "anna", SPOTIFY)
    unpack(tmp_path / "logs" / "ben", SPOTIFY)
    summary, listens = run(tmp_path / "logs")
    assert (summary.users, listens) == (2, [("anna", "One"), ("anna", "Two"), ("ben", "One"), ("ben", "Two")])


def test_an_archive_each_names_its_user(tmp_path):
    (tmp_path / "logs").mkdir()
    pack(tmp_path / "logs" / "anna.zip", SPOTIFY)
    pack(tmp_path / "logs" / "ben.zip", SPOTIFY)
    assert {user for user, _ in run(tmp_path / "logs")[1]} == {"anna", "ben"}


def test_files_with_the_names_of_the_service_belong_to_their_folder_and_others_name_users(tmp_path):
    log = {"Streaming_History_Audio_2021_0.json": [stream("One", 1)], "endsong_3.json": [stream("Two", 9)]}
    assert run(unpack(tmp_path / "one" / "anna", log))[1] == [("anna", "One"), ("anna", "Two")]
    log = {"anna.json": [stream("One", 1)], "ben.json": [stream("Two", 9)]}
    assert run(unpack(tmp_path / "two" / "logs", log))[1] == [("anna", "One"), ("ben", "Two")]


def test_one_file_each_names_its_user(tmp_path):
    header = "uts,artist,track\n"
    log = unpack(
        tmp_path / "logs", {"anna.csv": f"{header}1609500000,ABBA,One\n", "Ben.CSV": f"{header}1609500000,ABBA,Two\n"}
    )
    assert run(log)[1] == [("Ben", "Two"), ("anna", "One")]


def test_the_log_of_a_player_is_read_although_it_is_hidden(tmp_path):
    log = unpack(
        tmp_path / "player", {".scrobbler.log": "#AUDIOSCROBBLER/1.1\n#TZ/UTC\nABBA\tA\tOne\t1\t9\tL\t1609500000\t\n"}
    )
    assert run(log)[1] == [("scrobbler", "One")]


def test_a_history_of_short_plays_only_is_read_and_says_so(tmp_path, caplog):
    path = unpack(tmp_path, {"anna.json": [stream("One", 1, 1000), stream("Two", 2, 2000)]}) / "anna.json"
    assert run(path)[1] == [("anna", "One"), ("anna", "Two")]
    assert "lasted 30 seconds: all were read, however short" in caplog.text


TABLE = "timestamp,artist_name,track_name\n2021-01-01T00:00:00Z,ABBA,"


@pytest.mark.parametrize("top", ["", "log/", "../"])
def test_a_folder_of_an_archive_names_the_user_of_its_files(tmp_path: Path, top: str) -> None:
    members: dict[str, object] = {
        f"{top}anna/2021.csv": TABLE + "One\n",
        f"{top}anna/rest.csv": TABLE + "Two\n",
        f"{top}ben/rest.csv": TABLE + "One\n",
        f"{top}cleo.csv": TABLE + "One\n",
        f"{top}2021/dora.csv": TABLE + "One\n",
    }
    _, rows = run(pack(tmp_path / "plays.zip", members), user="file")
    assert sorted(rows) == [("anna", "One"), ("anna", "Two"), ("ben", "One"), ("cleo", "One"), ("dora", "One")]


def test_a_record_with_a_blank_user_is_of_the_user_of_the_file(tmp_path: Path) -> None:
    streams = [stream("One", 1) | {"username": name} for name in ("", " \u200b", None, "ben")]
    path = tmp_path / "anna.json"
    path.write_text(json.dumps([one | {"ts": f"2021-03-0{day + 1}T12:00:00Z"} for day, one in enumerate(streams)]))
    _, rows = run(path)
    assert sorted(rows) == [("anna", "One"), ("anna", "One"), ("anna", "One"), ("ben", "One")]


def test_no_setting_is_advised_that_an_export_does_not_read(tmp_path: Path) -> None:
    path = tmp_path / "anna.jsonl"
    path.write_text(listen("One", 1_609_400_000) + listen("Two", 1_609_500_000_000))
    summary, rows = run(path)
    assert (rows, summary.advice, summary.rejected["implausible date"]) == ([("anna", "One")], (), 1)


def test_an_export_without_music_says_so(tmp_path: Path) -> None:
    (tmp_path / "anna.json").write_text(json.dumps([stream(None, 1), stream(None, 2)]))
    with pytest.raises(BadLogError, match=r"line 1: not music in .*\)\. Give files with listens of music\.$"):
        run(tmp_path / "anna.json")


def test_an_archive_of_the_exports_of_several_people_is_a_log_of_several_users(tmp_path: Path) -> None:
    members: dict[str, object] = {
        f"log/{user}/MyData/Streaming_History_Audio_2021_{number}.json": [stream(title, minute)]
        for user, number, title, minute in (("anna", 0, "One", 1), ("anna", 1, "Two", 2), ("ben", 0, "One", 1))
    }
    _, rows = run(pack(tmp_path / "plays.zip", members | {"log/ben/readme.txt": "x"}))
    assert sorted(rows) == [("anna", "One"), ("anna", "Two"), ("ben", "One")]


def test_an_archive_of_one_person_stays_one_where_its_files_do_not_all_lie_in_folders(tmp_path: Path) -> None:
    members: dict[str, object] = {
        "MyData/Streaming_History_Audio_2021_0.json": [stream("One", 1)],
        "MyData/old/Streaming_History_Audio_2020_0.json": [stream("Two", 2)],
    }
    assert sorted(run(pack(tmp_path / "anna.zip", members))[1]) == [("anna", "One"), ("anna", "Two")]
