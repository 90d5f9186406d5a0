"""Files to raw rows: what the reader sees, and at which line."""

import gzip
import io
import tarfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens.reading import read_rows
from loopback_core.listens.time_forms import parse_times
from loopback_core.settings import SourceSettings

BJORK = "u1\t2009-05-04T23:08:57Z\ta-1\tBjörk\tt-1\tJóga"
ABBA = 'u2\t2009-05-04T23:10:00Z\t\tABBA\t\t"Waterloo" (live)'


def read(path: Path, block_bytes: int = 1 << 20, **source: object) -> pl.DataFrame:
    return pl.concat(read_rows(path, SourceSettings.model_validate(source), lambda _: None, block_bytes))


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_tab_separated_line_becomes_six_fields_and_quotes_stay(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_text(f"{BJORK}\n{ABBA}\n")
    assert read(path).rows() == [
        (1, "u1", "2009-05-04T23:08:57Z", "a-1", "Björk", "t-1", "Jóga", None, BJORK),
        (2, "u2", "2009-05-04T23:10:00Z", "", "ABBA", "", '"Waterloo" (live)', None, ABBA),
    ]


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_the_end_of_the_file_and_the_size_of_the_blocks_change_nothing(
    tmp_path: Path, end: str, block_bytes: int
) -> None:
    path = tmp_path / "log.tsv"
    path.write_bytes((f"{BJORK}\n\n{ABBA}{end}").encode())
    raw = read(path, block_bytes)
    assert raw.select("line", "text").rows() == [(1, BJORK), (2, ""), (3, ABBA)]
    assert raw["problem"].to_list() == [None, "wrong number of fields", None]


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_a_field(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{BJORK}\r\n{ABBA}\r\n".encode())
    raw = read(path)
    assert raw["user_id"].to_list() == ["u1", "u2"]
    assert raw["track_name"].to_list() == ["Jóga", '"Waterloo" (live)']


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    title = "one\u2028two\x0bthree\x85four\x1cfive"
    path = tmp_path / "log.tsv"
    path.write_bytes(f"u1\t2009-05-04T23:08:57Z\t\tA\t\t{title}\n".encode())
    assert read(path)["track_name"].to_list() == [title]


def test_a_line_that_is_no_utf8_is_seen_and_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_bytes(f"{BJORK}\n".encode() + b"u1\tBj\xf6rk\n" + f"{ABBA}\n".encode())
    assert read(path).select("line", "problem", "text").rows() == [
        (1, None, BJORK),
        (2, "undecodable bytes", "u1\tBj\ufffdrk"),
        (3, None, ABBA),
    ]


def test_a_gzipped_file_reads_like_the_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv.gz"
    path.write_bytes(gzip.compress(f"{BJORK}\n{ABBA}\n".encode()))
    assert read(path, block_bytes=16)["text"].to_list() == [BJORK, ABBA]


def test_of_a_lastfm_archive_only_the_listens_are_read(tmp_path: Path) -> None:
    members = {
        "x/README.txt": b"hello",
        "x/._userid-timestamp-artid.tsv": b"\x00\x05\x16\x07",
        "x/artists.tsv": b"no listen\n",
        "x/userid-profile.tsv": b"#id\tgender\n",
        "x/userid-timestamp-artid.tsv": f"{BJORK}\n{ABBA}\n".encode(),
    }
    assert read(write_tar(tmp_path / "log.tar.gz", members))["text"].to_list() == [BJORK, ABBA]


def test_lines_are_counted_on_through_the_members_of_an_archive(tmp_path: Path) -> None:
    members = {"a.tsv": BJORK.encode(), "b.tsv": f"{ABBA}\n".encode(), "userid-profile.tsv": b"#id\n"}
    raw = read(write_tar(tmp_path / "log.tar.gz", members))
    assert raw.select("line", "text").rows() == [(1, BJORK), (2, ABBA)]


def test_an_archive_without_a_tsv_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "log.tar.gz", {"README.txt": b"hello"})
    with pytest.raises(BadLogError, match=r"holds no log of a known layout, but README\.txt \(about the log\)"):
        read(path)


@pytest.mark.parametrize("name", ["log.tar.gz", "log.tsv.gz"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_truncated_archive_is_refused(tmp_path: Path, name: str, share: float) -> None:
    content = "".join(f"u{i * 7919}\t2009-05-04T23:08:57Z\t\tArtist {i}\t\tTitle\n" for i in range(5000)).encode()
    path = tmp_path / name
    if name.endswith(".tar.gz"):
        write_tar(path, {"log.tsv": content})
    else:
        path.write_bytes(gzip.compress(content))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BadLogError, match="truncated or damaged"):
        read(path)


def test_an_archive_that_is_a_web_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.tar.gz"
    path.write_text("<html>403</html>")
    with pytest.raises(BadLogError, match="truncated or damaged"):
        read(path)


@pytest.mark.parametrize("name", ["log.tsv", "log.tar.gz", "log.csv", "log.parquet"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadLogError, match=f"There is no file .*{name}"):
        read(tmp_path / name)


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.bin").write_bytes(bytes(range(256)))
    with pytest.raises(BadLogError, match=r"log\.bin is not a log: accepted is"):
        read(tmp_path / "log.bin")


def test_the_bytes_read_add_up_to_the_file(tmp_path: Path) -> None:
    told: list[int] = []
    path = tmp_path / "log.tsv"
    path.write_text(f"{BJORK}\n{ABBA}\n" * 100)
    list(read_rows(path, SourceSettings(), told.append, 256))
    assert sum(told) == path.stat().st_size
    assert len(told) > 10


HEADER = "track_name,user_id,timestamp,artist_name,plays\n"


def test_csv_quotes_columns_in_any_order_and_record_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(
        (
            "\ufeff" + HEADER + '"Say ""Hi"", you",u1,2009-05-04T23:08:57Z,"A, B",7\r\n'
            '"two\nlines",u2,2009-05-04T23:08:58Z,C,7\n'
            "ragged,u3\n"
            "\n"
            "last,u4,2009-05-04T23:08:59Z,D,7\n\n"
        ).encode()
    )
    raw = read(path)
    assert raw.select("line", "user_id", "artist_name", "track_name", "artist_mbid", "problem").rows() == [
        (2, "u1", "A, B", 'Say "Hi", you', None, None),
        (3, "u2", "C", "two\nlines", None, None),
        (5, None, None, None, None, "wrong number of fields"),
        (6, None, None, None, None, "wrong number of fields"),
        (7, "u4", "D", "last", None, None),
    ]
    assert raw["text"][0] == '"Say ""Hi"", you",u1,2009-05-04T23:08:57Z,"A, B",7'
    assert raw["text"][1] == '"two\nlines",u2,2009-05-04T23:08:58Z,C,7'


def test_csv_bytes_that_are_no_utf8_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(HEADER.encode() + b"J\xf3ga,u1,2009-05-04T23:08:57Z,A,7\nx,u1,2009-05-04T23:08:57Z,A,7\n")
    assert read(path).select("line", "problem", "text").rows() == [
        (2, "undecodable bytes", "J\ufffdga,u1,2009-05-04T23:08:57Z,A,7"),
        (3, None, "x,u1,2009-05-04T23:08:57Z,A,7"),
    ]


def test_csv_quote_that_never_closes_costs_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    good = "x,u1,2009-05-04T23:08:57Z,A,7\n"
    path.write_text(HEADER + good + '"open,u1,2009-05-04T23:08:57Z,A,7\n' + good * 6000)
    raw = read(path)
    assert raw["problem"].drop_nulls().to_list() == []
    assert raw["line"].to_list() == list(range(2, 6004))
    assert raw["track_name"][1] == '"open'


def test_csv_batches_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER + "".join(f"t{i},u1,2009-05-04T23:08:57Z,A,7\n" for i in range(5)))
    assert read(path, block_bytes=1024).equals(read(path))


def test_a_missing_column_is_named_with_those_that_are_there_and_how_to_map_them(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,timestamp,artist,track_name\n")
    with pytest.raises(BadLogError) as caught:
        read(path)
    assert "no column artist_name; its columns are 'user_id', 'timestamp', 'artist', 'track_name'" in str(caught.value)
    assert '[source] columns = { artist_name = "artist" }' in str(caught.value)


def test_a_mapped_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER)
    with pytest.raises(BadLogError, match=r"no column 'mbid' \(for artist_mbid\)"):
        read(path, columns={"artist_mbid": "mbid"})


def test_a_mapping_of_an_unknown_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER)
    with pytest.raises(SettingsError, match=r"source\.columns: artist is not one of our columns"):
        read(path, columns={"artist": "artist_name"})


def test_csv_and_parquet_columns_can_have_other_names(tmp_path: Path) -> None:
    columns = {
        "user_id": "who",
        "timestamp": "when",
        "artist_name": "artist",
        "track_name": "title",
        "track_mbid": "id",
    }
    frame = pl.DataFrame({"who": ["u1"], "when": ["2009-05-04"], "artist": ["A"], "title": ["T"], "id": ["i"]})
    frame.write_csv(tmp_path / "log.csv")
    frame.write_parquet(tmp_path / "log.parquet")
    fields = ("user_id", "timestamp", "artist_name", "track_name", "track_mbid", "artist_mbid")
    for name in ("log.csv", "log.parquet"):
        assert read(tmp_path / name, columns=columns).select(fields).rows() == [
            ("u1", "2009-05-04", "A", "T", "i", None)
        ]


def parquet(path: Path, **columns: object) -> Path:
    standard = {"user_id": ["u1"], "timestamp": ["2009-05-04T23:08:57Z"], "artist_name": ["A"], "track_name": ["T"]}
    pl.DataFrame(standard | columns).write_parquet(path)
    return path


def test_parquet_rows_are_counted_from_one_through_the_batches(tmp_path: Path) -> None:
    names = [f"u{i}" for i in range(5)]
    frame = pl.DataFrame({"user_id": names, "timestamp": "2009-05-04", "artist_name": "A", "track_name": "T"})
    frame.write_parquet(tmp_path / "log.parquet")
    raw = read(tmp_path / "log.parquet", block_bytes=1024)
    assert raw.select("line", "user_id").rows() == list(enumerate(names, start=1))
    assert raw["text"][4] == "u4\t2009-05-04\t\tA\t\tT"


@pytest.mark.parametrize(
    ("moment", "dtype", "text"),
    [
        (datetime(2009, 5, 4, 23, 8, 57), pl.Datetime("ms"), "2009-05-04T23:08:57Z"),
        (datetime(2009, 5, 4, 23, 8, 57, 250_000), pl.Datetime("ns", "UTC"), "2009-05-04T23:08:57.250Z"),
        (datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC), pl.Datetime("us", "Asia/Tokyo"), "2009-05-04T23:08:57Z"),
        (date(2009, 5, 4), pl.Date, "2009-05-04"),
        (None, pl.Datetime("us"), None),
    ],
)
def test_parquet_times_are_taken_as_utc(tmp_path: Path, moment: object, dtype: pl.DataType, text: str) -> None:
    raw = read(parquet(tmp_path / "log.parquet", timestamp=pl.Series([moment], dtype=dtype)))
    assert raw["timestamp"].to_list() == [text]


