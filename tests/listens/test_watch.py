"""How many listens of a source are new, while files grow, are replaced, vanish or stand still."""

import gzip
import json
import os
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from loopback_core.errors import BadLogError, LoopbackError
from loopback_core.listens.ingest import ingest
from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.raw import log_of, publish_raw
from loopback_core.listens.received import ReceivedListen
from loopback_core.listens.survey import survey
from loopback_core.listens.watch import row_counts
from loopback_core.listens.watch.watch import watch
from loopback_core.settings import AutomationSettings, Settings, SourceSettings
from loopback_core.store.artifacts import ArtifactStore

ENOUGH = 5
MAY = datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC)


def rows(count, artist="Air", first=0):
    times = (f"2009-05-01T{(first + number) // 60:02}:{(first + number) % 60:02}:00Z" for number in range(count))
    return [("ann", time, artist, "Mer") for time in times]


def lastfm(listens):
    return "".join(f"{user}\t{time}\t\t{artist}\t\t{track}\n" for user, time, artist, track in listens)


def csv(listens):
    return "user_id,timestamp,artist_name,track_name\n" + "".join(",".join(listen) + "\n" for listen in listens)


def append(path, text):
    with path.open("a") as file:
        file.write(text)


class Watcher:
    """Looks at a source again and again, as the sensor does, a minute apart."""

    def __init__(self, home, name, **source):
        self.store = ArtifactStore(home)
        self.settings = Settings(
            source=SourceSettings(name=str(name), **source), automation=AutomationSettings(min_new_listens=ENOUGH)
        )
        self.cursor, self.now = None, 1_000_000.0

    def look(self):
        self.now += 60
        found = watch(self.store, self.settings, self.cursor, self.now)
        self.cursor = found.cursor
        return found

    def settled(self):
        """The second of two looks."""
        self.look()
        return self.look()

    def read(self):
        """What a retrain does first."""
        raw, _ = publish_raw(self.store, self.settings.source)
        self.store.build(
            "interactions",
            lambda folder: asdict(ingest(log_of(raw), folder, self.settings.source)),
            upstream={"raw_listens": raw.version},
            settings={},
            code="",
        )
        return self


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.tsv"
    path.write_text(lastfm(rows(10)))
    return path


@pytest.fixture
def watcher(tmp_path, log):
    """Of a file of ten listens that was read."""
    return Watcher(tmp_path / "home", log).read()


def test_before_the_first_run_every_listen_is_new_and_counted_at_the_second_look(tmp_path, log):
    watcher = Watcher(tmp_path / "home", log)
    first = watcher.look()
    assert first.key is None
    assert first.said.startswith(f"{log} is looked at for the first time, or was written to since the last look: ")
    second = watcher.look()
    assert second.said == "10 of the 5 new listens that start a retrain (log.tsv: 10)."
    assert second.key is not None and watcher.look().key == second.key


def test_nothing_is_new_in_what_was_read(watcher):
    assert watcher.settled().said == "0 of the 5 new listens that start a retrain."
    assert watcher.look().key is None


def test_lines_that_were_appended_are_new_once_the_file_stands_still(watcher, log):
    watcher.settled()
    append(log, lastfm(rows(3, first=10)))
    assert "was written to since the last look" in watcher.look().said
    append(log, lastfm(rows(1, first=13)))
    assert "was written to since the last look" in watcher.look().said
    few = watcher.look()
    assert (few.said, few.key) == ("4 of the 5 new listens that start a retrain (log.tsv: 4).", None)
    append(log, lastfm(rows(1, first=14)))
    enough = watcher.settled()
    assert enough.said == "5 of the 5 new listens that start a retrain (log.tsv: 5)."
    assert enough.key is not None
    watcher.read()
    assert watcher.look().key is None


def test_a_last_line_without_its_end_is_counted_once(tmp_path, log):
    log.write_text(lastfm(rows(10)).rstrip("\n"))
    watcher = Watcher(tmp_path / "home", log).read()
    append(log, "\n" + lastfm(rows(2, first=10)).rstrip("\n"))
    assert watcher.settled().said.endswith("(log.tsv: 2).")


def test_one_state_has_one_key_also_when_the_cursor_was_lost(watcher, log):
    append(log, lastfm(rows(6, first=10)))
    key = watcher.settled().key
    watcher.cursor = None
    assert watcher.settled().key == key
    watcher.cursor = '{"of": "another version"}'
    assert watcher.settled().key == key
    os.utime(log)
    assert watcher.settled().key == key  # the content is the same
    append(log, lastfm(rows(1, first=16)))
    assert watcher.settled().key not in (None, key)


