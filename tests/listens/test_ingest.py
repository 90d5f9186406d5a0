"""A raw log to clean listens and rejects."""

import csv
import dataclasses
import gzip
import io
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import ArtifactError, BadLogError
from loopback_core.listens.ingest import IngestSummary, ingest
from loopback_core.listens.log_rules import RAW_COLUMNS, Reason
from loopback_core.listens.schema import RawLog, RawRow, validate, validate_listens
from loopback_core.settings import SourceSettings

Row = tuple[str, str, str, str, str, str]
NIGHT = "2009-05-04T23:08:57Z"
MOMENT = datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC)


def row(
    user: str = "u1", time: str = NIGHT, artist: str = "A", title: str = "T", mbids: tuple[str, str] = ("", "")
) -> Row:
    return (user, time, mbids[0], artist, mbids[1], title)


def tsv(*rows: Row | bytes) -> bytes:
    lines = [line if isinstance(line, bytes) else "\t".join(line).encode() for line in rows]
    return b"".join(line + b"\n" for line in lines)


def run(
    folder: Path,
    *files: bytes,
    name: str = "log.tsv",
    block_bytes: int = 1 << 20,
    bucket_rows: int = 1000,
    **source: object,
) -> tuple[IngestSummary, pl.DataFrame, pl.DataFrame]:
    paths = []
    for index, content in enumerate(files):
        paths.append(folder / f"{index}_{name}")
        paths[-1].write_bytes(content)
    out = folder / "out"
    settings = SourceSettings.model_validate(source)
    summary = ingest(RawLog("test", tuple(paths), None), out, settings, block_bytes, bucket_rows)
    assert sorted(path.name for path in out.iterdir()) == ["interactions.parquet", "rejects.parquet"]
    listens, rejects = (pl.read_parquet(out / f"{name}.parquet", glob=False) for name in ("interactions", "rejects"))
    return summary, listens, rejects


def test_a_listen_comes_out_typed_and_named(tmp_path: Path) -> None:
    summary, listens, rejects = run(tmp_path, tsv(row(artist="Björk", title='"Jóga"', mbids=("a-1", "t-1"))))
    assert listens.rows(named=True) == [
        {
            "user_id": "u1",
            "timestamp": MOMENT,
            "artist_name": "Björk",
            "track_name": '"Jóga"',
            "artist_mbid": "a-1",
            "track_mbid": "t-1",
            "file": 0,
            "line": 1,
        }
    ]
    assert listens.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert rejects.schema == {"file": pl.UInt16, "line": pl.UInt32, "reason": pl.String, "text": pl.String}
    assert rejects.is_empty()
    assert json.loads(json.dumps(dataclasses.asdict(summary))) == {
        "rows": 1,
        "kept": 1,
        "rejected": dict.fromkeys(map(str, Reason), 0),
        "reject_share": 0.0,
        "users": 1,
        "tracks": 1,
        "artists": 1,
        "first_timestamp": "2009-05-04T23:08:57+00:00",
        "last_timestamp": "2009-05-04T23:08:57+00:00",
        "profiles": 0,
        "odd_profile_values": 0,
        "advice": [],
    }


PLANTED: list[tuple[Row | bytes, Reason | None]] = [
    (row(), None),
    (b"u1\t" + NIGHT.encode() + b"\t\tBj\xf6rk\t\tJ\xf3ga", Reason.UNDECODABLE_BYTES),
    (b"u1\t" + NIGHT.encode() + b"\t\tA\t\tT\tmore", Reason.WRONG_FIELD_COUNT),
    (row(user=" "), Reason.MISSING_USER),
    (row(artist="\u3000"), Reason.MISSING_ARTIST),
    (row(title=""), Reason.MISSING_TITLE),
    (row(time="yesterday"), Reason.UNREADABLE_TIMESTAMP),
    (row(time="1999-12-31T23:59:59Z"), Reason.IMPLAUSIBLE_DATE),
    (row(), Reason.EXACT_DUPLICATE),
    (row(time="2999-01-01T00:00:00Z"), Reason.IMPLAUSIBLE_DATE),
    (row(title="other"), None),
    (b"u1\t" + NIGHT.encode(), Reason.WRONG_FIELD_COUNT),
    (row(user="", artist="", title="", time=""), Reason.MISSING_USER),
    (row(artist="", title="", time=""), Reason.MISSING_ARTIST),
    (row(title="", time=""), Reason.MISSING_TITLE),
]
EXPECTED = {(line, reason.value) for line, (_, reason) in enumerate(PLANTED, start=1) if reason is not None}