def test_parquet_ids_may_be_numbers_and_names_categories(tmp_path: Path) -> None:
    artist = pl.Series(["A"], dtype=pl.Categorical)
    raw = read(parquet(tmp_path / "log.parquet", user_id=[7], artist_name=artist))
    assert raw.select("user_id", "artist_name").row(0) == ("7", "A")


def test_parquet_text_that_is_no_utf8_is_seen(tmp_path: Path) -> None:
    names = pl.Series([b"T", b"J\xf3ga"], dtype=pl.Binary)
    same = {"user_id": ["u1"] * 2, "timestamp": ["2009-05-04"] * 2, "artist_name": ["A"] * 2}
    raw = read(parquet(tmp_path / "log.parquet", **same, track_name=names))
    assert raw["problem"].to_list() == [None, "undecodable bytes"]


def test_parquet_numbers_as_times_need_the_setting(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", timestamp=[1241478537])
    with pytest.raises(BadLogError, match=r'\[source\] time_format = "epoch_seconds"'):
        read(path)
    assert read(path, time_format="epoch_seconds")["timestamp"].to_list() == ["1241478537"]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadLogError, match="is not a readable Parquet file"):
        read(path)


MOMENT = datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2009-05-04T23:08:57Z", MOMENT),
        (" 2009-05-04 23:08:57 ", MOMENT),
        ("2009-05-05T01:08:57+02:00", MOMENT),
        ("2009-05-04T19:38:57-0330", MOMENT),
        ("2009-05-05T01:08:57+02", MOMENT),
        ("2009-05-04T23:08:57.250Z", MOMENT.replace(microsecond=250_000)),
        ("2009-05-04T23:08", MOMENT.replace(second=0)),
        ("2009-05-04", datetime(2009, 5, 4, tzinfo=UTC)),
        ("2009-02-30T00:00:00Z", None),
        ("2009-05-04T25:00:00Z", None),
        ("04.05.2009", None),
        ("1241478537", None),
        ("2009-05-04T23:08:57Z x", None),
        ("", None),
        (None, None),
    ],
)
def test_iso_8601_in_its_usual_forms_is_read_and_nothing_else(text: str | None, moment: datetime | None) -> None:
    assert parse_times(pl.Series([text], dtype=pl.String), "iso").to_list() == [moment]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1241478537", MOMENT),
        ("1241478537.25", MOMENT.replace(microsecond=250_000)),
        ("2009-05-04T23:08:57Z", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("", None),
    ],
)
def test_epoch_seconds_are_read_and_nothing_else(text: str, moment: datetime | None) -> None:
    assert parse_times(pl.Series([text]), "epoch_seconds").to_list() == [moment]


@pytest.mark.parametrize("line", [b"\n", b"a\tb\n", b"x" * 63 + b"\n"])
def test_a_frame_of_short_lines_holds_no_more_lines_than_one_of_64_bytes_each(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "log.tsv.gz"
    path.write_bytes(gzip.compress(line * 10_001 + b"u1\t" * 5 + b"end"))
    frames = list(read_rows(path, SourceSettings(), lambda _: None, block_bytes=64 * 100))
    assert max(frame.height for frame in frames) <= 100
    assert [line for frame in frames for line in frame["line"]] == list(range(1, 10_003))


def test_short_lines_among_long_ones_are_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_bytes(b"x" * 3000 + b"\n" * 3000 + b"y" * 3000 + b"\n")
    frames = list(read_rows(path, SourceSettings(), lambda _: None, block_bytes=64 * 100))
    assert max(frame.height for frame in frames) <= 100
    assert sum(frame.height for frame in frames) == 3001
