import sqlite3
import subprocess
import sys

import duckdb
import polars as pl
import pytest
from remote_rows import EXPECTED, FRAME, ROWS, listens_of, source_at

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens.raw import publish_raw
from loopback_core.listens.remote import sqlite_file
from loopback_core.listens.remote.copying import copy_remote
from loopback_core.listens.remote.remote_address import remote_address

KINDS = ("sqlite", "duckdb")


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A function that makes a file of a kind with the table plays; it lies in the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(kind, rows=ROWS):
        connect = {"sqlite": sqlite3.connect, "duckdb": lambda path: duckdb.connect(str(path))}[kind]
        connection = connect(tmp_path / f"plays.{kind}")
        connection.execute("create table plays (listener text, played bigint, artist text, title text, rating int)")
        connection.executemany("insert into plays values (?, ?, ?, ?, ?)", rows)
        connection.commit()
        connection.close()
        return f"{kind}:///plays.{kind}"

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [{"table": "plays"}, {"query": "select * from plays where rating < 9 -- all\n;"}])
def test_the_listens_of_a_file_are_ingested(database, store, tmp_path, kind, given):
    raw, listens, counts = listens_of(store, source_at(database(kind), **given), tmp_path / "listens")
    assert listens == EXPECTED
    assert (counts["rows"], counts["kept"], counts["rejected"]["missing artist"]) == (5, 3, 1)
    assert raw.summary["name"] == f"{kind}:///plays.{kind}"


def test_the_same_rows_have_the_same_version_whatever_the_database(database, store):
    versions = {publish_raw(store, source_at(database(kind), table="plays"))[0].version for kind in KINDS}
    assert len(versions) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_table_is_read_again_and_an_unchanged_one_is_reused(database, store, tmp_path, kind):
    address = database(kind)
    first, reused = publish_raw(store, source_at(address, table="plays"))
    assert (publish_raw(store, source_at(address, table="plays")), reused) == ((first, True), False)
    (tmp_path / f"plays.{kind}").unlink()
    database(kind, [*ROWS, ROWS[0]])
    second, reused = publish_raw(store, source_at(address, table="plays"))
    assert second.version != first.version and not reused
    assert store.latest("raw_listens").version == second.version


@pytest.mark.parametrize("kind", KINDS)
def test_an_absolute_path_has_four_slashes(database, store, tmp_path, kind):
    database(kind)
    raw, _ = publish_raw(store, source_at(f"{kind}:///{tmp_path}/plays.{kind}", table="plays"))
    assert raw.summary["name"] == f"{kind}:///{tmp_path}/plays.{kind}"


def test_values_of_any_type_and_bytes_that_are_no_text_are_counted(database, store, tmp_path):
    address = database("sqlite", [("anna", time, "Björk", "Jóga", 1) for time in (1_241_478_537, 1_241_478_539.5)])
    with sqlite3.connect(tmp_path / "plays.sqlite") as connection:
        connection.execute("insert into plays values (7, 'yesterday', 'Björk', 'Jóga', 1)")
        connection.execute("insert into plays values ('ben', 1241478538, cast(x'ff' as text), 'Jóga', 1)")
        connection.execute("insert into plays values ('ben', null, 'Björk', 'Jóga', 1)")
    _, listens, counts = listens_of(store, source_at(address, table="plays"), tmp_path / "listens")
    assert len(listens) == counts["kept"] == 2
    assert {reason: rows for reason, rows in counts["rejected"].items() if rows} == {
        "undecodable bytes": 1,
        "unreadable timestamp": 2,
    }


def test_text_times_are_read_as_iso(database, store, tmp_path):
    address = database("sqlite", [("anna", "2009-05-04T23:08:57Z", "Björk", "Jóga", 1)])
    source = source_at(address, table="plays", time_format="iso")
    _, _, counts = listens_of(store, source, tmp_path / "listens")
    assert counts["first_timestamp"] == "2009-05-04T23:08:57+00:00"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"table": "nope"}, BadLogError, "has no such table or database .*nope"),
        ({"query": "select * from plays where false"}, BadLogError, "gives no row"),
        ({"query": "select listener, played from plays"}, BadLogError, r"has no column 'artist' \(for artist_name\), 'title'"),
        ({"query": "select *, listener from plays"}, BadLogError, "has 2 columns named 'listener' \\(for user_id\\): rename or remove"),
        ({"query": "delete from plays"}, SettingsError, "source.query must be one SELECT"),
        ({"query": "select 1) as q; delete from plays; select * from (select 1"}, Exception, "one SELECT|one statement"),
        ({}, SettingsError, r'A database needs \[source\] table'),
    ],
)  # fmt: skip
def test_a_query_that_gives_no_listens_ends_in_a_sentence(database, store, kind, given, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        publish_raw(store, source_at(database(kind), **given))
    assert isinstance(caught.value, (BadLogError, SettingsError))
    assert not store.has("raw_listens")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_database_ends_in_a_sentence(store, tmp_path, kind):
    address = f"{kind}:///{tmp_path}/plays.db"
    with pytest.raises(BadLogError, match=r"There is no file .*plays\.db .*four slashes"):
        publish_raw(store, source_at(address, table="plays"))
    (tmp_path / "plays.db").write_bytes(b"listener,played\n" * 1000)
    with pytest.raises(BadLogError, match=rf"{kind}:///.*plays\.db cannot be read"):
        publish_raw(store, source_at(address, table="plays"))
    with pytest.raises(BadLogError, match="names a host, but the database is a file"):
        publish_raw(store, source_at(f"{kind}://plays.db", table="plays"))


def test_a_file_that_another_program_writes_ends_in_a_sentence(database, store, tmp_path):
    address = database("duckdb")
    code = f"import duckdb, time; c = duckdb.connect({str(tmp_path / 'plays.duckdb')!r}); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()
            with pytest.raises(BadLogError, match=r"is locked by another program .*end it, or copy the file"):
                publish_raw(store, source_at(address, table="plays"))
        finally:
            other.kill()


def test_a_library_that_is_not_installed_is_named_with_its_extra(database, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(SettingsError, match=r"not installed \(duckdb\): pip install 'loopback\[duckdb\]'"):
        publish_raw(store, source_at("duckdb:///plays.duckdb", table="plays"))


def test_the_rows_of_a_parquet_part_are_bounded(database, tmp_path, monkeypatch):
    source = source_at(database("sqlite"), table="plays")
    monkeypatch.setattr(sqlite_file, "BATCH_ROWS", 2)
    copy = copy_remote(remote_address(source.name), source, tmp_path, part_rows=4)
    assert [pl.read_parquet(path).height for path in copy.files] == [4, 1]
    assert pl.concat(map(pl.read_parquet, copy.files)).equals(FRAME.drop("rating"))