def planted_tar() -> bytes:
    content = tsv(*(line for line, _ in PLANTED))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("userid-timestamp-artid-artname-traid-traname.tsv")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["log.tsv", "log.tsv.gz", "log.tar.gz"])
@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_each_planted_row_is_rejected_at_its_line_for_its_reason(tmp_path: Path, name: str, block_bytes: int) -> None:
    content = tsv(*(line for line, _ in PLANTED))
    files = {"log.tsv": content, "log.tsv.gz": gzip.compress(content), "log.tar.gz": planted_tar()}
    summary, listens, rejects = run(tmp_path, files[name], name=name, block_bytes=block_bytes)
    assert set(rejects.select("line", "reason").rows()) == EXPECTED
    assert rejects.height == len(EXPECTED)
    assert listens["line"].to_list() == [1, 11]
    assert (summary.rows, summary.kept, sum(summary.rejected.values())) == (15, 2, 13)
    assert summary.rejected == {
        "undecodable bytes": 1,
        "wrong number of fields": 2,
        "unreadable record": 0,
        "not music": 0,
        "not a listen": 0,
        "skipped": 0,
        "played too short": 0,
        "missing user": 2,
        "erased user": 0,
        "missing artist": 2,
        "missing title": 2,
        "unreadable timestamp": 1,
        "implausible date": 2,
        "exact duplicate": 1,
    }
    assert summary.reject_share == 12 / 15
    assert dict(rejects.select("line", "text").rows())[2] == f"u1\t{NIGHT}\t\tBj\ufffdrk\t\tJ\ufffdga"


def test_each_planted_row_of_a_csv_is_rejected_at_its_line_for_its_reason(tmp_path: Path) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(RAW_COLUMNS)
    for line, _ in PLANTED:
        writer.writerow(line.decode("utf-8", "surrogateescape").split("\t") if isinstance(line, bytes) else line)
    content = buffer.getvalue().encode("utf-8", "surrogateescape")
    _, listens, rejects = run(tmp_path, content, name="log.csv", block_bytes=1)
    assert set(rejects.select("line", "reason").rows()) == {(line + 1, reason) for line, reason in EXPECTED}
    assert listens["line"].to_list() == [2, 12]


def test_each_planted_row_of_a_parquet_file_is_rejected_at_its_row_for_its_reason(tmp_path: Path) -> None:
    readable = [(line, reason) for line, reason in PLANTED if not isinstance(line, bytes)]
    buffer = io.BytesIO()
    pl.DataFrame([line for line, _ in readable], schema=list(RAW_COLUMNS), orient="row").write_parquet(buffer)
    _, listens, rejects = run(tmp_path, buffer.getvalue(), name="log.parquet", block_bytes=1)
    assert set(rejects.select("line", "reason").rows()) == {
        (line, reason.value) for line, (_, reason) in enumerate(readable, start=1) if reason is not None
    }
    assert listens.height == 2


def test_one_name_written_in_two_ways_is_one_name(tmp_path: Path) -> None:
    composed, decomposed = "Beyonc\u00e9", "Beyonce\u0301"
    summary, listens, rejects = run(
        tmp_path,
        tsv(
            row(artist=composed, title="Halo"),
            row(artist=decomposed, title="  Halo\u00a0", time="2009-05-05T00:00:00Z"),
            row(artist=decomposed, title="Halo", user=" u1 "),
        ),
    )
    assert listens.select("artist_name", "track_name").unique().rows() == [(composed, "Halo")]
    assert (summary.users, summary.artists, summary.tracks) == (1, 1, 1)
    assert rejects.select("line", "reason").rows() == [(3, "exact duplicate")]


