"""Logs as spreadsheets, scrobblers and other programs write them: each is read, or refused with the remedy."""

import gzip
import io
import logging
import os
import sqlite3
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.ingest import IngestSummary, ingest
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings

HEADER = "user_id,timestamp,artist_name,track_name\n"
NIGHT = "2021-01-01T00:00:00Z"
MOMENT = datetime(2021, 1, 1, tzinfo=UTC)


def read(path: Path, **source: object) -> tuple[IngestSummary, pl.DataFrame]:
    settings = SourceSettings.model_validate({"name": str(path), **source})
    out = path.parent / "out of it"
    summary = ingest(find_log(settings, path.parent / "home"), out, settings)
    return summary, pl.read_parquet(out / "interactions.parquet", glob=False)


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **source: object) -> str:
    with pytest.raises(BadLogError) as raised:
        read(path, **source)
    return str(raised.value)


def listens(path: Path, **source: object) -> list[tuple[str, str, str]]:
    _, table = read(path, **source)
    return table.sort("line").select("user_id", "artist_name", "track_name").rows()


def test_a_title_that_begins_with_a_quote_costs_no_listen(tmp_path: Path) -> None:
    rows = f'u1,{NIGHT},A,S1\nu1,{NIGHT},B,"Heroes\nu2,{NIGHT},C,S2\nu3,{NIGHT},E,Blue (7" Mix)\nu3,{NIGHT},F,S4\n'
    path = written(tmp_path / "plays.csv", HEADER + rows)
    assert [title for _, _, title in listens(path)] == ["S1", '"Heroes', "S2", 'Blue (7" Mix)', "S4"]


def test_a_quote_that_seems_to_close_lines_later_swallows_no_listen(tmp_path: Path) -> None:
    rows = f'u1,{NIGHT},B,"Heroes\nu2,{NIGHT},C,S2\nu3,{NIGHT},E,The 12"\nu4,{NIGHT},F,"A ""B"" C"\n'
    path = written(tmp_path / "plays.csv", HEADER + rows)
    assert [title for _, _, title in listens(path)] == ['"Heroes', "S2", 'The 12"', 'A "B" C']