@pytest.mark.parametrize(
    "text",
    [lastfm(rows(10, "Can")), lastfm(rows(6, "Can")), lastfm(rows(11, "Can"))],
    ids=["as long", "shorter", "longer"],
)
def test_all_listens_of_a_text_that_was_replaced_are_new(watcher, log, text):
    log.write_text(text)
    found = watcher.settled()
    assert found.key is not None and "(it was replaced or rewritten)" in found.said


def test_a_file_that_was_only_touched_or_moved_has_nothing_new(watcher, log, tmp_path):
    os.utime(log, (2_000_000_000, 2_000_000_000))
    assert watcher.settled().said.startswith("0 of the 5")
    moved = Watcher(tmp_path / "home", log.rename(tmp_path / "moved.tsv"))
    assert moved.settled().said.startswith("0 of the 5")


def test_a_file_that_vanishes_is_a_sentence_and_counts_again_when_it_is_back(watcher, log):
    watcher.settled()
    log.unlink()
    with pytest.raises(BadLogError, match=r"There is no file or folder .*log\.tsv"):
        watcher.look()
    log.write_text(lastfm(rows(16)))
    assert watcher.settled().key is not None


def test_a_file_that_vanishes_while_it_is_counted_is_a_sentence(watcher, log, monkeypatch):
    append(log, lastfm(rows(6, first=10)))
    watcher.look()
    monkeypatch.setattr(row_counts, "_begins_with", lambda path, _: path.unlink())
    with pytest.raises(BadLogError, match=r"log\.tsv cannot be read \(No such file or directory\)"):
        watcher.look()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00rest", b"no log at all"])
def test_a_file_that_is_no_log_is_a_sentence(tmp_path, content):
    (tmp_path / "log.tsv.gz").write_bytes(content)
    watcher = Watcher(tmp_path / "home", tmp_path / "log.tsv.gz")
    watcher.look()
    with pytest.raises(LoopbackError, match=r"log\.tsv\.gz"):
        watcher.look()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "logs"
    (path / "may").mkdir(parents=True)
    (path / "may" / "1.csv").write_text(csv(rows(10)))
    (path / "notes.txt").write_text("about the log")
    return path


def test_new_files_of_a_folder_are_counted_without_their_headers_and_what_is_no_log_is_not(tmp_path, folder):
    watcher = Watcher(tmp_path / "home", folder).read()
    assert watcher.settled().said.startswith("0 of the 5")
    (folder / "may" / "2.csv").write_text(csv(rows(3, first=10)))
    (folder / "more.txt").write_text("about the log, too\n" * 9)
    assert "(2.csv: 3)" in watcher.settled().said
    (folder / "may" / "3.csv").write_text(csv(rows(2, first=13)))
    found = watcher.settled()
    assert found.said == "5 of the 5 new listens that start a retrain (2.csv: 3; 3.csv: 2)."
    assert found.key is not None
    assert watcher.read().look().key is None


def test_a_file_that_leaves_the_folder_brings_nothing_new(tmp_path, folder):
    (folder / "2.csv").write_text(csv(rows(3, first=10)))
    watcher = Watcher(tmp_path / "home", folder).read()
    (folder / "2.csv").unlink()
    assert watcher.settled().said.startswith("0 of the 5")


def test_of_many_new_files_as_many_are_opened_as_are_enough_and_none_again(tmp_path, folder, monkeypatch):
    opened = []
    monkeypatch.setattr(row_counts, "survey", lambda *file: opened.append(file) or survey(*file))
    for number in range(2000):
        (folder / f"{number:04}.csv").write_text(csv(rows(1, first=number)))
    watcher = Watcher(tmp_path / "home", folder)
    found = watcher.settled()
    assert found.said.endswith("(0000.csv: 1; 0001.csv: 1; 0002.csv: 1; 2 more files).")
    assert len(opened) == ENOUGH and watcher.look().key == found.key
    assert len(opened) == ENOUGH and len(watcher.cursor) < 1000


@pytest.mark.parametrize("suffix", ["parquet", "csv.gz"])
def test_what_can_only_be_rewritten_has_as_many_new_listens_as_it_has_more(tmp_path, suffix):
    path = tmp_path / f"log.{suffix}"

    def write(listens):
        if suffix == "parquet":
            names = ["user_id", "timestamp", "artist_name", "track_name"]
            pl.DataFrame(listens, names, orient="row").write_parquet(path)
        else:
            path.write_bytes(gzip.compress(csv(listens).encode()))

    write(rows(10))
    watcher = Watcher(tmp_path / "home", path).read()
    assert watcher.settled().said.startswith("0 of the 5")
    write(rows(13))
    assert f"(log.{suffix}: 3 (it was replaced or rewritten))" in watcher.settled().said
    write(rows(10, "Can"))
    assert watcher.settled().said.startswith("10 of the 5")