def test_the_same_title_by_two_artists_is_two_tracks(tmp_path: Path) -> None:
    summary, _, _ = run(tmp_path, tsv(row(artist="A"), row(artist="B"), row(artist="B", title="t")))
    assert (summary.artists, summary.tracks) == (2, 3)


def test_blank_mbids_are_missing_and_differing_ones_make_no_duplicate(tmp_path: Path) -> None:
    _, listens, rejects = run(
        tmp_path, tsv(row(mbids=(" ", "t-1")), row(mbids=("a-1", "t-1")), row(mbids=("", " t-1 ")))
    )
    assert listens.select("line", "artist_mbid", "track_mbid").rows() == [(1, None, "t-1"), (2, "a-1", "t-1")]
    assert rejects.select("line", "reason").rows() == [(3, "exact duplicate")]


def test_of_equal_rows_the_first_of_the_first_file_stays(tmp_path: Path) -> None:
    repeated = row(title="again")
    first = tsv(row(user="u0"), repeated, *(row(title=f"{i}") for i in range(20)), repeated)
    summary, listens, rejects = run(tmp_path, first, tsv(repeated, row(user="u2")), block_bytes=32, bucket_rows=1)
    assert listens.filter(track_name="again").select("file", "line").rows() == [(0, 2)]
    assert rejects.select("file", "line", "text").rows() == [(0, 23, "\t".join(repeated)), (1, 1, "\t".join(repeated))]
    assert summary.rejected["exact duplicate"] == 2
    assert summary.reject_share == 0.0
    assert listens.filter(user_id="u2").select("file", "line").rows() == [(1, 2)]


def test_listens_are_sorted_by_user_time_and_place_whatever_their_order_in_the_log(tmp_path: Path) -> None:
    def at(second: int) -> str:
        return f"2009-05-04T23:08:{second:02}Z"

    rows = [
        row("u2", at(9)),
        row("u1", at(8), title="b"),
        row("u1", at(8), title="a"),
        row("u10", at(5)),
        row("u2", at(3)),
        row("u1", at(1)),
    ]
    _, listens, _ = run(tmp_path, tsv(*rows))
    assert listens["line"].to_list() == [6, 2, 3, 4, 5, 1]


def test_the_sizes_of_blocks_and_buckets_change_nothing(tmp_path: Path) -> None:
    rows = [row(f"u{i * 7 % 13}", f"2009-05-{i % 28 + 1:02}T00:00:00Z", title=f"{i % 3}") for i in range(200)]
    results = []
    for block_bytes, bucket_rows in [(1 << 20, 1000), (1 << 20, 1), (64, 30), (500, 7)]:
        folder = tmp_path / f"{block_bytes}_{bucket_rows}"
        folder.mkdir()
        results.append(run(folder, tsv(*rows), block_bytes=block_bytes, bucket_rows=bucket_rows))
    summary, listens, rejects = results[0]
    assert summary.rows == 200 == listens.height + rejects.height
    assert summary.users == 13
    for other in results[1:]:
        assert other[0] == summary
        assert other[1].equals(listens)
        assert other[2].equals(rejects)


def test_the_same_log_makes_the_same_bytes(tmp_path: Path) -> None:
    rows = [row(f"u{i % 5}", title=f"{i % 11}") for i in range(100)]
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run(tmp_path / name, tsv(*rows), block_bytes=256, bucket_rows=20)
        contents.append([path.read_bytes() for path in sorted((tmp_path / name / "out").iterdir())])
    assert contents[0] == contents[1]


def test_a_folder_with_glob_signs_and_parts_of_a_killed_run_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "[x]*"
    (folder / "out" / "parts").mkdir(parents=True)
    pl.DataFrame({"user_id": ["ghost"]}).write_parquet(folder / "out" / "parts" / "000009.parquet")
    summary, listens, _ = run(folder, tsv(row()))
    assert summary.kept == listens.height == 1


def test_times_of_all_zones_come_out_in_utc(tmp_path: Path) -> None:
    _, listens, _ = run(
        tmp_path, tsv(row(time="2009-05-05T01:08:57+02:00"), row(title="b", time="2009-05-04 23:08:57"))
    )
    assert listens["timestamp"].to_list() == [MOMENT, MOMENT]


