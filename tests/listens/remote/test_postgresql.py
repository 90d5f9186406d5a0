from urllib.parse import quote

import polars as pl
import pytest
from remote_rows import EXPECTED, FRAME, listens_of, source_at

from loopback_core.errors import BadLogError, DownloadError, SettingsError
from loopback_core.listens.raw import publish_raw


@pytest.fixture(scope="module")
def database(cluster):
    """The address of a database with the table plays, and a function that runs statements in it."""
    from adbc_driver_postgresql.dbapi import connect

    def run(*statements, database="plays"):
        address = f"postgresql://owner:{quote(cluster.password, safe='')}@127.0.0.1:{cluster.port}/{database}"
        with connect(address, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    run("create database plays", database="postgres")
    run(
        "create table plays (listener text, played bigint, artist text, title varchar(80), rating int)",
        *(
            f"insert into plays values ('{user}', {time}, {repr(artist) if artist else 'null'}, '{title}', {rating})"
            for user, time, artist, title, rating in FRAME.rows()
        ),
        "create schema odd",
        'create table odd."The Plays" as select * from plays',
        "create table empty as select * from plays where false",
    )
    return f"postgresql://owner@127.0.0.1:{cluster.port}/plays", run


@pytest.fixture(autouse=True)
def password(cluster, monkeypatch):
    for name in ("PGPASSWORD", "PGPASSFILE", "PGUSER", "PGHOST", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOOPBACK_SOURCE_PASSWORD", cluster.password)


@pytest.mark.parametrize(
    "given",
    [
        {"table": "plays"},
        {"table": "odd.The Plays"},
        {"table": 'odd."The Plays"'},
        {"query": "select * from plays"},
        {"query": "-- the log\nwith p as (select * from plays) (select * from p) -- all of it\n; "},
    ],
    ids=["table", "schema and blanks", "quoted", "query", "with"],
)
def test_the_listens_of_a_table_or_a_query_are_ingested(database, store, tmp_path, given):
    raw, listens, counts = listens_of(store, source_at(database[0], **given), tmp_path / "listens")
    assert listens == EXPECTED
    assert (counts["rows"], counts["kept"], counts["rejected"]["missing artist"]) == (5, 3, 1)
    assert list(raw.manifest["files"]) == ["listens-00000.parquet"]


def test_only_the_needed_columns_travel(database, store):
    raw, _ = publish_raw(store, source_at(database[0], table="plays"))
    assert pl.read_parquet_schema(raw.folder / "listens-00000.parquet") == {
        "listener": pl.String,
        "played": pl.Int64,
        "artist": pl.String,
        "title": pl.String,
    }


def test_the_version_follows_the_rows_and_not_their_order(database, store):
    address, run = database
    first, reused = publish_raw(store, source_at(address, table="plays"))
    again, reused_again = publish_raw(store, source_at(address, query="select * from plays order by title desc"))
    assert (again.version, reused, reused_again) == (first.version, False, True)
    run("create table changed as select * from plays", "update changed set title = 'Hunted' where title = 'Hunter'")
    assert publish_raw(store, source_at(address, table="changed"))[0].version != first.version


def test_times_and_ids_of_every_type_are_read(database, store, tmp_path):
    query = """
        select gen_random_uuid() as listener, moment as played, 'Björk' as artist, 7 as title
        from (values {}) as times (moment)
    """
    kinds = {
        "iso": [
            "(timestamptz '2009-05-04 23:08:57+02'), ('infinity')",
            "(timestamp '2009-05-04 21:08:57'), ('-infinity')",
            "('2009-05-04T21:08:57Z'), ('no time')",
        ],
        "epoch_seconds": ["(1241471337), (-1)", "(1241471337.0), (1e30)"],
    }
    for time_format, rows in kinds.items():
        for number, values in enumerate(rows):
            source = source_at(database[0], query=query.format(values), time_format=time_format)
            folder = tmp_path / f"{time_format}{number}"
            _, listens, counts = listens_of(store, source, folder)
            assert (counts["rows"], counts["kept"]) == (2, 1), values
            assert counts["first_timestamp"] == "2009-05-04T21:08:57+00:00"
            assert listens[0][1:] == ("Björk", "7")


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"table": "nope"}, BadLogError, r'has no such table or database \(.*"nope" does not exist\): correct'),
        ({"table": "empty"}, BadLogError, "gives no row: correct source.query or source.table, or wait for listens"),
        ({"query": "select 1 as played"}, BadLogError, r"has no column 'listener' \(for user_id\), .*Map the columns"),
        (
            {"query": "select *, 1 as title from plays"},
            BadLogError,
            "has 2 columns named 'title' \\(for track_name\\): rename or remove",
        ),
        ({"query": "selec 1"}, SettingsError, "source.query must be one SELECT"),
        ({"query": "delete from plays"}, SettingsError, "source.query must be one SELECT"),
        ({"query": "with x as (select 1) delete from plays"}, BadLogError, "cannot be read .*syntax error"),
        ({"query": "select 1) as q; delete from plays; --"}, BadLogError, "cannot be read .*syntax error"),
        ({}, SettingsError, r'A database needs \[source\] table = "..." or query = "select ..."'),
    ],
)
def test_a_query_that_gives_no_listens_ends_in_a_sentence(database, store, given, error, sentence):
    with pytest.raises(error, match=sentence):
        publish_raw(store, source_at(database[0], **given))
    assert not store.has("raw_listens")