def test_the_rows_of_a_large_packed_file_are_estimated_by_its_size(tmp_path, monkeypatch):
    path = tmp_path / "log.tsv.gz"
    path.write_bytes(gzip.compress(lastfm(rows(600)).encode(), mtime=0))
    watcher = Watcher(tmp_path / "home", path).read()
    path.write_bytes(gzip.compress(lastfm(rows(900)).encode(), mtime=0))
    monkeypatch.setattr(row_counts, "MOST_PARSED", 1)
    new, *_ = watcher.settled().said.split()
    assert 200 < int(new) < 400


def test_listens_that_the_service_stored_are_new_until_they_are_read(tmp_path, watcher, log):
    with ListenStore.open(tmp_path / "home") as store:
        store.add([ReceivedListen("bob", "Can", "Vitamin C", MAY + timedelta(minutes=n)) for n in range(3)])
    append(log, lastfm(rows(1, first=10)))
    few = watcher.settled()
    assert few.said == "4 of the 5 new listens that start a retrain (log.tsv: 1; stored by the service: 3)."
    with ListenStore.open(tmp_path / "home") as store:
        store.add([ReceivedListen("bob", "Can", "Vitamin C", MAY - timedelta(minutes=1))])
    enough = watcher.look()  # what is stored need not stand still
    assert few.key is None and enough.key is not None
    assert watcher.read().look().said.startswith("0 of the 5")


def test_a_store_of_listens_that_was_replaced_is_new_as_a_whole(tmp_path):
    home = tmp_path / "home"
    with ListenStore.open(home) as store:
        store.add([ReceivedListen("bob", "Can", "Vitamin C", MAY + timedelta(minutes=n)) for n in range(9)])
    watcher = Watcher(home, "sample", sample_events=500, sample_users=5).read()
    assert watcher.look().said == "0 of the 5 new listens that start a retrain."
    for path in (home / "listens").iterdir():
        path.unlink()
    with ListenStore.open(home) as store:
        store.add([ReceivedListen("cyd", "Can", "Vitamin C", MAY + timedelta(minutes=n)) for n in range(6)])
    assert watcher.look().said.startswith("6 of the 5")


@pytest.mark.parametrize("name", ["sample", "lastfm-1k"])
def test_a_source_that_never_grows_is_said_to_be_nothing_to_watch(tmp_path, name):
    found = Watcher(tmp_path / "home", name).look()
    assert found.key is None
    assert found.said.startswith("Nothing to watch: ") and f"{name} " in found.said.replace(" log", "")


def test_the_rows_of_a_database_are_counted_every_quarter_of_an_hour(tmp_path):
    path = tmp_path / "plays.db"

    def insert(listens):
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS plays (user_id, timestamp, artist_name, track_name)")
            connection.executemany("INSERT INTO plays VALUES (?, ?, ?, ?)", listens)
        connection.close()

    insert(rows(10))
    watcher = Watcher(tmp_path / "home", f"sqlite:///{path}", table="plays").read()
    assert watcher.look().said.startswith("0 of the 5")
    insert(rows(6, first=10))
    assert watcher.look().said.startswith("0 of the 5")
    watcher.now += 900
    found = watcher.look()
    assert found.key is not None and found.said.startswith("6 of the 5")
    watcher.read()
    assert watcher.look().said.startswith("0 of the 5")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM plays WHERE timestamp > '2009-05-01T00:07'")
    connection.close()
    watcher.now += 900
    assert "(it had 16 rows, so it was replaced)" in watcher.look().said


def test_a_database_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(BadLogError, match="There is no file"):
        Watcher(tmp_path / "home", f"sqlite:///{tmp_path / 'plays.db'}", table="plays").look()


def test_another_source_is_looked_at_anew_and_new_as_a_whole(tmp_path, watcher):
    watcher.settled()
    other = tmp_path / "other.tsv"
    other.write_text(lastfm(rows(7, "Can")))
    another = Watcher(tmp_path / "home", other)
    another.cursor = watcher.cursor
    assert "for the first time" in another.look().said
    assert another.look().key is not None


def test_unset_a_hundredth_of_the_log_must_be_new_and_at_least_a_thousand():
    assert [AutomationSettings().enough(listens) for listens in (0, 20_000, 300_000)] == [1_000, 1_000, 3_000]
    assert AutomationSettings(min_new_listens=7).enough(300_000) == 7


def test_the_cursor_holds_no_secret(tmp_path):
    path = tmp_path / "plays.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE plays (user_id, timestamp, artist_name, track_name)")
    connection.close()
    watcher = Watcher(tmp_path / "home", f"sqlite:///{path}", query="select * from plays where 'SECRET' = 'SECRET'")
    watcher.look()
    assert "SECRET" not in json.dumps(watcher.cursor)
