import sqlite3
from datetime import UTC, date, datetime

import polars as pl
import pytest
from remote_rows import EXPECTED, ROWS, listens_of, source_at

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens import raw as raw_module
from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.raw import log_of, publish_raw, raw_summary, refuse_changed
from loopback_core.listens.received import ReceivedListen
from loopback_core.listens.served_export import ErasedMeanwhileError
from loopback_core.settings import SourceSettings


@pytest.fixture
def source(tmp_path):
    return database_at(tmp_path / "plays.db")


def database_at(path, rows=ROWS):
    with sqlite3.connect(path) as connection:
        connection.execute("create table plays (listener, played, artist, title, rating)")
        connection.executemany("insert into plays values (?, ?, ?, ?, ?)", rows)
    connection.close()
    return source_at(f"sqlite:///{path}", table="plays")


def execute(source, statement):
    with sqlite3.connect(source.name.removeprefix("sqlite:///")) as connection:
        connection.execute(statement)
    connection.close()


def test_the_copy_is_a_part_of_the_artifact_and_is_verified_like_one(store, source):
    raw, _ = publish_raw(store, source)
    [part] = log_of(raw).files
    assert part == raw.folder / "listens-00000.parquet"
    refuse_changed(raw)
    execute(source, "drop table plays")
    refuse_changed(raw)  # the database is another matter
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(BadLogError, match=r"listens-00000\.parquet was changed after raw_listens was materialized"):
        refuse_changed(raw)


def test_a_damaged_copy_is_made_again(store, source):
    raw, _ = publish_raw(store, source)
    (raw.folder / "listens-00000.parquet").unlink()
    again, reused = publish_raw(store, source)
    assert (again.version, reused) == (raw.version, False)
    refuse_changed(again)


def test_the_same_rows_at_another_address_are_the_same_version_with_the_new_name(store, source, tmp_path):
    first, _ = publish_raw(store, source)
    moved = database_at(tmp_path / "moved.db", ROWS[::-1])
    second, reused = publish_raw(store, moved)
    assert (second.version, reused, second.summary["name"]) == (first.version, False, moved.name)
    assert publish_raw(store, moved)[1]


def test_a_reading_that_fails_leaves_the_last_good_version(store, source):
    raw, _ = publish_raw(store, source)
    execute(source, "alter table plays rename column artist to singer")
    with pytest.raises(BadLogError, match="has no column 'artist'"):
        publish_raw(store, source)
    assert store.latest("raw_listens") == raw
    refuse_changed(raw)


def test_the_first_day_of_the_rows_stays_while_they_do(store, source, monkeypatch):
    def on_day(day):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime(2020, 1, day, 23, tzinfo=tz)

        monkeypatch.setattr(raw_module, "datetime", Clock)
        return raw_summary(publish_raw(store, source)[0]).first_seen

    assert (on_day(1), on_day(9)) == (date(2020, 1, 1), date(2020, 1, 1))
    execute(source, "delete from plays where rating = 1")
    assert on_day(9) == date(2020, 1, 9)


def test_a_column_that_the_mapping_adds_is_another_version(store, source):
    first, _ = publish_raw(store, source)
    more = source.model_copy(update={"columns": {**source.columns, "track_mbid": "rating"}})
    second, _ = publish_raw(store, more)
    assert second.version != first.version
    assert "rating" in pl.read_parquet_schema(log_of(second).files[0])


def test_the_listens_of_one_person_need_no_column_of_users(store, source, tmp_path):
    columns = {ours: theirs for ours, theirs in source.columns.items() if ours != "user_id"}
    source = source.model_copy(update={"columns": columns, "user": "anna"})
    raw, listens, _ = listens_of(store, source, tmp_path / "listens")
    assert {user for user, *_ in listens} == {"anna"}
    ben, reused = publish_raw(store, source.model_copy(update={"user": "ben"}))
    assert (ben.version, reused, raw_summary(ben).files[0].user) == (raw.version, False, "ben")
    with pytest.raises(SettingsError, match=r"source\.user = 'file' names users after files, and sqlite:.* is none"):
        publish_raw(store, source.model_copy(update={"user": "file"}))


def test_what_the_service_received_is_published_with_the_copy(store, source, tmp_path):
    alone, _ = publish_raw(store, source)
    with ListenStore.open(store.home) as kept:
        kept.add([ReceivedListen("anna", "Air", "Mer", datetime(2009, 5, 6, tzinfo=UTC))])
    raw, listens, _ = listens_of(store, source, tmp_path / "listens")
    assert listens == sorted([*EXPECTED, ("anna", "Air", "Mer")], key=lambda row: (row[0], row[1] == "Air"))
    assert raw.version != alone.version
    assert publish_raw(store, source) == (raw, True)


def test_an_erasure_meanwhile_does_not_read_the_source_again(store, source, tmp_path, monkeypatch):
    with ListenStore.open(store.home) as kept:
        kept.add([ReceivedListen("anna", "Air", "Mer", datetime(2009, 5, 6, tzinfo=UTC))])
    export, read = raw_module.export_served, raw_module.copy_remote
    calls = []

    def erased_once(*arguments):
        calls.append("export")
        if calls.count("export") == 1:
            raise ErasedMeanwhileError
        export(*arguments)

    def counted(*arguments):
        calls.append("copy")
        return read(*arguments)

    monkeypatch.setattr(raw_module, "export_served", erased_once)
    monkeypatch.setattr(raw_module, "copy_remote", counted)
    assert len(listens_of(store, source, tmp_path / "listens")[1]) == 4
    assert calls == ["copy", "export", "export"]


def test_the_rows_of_a_user_who_was_erased_stay_out_of_the_listens(store, source, tmp_path):
    with ListenStore.open(store.home) as kept:
        kept.erase("anna")
    _, listens, counts = listens_of(store, source, tmp_path / "listens")
    assert ({user for user, *_ in listens}, counts["rejected"]["erased user"]) == ({"ben"}, 2)


def test_a_file_of_listens_needs_no_query_even_where_the_settings_have_one(store, tmp_path):
    path = tmp_path / "plays.tsv"
    path.write_text("ann\t2009-05-04T23:08:57Z\t\tBoards\t\tRoygbiv\n", "utf-8")
    raw, _ = publish_raw(
        store, SourceSettings(name=str(path), table="plays")
    )  # LOOPBACK_SOURCE chooses the log of a run
    assert log_of(raw).files == (path,)