def test_epoch_seconds_are_read_when_the_settings_say_so(tmp_path: Path) -> None:
    content = tsv(row(time="1241478537"), row(time=NIGHT), row(time="1"))
    _, listens, rejects = run(tmp_path, content, time_format="epoch_seconds")
    assert listens["timestamp"].to_list() == [MOMENT]
    assert rejects["reason"].to_list() == ["unreadable timestamp", "implausible date"]


def test_the_plausible_times_are_a_setting_and_include_their_ends(tmp_path: Path) -> None:
    days = [row(time=f"2009-05-0{day}T00:00:00Z") for day in range(1, 6)]
    _, listens, rejects = run(tmp_path, tsv(*days), earliest="2009-05-02T00:00:00Z", latest="2009-05-04T00:00:00")
    assert listens["line"].to_list() == [2, 3, 4]
    assert rejects["line"].to_list() == [1, 5]


def test_a_long_line_is_kept_to_500_characters(tmp_path: Path) -> None:
    _, _, rejects = run(tmp_path, tsv(row(), "é".encode() * 2000, b"\xff" + "é".encode() * 2000))
    assert rejects["text"].to_list() == ["é" * 500, "\ufffd" + "é" * 499]


@pytest.mark.parametrize("name", ["log.tsv", "log.csv"])
def test_an_empty_log_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadLogError, match=r"The log test is empty: .*log\..sv has no row"):
        run(tmp_path, b"user_id,timestamp,artist_name,track_name" * name.endswith(".csv") + b"\n", name=name)
    with pytest.raises(BadLogError, match=r"log\..sv is empty: give a log with listens in it"):
        run(tmp_path, b"", name=name)
    assert not (tmp_path / "out" / "parts").exists()


def test_a_log_without_a_usable_row_is_refused_with_its_first_rows(tmp_path: Path) -> None:
    with pytest.raises(BadLogError) as caught:
        run(tmp_path, tsv(b"user,time,artist,title", row(time="x"), row(user=""), row(title="")))
    assert "No row of the log test can be used, of 4 (" in str(caught.value)
    assert "0_log.tsv line 1: wrong number of fields in 'user,time,artist,title'" in str(caught.value)
    assert "0_log.tsv line 2: unreadable timestamp" in str(caught.value)
    assert "line 4" not in str(caught.value)


def test_listens_that_break_the_schema_are_counted_and_shown(tmp_path: Path) -> None:
    _, listens, _ = run(tmp_path, tsv(row(), row(title="b"), row(title="c")))
    assert validate_listens(listens) is listens
    broken = listens.with_columns(track_name=pl.Series(["ok", " ", "cafe\u0301"]))
    with pytest.raises(
        ArtifactError, match=r"^2 values break the schema Listen \(track_name: names_are_normal, ' ' in"
    ):
        validate_listens(broken)
    with pytest.raises(ArtifactError, match="rows_are_sorted"):
        validate_listens(listens.reverse())
    with pytest.raises(ArtifactError, match="rows_are_sorted"):
        validate_listens(pl.concat([listens[:1], listens[:1]]))
    with pytest.raises(ArtifactError, match="timestamp: greater_than_or_equal"):
        validate_listens(listens.with_columns(timestamp=pl.lit(-1).cast(pl.Datetime("us", "UTC"))))
    with pytest.raises(ArtifactError, match="line: greater_than_or_equal"):
        validate_listens(listens[:1].with_columns(line=pl.lit(0, pl.UInt32)))
    with pytest.raises(ArtifactError, match="column_in_dataframe"):
        validate_listens(listens.drop("artist_name"))


def test_the_problem_of_a_raw_row_is_a_known_reason() -> None:
    nothing = dict.fromkeys(RAW_COLUMNS)
    types = {"line": pl.UInt32, **dict.fromkeys((*RAW_COLUMNS, "problem", "text"), pl.String)}
    good = pl.DataFrame([{"line": 1, **nothing, "problem": "undecodable bytes", "text": ""}], schema=types)
    assert validate(RawRow, good) is good
    with pytest.raises(ArtifactError, match="1 values break the schema RawRow"):
        validate(RawRow, good.with_columns(problem=pl.lit("boring")))