def test_a_title_over_two_lines_is_one_listen_where_it_is_quoted(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.csv", HEADER + f'u1,{NIGHT},B,"one\r\ntwo, ""three"""\r\nu2,{NIGHT},C,S2\r\n')
    assert listens(path) == [("u1", "B", 'one\r\ntwo, "three"'), ("u2", "C", "S2")]


def test_marks_in_the_middle_of_joined_files_make_no_user(tmp_path: Path) -> None:
    line = f"\ufeff%s\t{NIGHT}\t\tA\t\tS%d\n"
    path = written(tmp_path / "plays.tsv", line % ("anna", 1) + line % ("ben", 1) + (line % ("ben", 2))[1:])
    assert {user for user, _, _ in listens(path)} == {"anna", "ben"}


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u2060", "\xad", "\u200e", "\u3164", "\x00", "\x7f", "\u202c"])
def test_what_nobody_sees_at_the_ends_of_a_name_is_no_part_of_it(tmp_path: Path, mark: str) -> None:
    name = f"{mark}ä{mark}b{mark}"
    path = written(tmp_path / "plays.tsv", f"{name}\t{NIGHT}\t\t{name}\t\t{name}\nu\t{NIGHT}\t\tA\t\t{mark}\n")
    summary, table = read(path)
    assert table.select("user_id", "artist_name", "track_name").row(0) == (f"ä{mark}b",) * 3
    assert summary.rejected["missing title"] == 1


def test_a_flag_keeps_the_marks_that_make_it_one(tmp_path: Path) -> None:
    flag = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    path = written(tmp_path / "plays.tsv", f"u\t{NIGHT}\t\tA\t\t{flag}\n")
    assert listens(path) == [("u", "A", flag)]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
@pytest.mark.parametrize("name", ["plays.csv", "plays.tsv", "PLAYS.CSV", "plays.txt"])
def test_the_delimiter_is_found_by_content(tmp_path: Path, delimiter: str, name: str) -> None:
    text = (HEADER + f"u1,{NIGHT},A,S1\nu2,{NIGHT},B,S2\n").replace(",", delimiter).replace("\n", "\r\n")
    path = written(tmp_path / name, "\ufeff" + text)
    assert listens(path) == [("u1", "A", "S1"), ("u2", "B", "S2")]


@pytest.mark.parametrize("said", ["sep=!", '"sep=!"', "SEP=!"])
def test_a_line_that_names_the_delimiter_is_read(tmp_path: Path, said: str) -> None:
    path = written(tmp_path / "plays.csv", f"{said}\n" + HEADER.replace(",", "!") + f"u1!{NIGHT}!A!a,b;c\n")
    summary, table = read(path)
    assert (summary.rows, table["line"].to_list(), table["track_name"].to_list()) == (1, [3], ["a,b;c"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_with_its_mark_is_read(tmp_path: Path, encoding: str) -> None:
    text = HEADER.replace(",", "\t") + "".join(f"u{n}\t{NIGHT}\tBjörk\tJóga {n} \U0001f3b5\n" for n in range(5000))
    path = written(tmp_path / "plays.csv", ("\ufeff" * (encoding != "utf-16") + text).encode(encoding))
    assert listens(path) == [(f"u{n}", "Björk", f"Jóga {n} \U0001f3b5") for n in range(5000)]


def test_lines_of_an_old_mac_are_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.csv", (HEADER + f"u1,{NIGHT},A,S1\nu2,{NIGHT},B,S2\n").replace("\n", "\r"))
    assert listens(path) == [("u1", "A", "S1"), ("u2", "B", "S2")]


@pytest.mark.parametrize(("encoding", "name"), [("latin-1", "Latin-1"), ("cp1252", "Windows-1252")])
def test_the_sentence_says_which_other_encoding_it_is(tmp_path: Path, encoding: str, name: str) -> None:
    title = "Jóga" if encoding == "latin-1" else "Jóga – ‘live’"
    path = written(tmp_path / "plays.csv", (HEADER + f"u1,{NIGHT},A,{title}\n").encode(encoding))
    code = {"Latin-1": "ISO-8859-1", "Windows-1252": "WINDOWS-1252"}[name]
    assert refusal(path).endswith(
        f"plays.csv seems to be in {name}, not UTF-8: save it as UTF-8, or convert it with 'iconv -f {code} -t UTF-8'."
    )


def test_a_few_damaged_lines_of_utf8_are_no_other_encoding(tmp_path: Path) -> None:
    rows = f"u1,{NIGHT},A,Jóga\n".encode() * 5 + f"u1,{NIGHT},A,J".encode() + b"\xf3ga\n"
    summary, _ = read(written(tmp_path / "plays.csv", HEADER.encode() + rows))
    assert (summary.rejected["undecodable bytes"], summary.advice) == (1, ())


def test_a_column_that_is_there_twice_is_refused_in_text_and_in_parquet(tmp_path: Path) -> None:
    text = written(tmp_path / "plays.csv", f"user_id,timestamp,artist_name,track_name,artist_name\nu,{NIGHT},A,S,B\n")
    table = pl.read_csv(io.StringIO(HEADER + f"u,{NIGHT},A,S\n")).to_arrow()
    import pyarrow.parquet as pq

    packed = tmp_path / "plays.parquet"
    pq.write_table(table.append_column("artist_name", table["artist_name"]), packed)
    for path in (text, packed):
        assert refusal(path) == (
            f"{path} has 2 columns named 'artist_name' (for artist_name): rename or remove all but the right one."
        )


def test_other_columns_may_be_there_twice(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.csv", f"user_id,timestamp,artist_name,track_name,x,x\nu,{NIGHT},A,S,1,2\n")
    assert listens(path) == [("u", "A", "S")]


@pytest.mark.parametrize("line", [f"u1,{NIGHT},A,S1", "A,S1,01 Jan 2021 00:38", "u1,1609460665,A,S1"])
def test_a_first_line_that_holds_a_time_is_no_header(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "plays.csv", f"{line}\n" * 3)
    assert refusal(path).startswith(f"{path} seems to have no header, since its first line is {line.split(',')[0]!r}, ")


@pytest.mark.parametrize(
    ("text", "given", "form"),
    [
        ("1609460665", "iso", "epoch_seconds"),
        ("1609460665000", "iso", "epoch_milliseconds"),
        ("1609460665000", "epoch_seconds", "epoch_milliseconds"),
        (NIGHT, "epoch_seconds", "iso"),
        ("01 Jan 2021 00:38", "iso", "%d %b %Y %H:%M"),
        ("01 Jan 2021, 00:38", "iso", "%d %b %Y, %H:%M"),
    ],
)
def test_times_of_another_form_suggest_it_and_are_read_by_it(tmp_path: Path, text: str, given: str, form: str) -> None:
    path = written(tmp_path / "plays.tsv", f"u1\t{text}\t\tA\t\tS1\nu2\t{text}\t\tA\t\tS2\n")
    assert refusal(path, time_format=given).endswith(
        f'The times look like {text!r}: set [source] time_format = "{form}".'
    )
    assert len(listens(path, time_format=form)) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plays.tsv", "u1\t1997-12-04T15:55:49Z\t\tA\t\tS1\n"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n196,242,3,881250949\n"),
    ],
)
def test_a_log_from_before_the_earliest_time_says_which_setting_to_change(
    tmp_path: Path, name: str, content: str
) -> None:
    path = written(tmp_path / name, content)
    assert refusal(path).endswith(
        "read as 1997-12-04, before [source] earliest = 2000-01-01: set it to an earlier day if that is right."
    )
    assert len(listens(path, earliest=datetime(1995, 1, 1, tzinfo=UTC))) == 1


def test_times_before_the_first_year_are_a_sentence(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.tsv", "u1\t-99999999999\t\tA\t\tS1\n")
    assert "before [source] earliest = 2000-01-01" in refusal(path, time_format="epoch_seconds")


def test_times_after_the_end_of_the_log_suggest_no_earlier_one(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.tsv", f"u1\t{NIGHT}\t\tA\t\tS1\n")
    assert "earliest" not in refusal(path, latest=datetime(2010, 1, 1, tzinfo=UTC))


def test_numbers_as_times_of_parquet_suggest_their_unit(tmp_path: Path) -> None:
    path = tmp_path / "plays.parquet"
    frame = pl.DataFrame({"user_id": "u", "timestamp": [1609459200000], "artist_name": "A", "track_name": "S"})
    frame.write_parquet(path)
    assert refusal(path).endswith(
        'if they are milliseconds since 1970, set [source] time_format = "epoch_milliseconds".'
    )
    assert read(path, time_format="epoch_milliseconds")[1]["timestamp"].to_list() == [MOMENT]


@pytest.mark.parametrize("word", ["UTC", "GMT", "Z", "+00:00"])
def test_the_word_for_the_zone_is_read(tmp_path: Path, word: str) -> None:
    path = written(tmp_path / "plays.csv", HEADER + f"u1,2021-01-01 00:00:00 {word},A,S1\n")
    assert read(path)[1]["timestamp"].to_list() == [MOMENT]


FIVE = "Title\tArtist\tAlbum\tDate\tTimestamp\nS1\tA\tAl\t01 Jan 2021, 00:00\t1609459200\n"
MAPPING = {"artist_name": "Artist", "track_name": "title ", "timestamp": "TIMESTAMP"}


def test_a_mapping_is_used_for_a_tsv_with_a_header(tmp_path: Path) -> None:
    path = written(tmp_path / "anna.tsv", FIVE)
    given = {"columns": MAPPING, "time_format": "epoch_seconds"}
    assert listens(path, **given) == listens(path, user="file", **given) == [("anna", "A", "S1")]
    assert listens(path, user="Anna K.", **given) == [("Anna K.", "A", "S1")]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (FIVE, {}),  # nothing says that the user knows what the columns are
        (FIVE.replace("Album", "Listener"), MAPPING),  # there is a column that looks like one of users
    ],
)
def test_a_log_is_not_of_one_person_for_want_of_a_mapping(
    tmp_path: Path, content: str, columns: dict[str, str]
) -> None:
    path = written(tmp_path / "anna.tsv", content)
    assert "user_id" in refusal(path, columns=columns, time_format="epoch_seconds")


@pytest.mark.parametrize("others", ["", "\tx\ty"])
def test_a_tsv_with_a_header_of_four_or_six_columns_is_read_by_the_mapping(tmp_path: Path, others: str) -> None:
    path = written(tmp_path / "plays.tsv", f"user\ttime\tartist\ttrack{others}\nu1\t{NIGHT}\tA\tS1{others}\n")
    mapping = {"user_id": "user", "timestamp": "time", "artist_name": "artist", "track_name": "track"}
    assert listens(path, columns=mapping) == [("u1", "A", "S1")]
    if not others:
        assert refusal(path).endswith(
            "Map the columns in the settings file: [source] columns = "
            '{ user_id = "user", timestamp = "time", artist_name = "artist", track_name = "track" }.'
        )


def test_a_mapping_for_other_files_does_not_concern_lines_without_a_header(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.tsv", f"u1\t{NIGHT}\t\tA\t\tS1\n")
    assert listens(path, columns={"user_id": "listener", "track_name": "song"}) == [("u1", "A", "S1")]


def test_our_names_are_found_in_any_case_and_with_spaces(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.csv", f'"User ID", Timestamp ,ARTIST NAME,track_name\nu1,{NIGHT},A,S1\n')
    assert listens(path) == [("u1", "A", "S1")]


def test_files_and_sub_folders_name_the_users(tmp_path: Path) -> None:
    text = f"timestamp,artist_name,track_name\n{NIGHT},A,%s\n"
    for name in ("anna.csv", "ben/2020.csv", "ben/2021.csv", "ben/more/2022.csv"):
        written(tmp_path / "logs" / name, text % name)
    _, table = read(tmp_path / "logs", user="file")
    assert dict(zip(table["track_name"], table["user_id"], strict=True)) == {
        "anna.csv": "anna",
        "ben/2020.csv": "ben",
        "ben/2021.csv": "ben",
        "ben/more/2022.csv": "ben",
    }


def test_a_file_that_begins_with_an_underscore_is_read_and_what_is_left_out_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("anna", "_ben"):
        written(tmp_path / "logs" / f"{name}.csv", HEADER + f"{name},{NIGHT},A,S1\n")
    written(tmp_path / "logs" / "LICENSE", "free")
    written(tmp_path / "logs" / ".hidden.csv", HEADER)
    with caplog.at_level(logging.WARNING):
        assert {user for user, _, _ in listens(tmp_path / "logs")} == {"anna", "_ben"}
    assert caplog.messages == [f"{tmp_path / 'logs'}: not read: .hidden.csv (hidden), LICENSE (about the log)"]


def test_a_link_that_leads_nowhere_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    link = tmp_path / "logs" / "plays.csv"
    link.symlink_to("gone.csv")
    assert refusal(link) == f"{link} is a link that leads nowhere: correct the link, or give another path."
    assert refusal(tmp_path / "logs") == f"{link} is a link that leads nowhere: correct the link, or remove it."


@pytest.mark.parametrize("name", ["pipe", "pipe.csv", "pipe.zip"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert refusal(tmp_path / name) == (
        f"{tmp_path / name} is not a regular file: give the path of a file or of a folder of files."
    )


EDGES = [1609459200, 2**63 - 1, -(2**63), 0, None]


@pytest.mark.parametrize(("unit", "ticks"), [("ms", 10**3), ("us", 10**6)])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "+05:30", "Mars/Base"])
def test_times_of_parquet_beyond_the_calendar_are_unreadable_rows(
    tmp_path: Path, unit: str, ticks: int, zone: str | None
) -> None:
    times = pa.array([EDGES[0] * ticks, *EDGES[1:]], pa.timestamp(unit, zone))
    columns = {"user_id": ["u"] * 5, "timestamp": times, "artist_name": ["A"] * 5, "track_name": ["S"] * 5}
    pq.write_table(pa.table(columns), tmp_path / "plays.parquet")
    summary, kept = read(tmp_path / "plays.parquet")
    assert kept["timestamp"].to_list() == [MOMENT]
    assert (summary.rejected["unreadable timestamp"], summary.rejected["implausible date"]) == (3, 1)


def test_nanoseconds_and_days_of_parquet_at_their_ends_are_rows(tmp_path: Path) -> None:
    for name, times in (
        ("ns", pa.array([EDGES[0] * 10**9, *EDGES[1:]], pa.timestamp("ns"))),
        ("days", pa.array([18628, 2**31 - 1, -(2**31), 0, None], pa.date32())),
    ):
        columns = {"user_id": ["u"] * 5, "timestamp": times, "artist_name": ["A"] * 5, "track_name": ["S"] * 5}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        assert read(tmp_path / f"{name}.parquet")[1]["timestamp"].to_list() == [MOMENT]


@pytest.mark.parametrize("number", [1609459200 * 10**6, 1609459200 * 10**9, 44197])
def test_numbers_as_times_of_parquet_that_are_of_no_known_unit_are_named(tmp_path: Path, number: int) -> None:
    frame = pl.DataFrame({"user_id": "u", "timestamp": [number], "artist_name": "A", "track_name": "S"})
    frame.write_parquet(tmp_path / "plays.parquet")
    assert refusal(tmp_path / "plays.parquet").endswith(
        f"holds numbers such as {number}, which are neither seconds nor milliseconds since 1970: make it a datetime."
    )


@pytest.mark.parametrize(
    "names", ["listener\tplayed_at\tartist\talbum\ttitle\tms", "Wer\tWann\tWas\tAlbum\tLied\tDauer"]
)
def test_six_columns_under_other_names_are_not_taken_for_those_of_lastfm(tmp_path: Path, names: str) -> None:
    path = written(tmp_path / "plays.tsv", f"{names}\n" + f"u\t{NIGHT}\tA\tAl\tS\t200000\n" * 3)
    assert (
        f"has no column user_id, timestamp, artist_name, track_name; its columns are {names.split()[0]!r}, "
        in refusal(path)
    )


def test_a_first_line_with_a_damaged_time_is_no_header(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.tsv", f"u\tnever\t\tA\t\tS\nu\t{NIGHT}\t\tA\t\tS\n")
    assert listens(path) == [("u", "A", "S")]


def test_a_database_is_named_as_one_with_its_address(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "plays.db") as database:
        database.execute("create table plays (user_id)")
    assert refusal(tmp_path / "plays.db") == (
        f"{tmp_path}/plays.db is a database: give its address, sqlite:///{tmp_path}/plays.db, as LOOPBACK_SOURCE (source.name), "
        "and [source] table or query."
    )
    duck = written(tmp_path / "plays.duckdb", bytes(8) + b"DUCK" + bytes(100))
    assert f"give its address, duckdb:///{duck}, as" in refusal(duck)


def test_a_tar_that_is_not_packed_is_named_as_one(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "plays.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("plays.csv"))
    assert refusal(tmp_path / "plays.tar") == (
        f"{tmp_path}/plays.tar is packed by tar alone, which is not read: unpack it, or repack it with gzip."
    )


def test_what_is_packed_twice_is_named_as_such(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    packed = gzip.compress(f"{HEADER}u,{NIGHT},A,S\n".encode())
    twice = written(tmp_path / "plays.csv.gz", gzip.compress(packed))
    assert refusal(twice) == f"{twice} is packed twice: unpack it once."
    with zipfile.ZipFile(tmp_path / "plays.zip", "w") as archive:
        archive.writestr("more.csv.gz", packed)
        archive.writestr("plays.csv", f"{HEADER}v,{NIGHT},A,S\n")
    assert listens(tmp_path / "plays.zip") == [("v", "A", "S")]
    assert "more.csv.gz (packed once more: unpack it)" in caplog.text


def test_a_header_that_is_no_utf8_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "plays.csv", f"user;zeit;künstler;titel\nu;{NIGHT};A;S\n".encode("cp1252"))
    assert "'titel' (the first line is not UTF-8: save the file as UTF-8 first). Map the columns" in refusal(path)