def test_a_function_that_writes_is_refused_by_the_transaction(database, store):
    address, run = database
    run(
        "create function erase() returns text language plpgsql as $$ begin delete from plays; return 'x'; end $$",
    )
    with pytest.raises(BadLogError, match="cannot execute DELETE in a read-only transaction"):
        publish_raw(
            store, source_at(address, query="select erase() as listener, 1 as played, 'a' as artist, 't' as title")
        )


def test_a_table_that_the_user_may_not_read_is_a_matter_of_credentials(database, store, cluster):
    address, run = database
    run(f"create role reader login password '{cluster.password}'", "create table forbidden_404 (timed_out int)")
    with pytest.raises(BadLogError, match=r"refuses the credentials \(.*permission denied for table plays"):
        publish_raw(store, source_at(address.replace("owner@", "reader@"), table="plays"))
    with pytest.raises(BadLogError, match=r"cannot be read \(.*syntax error"):  # the words of a query tell nothing
        publish_raw(store, source_at(address, query="select timed_out, from from forbidden_404"))


def test_an_error_in_the_middle_of_the_rows_publishes_nothing(database, store):
    query = "select listener, 1 / (rating - 4) as played, artist, title from plays"
    with pytest.raises(BadLogError, match=r"cannot be read \(.*division by zero\)"):
        publish_raw(store, source_at(database[0], query=query))
    assert not store.has("raw_listens")
    assert list((store.home / ".building").iterdir()) == []


def test_the_password_may_stand_in_the_address_or_in_the_environment(database, cluster, store, monkeypatch):
    address = database[0]
    versions = {publish_raw(store, source_at(address, table="plays"))[0].version}
    monkeypatch.delenv("LOOPBACK_SOURCE_PASSWORD")
    monkeypatch.setenv("THE_PASSWORD", cluster.password)
    for secret in (cluster.password, quote(cluster.password, safe=""), "${THE_PASSWORD}"):
        with_password = address.replace("owner@", f"owner:{secret}@")
        versions.add(publish_raw(store, source_at(with_password, table="plays"))[0].version)
    monkeypatch.setenv("PGPASSWORD", cluster.password)
    versions.add(publish_raw(store, source_at(address, table="plays"))[0].version)
    assert len(versions) == 1
    written = b"".join(path.read_bytes() for path in store.home.rglob("*") if path.is_file())
    assert cluster.password.encode() not in written and quote(cluster.password, safe="").encode() not in written
    assert address.encode() in written


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (("owner@", "owner:wrong-hidden@"), BadLogError, r"refuses the credentials \(.*password authentication failed"),
        (("owner@", "nobody:wrong-hidden@"), BadLogError, "refuses the credentials .*set LOOPBACK_SOURCE_PASSWORD"),
        (("/plays", "/nowhere?password=wrong-hidden"), BadLogError, "refuses the credentials"),
        (("/plays", "/nowhere"), BadLogError, 'has no such table or database .*"nowhere" does not exist'),
        (("127.0.0.1", "no-such-host.invalid"), DownloadError, "cannot be reached .*check its host and port"),
        (("owner@", "owner:wrong-%zzhidden@"), BadLogError, "refuses the credentials"),
        (("postgresql:", "mysql:"), SettingsError, "begins with mysql://, which cannot be read"),
    ],
)
def test_a_connection_that_fails_ends_in_a_sentence_without_the_password(
    database, cluster, store, change, error, sentence
):
    with pytest.raises(error, match=sentence) as caught:
        publish_raw(store, source_at(database[0].replace(*change), table="plays"))
    assert "hidden" not in str(caught.value) and cluster.password not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_port_where_nothing_listens_is_tried_again_like_a_download(database, cluster, store):
    with pytest.raises(DownloadError, match=r"cannot be reached \(.*Connection refused"):
        publish_raw(store, source_at(database[0].replace(str(cluster.port), "1"), table="plays"))
