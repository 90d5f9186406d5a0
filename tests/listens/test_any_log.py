"""What holds of any log: it comes back as it was written, and whatever its bytes are, no listen is lost without a word."""

import csv
import gzip
import io
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loopback_core.errors import BadLogError
from loopback_core.listens.ingest import IngestSummary, ingest
from loopback_core.listens.log_rules import normal_form
from loopback_core.listens.reading import read_rows
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings

COLUMNS = ("user_id", "timestamp", "artist_name", "track_name")
HEADER = b"user_id,timestamp,artist_name,track_name\n"

Listens = list[tuple[str, str, str, str]]

quickly = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

awkward = st.sampled_from(list("\",;|\t\n\r'\\ aä\u200b\ufeff\0")) | st.characters(exclude_categories=["Cs"])
texts = st.text(awkward, max_size=12)
moments = st.integers(0, 10**8).map(lambda after: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(seconds=after))
times = moments.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
tables = st.lists(st.tuples(texts, times, texts, texts), min_size=1, max_size=8)
names = texts.map(lambda text: normal_form(pl.Series([text])).item()).filter(
    lambda name: name and not any(character in name for character in "\t\n\r")
)
clean_tables = st.lists(st.tuples(names, times, names, names), min_size=1, max_size=8)


def written(listens: Listens, delimiter: str, quoting: int, end: str, order: tuple[int, ...]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([row[place] for place in order] for row in (COLUMNS, *listens))
    return out.getvalue().encode()


def fields(content: bytes, name: str, block_bytes: int = 1 << 20) -> Listens:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        frames = list(read_rows(path, SourceSettings(), lambda _: None, block_bytes))
    raw = pl.concat(frames)
    assert raw["problem"].null_count() == raw.height
    return raw.select(COLUMNS).rows()  # type: ignore[return-value]


def trimmed(listens: Listens) -> Listens:
    """A "\r" at the end of a line is a part of its end."""
    return [tuple(field.removesuffix("\r") for field in row) for row in listens]  # type: ignore[misc]


@quickly
@given(
    tables,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.permutations(range(4)).map(tuple),
    st.sampled_from(["log.csv", "LOG.TSV", "log.txt"]),
    st.sampled_from([1 << 20, 64, 7]),
)
@example([("u", "2005-01-01T00:00:00Z", "a\rb", "x,y")], ",", csv.QUOTE_MINIMAL, "\n", (0, 1, 2, 3), "log.csv", 64)
@example([("u", "2005-01-01T00:00:00Z", "A", 'a\n"b",c\r\n')], ",", csv.QUOTE_ALL, "\r\n", (3, 1, 2, 0), "log.csv", 7)
def test_any_table_comes_back_from_delimited_text(
    listens: Listens, delimiter: str, quoting: int, end: str, order: tuple[int, ...], name: str, block_bytes: int
) -> None:
    content = written(listens, delimiter, quoting, end, order)
    assert trimmed(fields(content, name, block_bytes)) == trimmed(listens)


@quickly
@given(tables)
def test_any_table_comes_back_from_parquet(listens: Listens) -> None:
    packed = io.BytesIO()
    pl.DataFrame(listens, COLUMNS, orient="row").write_parquet(packed)
    assert fields(packed.getvalue(), "log.parquet") == listens


def ingested(content: bytes, name: str, **source: object) -> tuple[IngestSummary, pl.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logs" / name
        path.parent.mkdir()
        path.write_bytes(content)
        given = SourceSettings.model_validate({"name": str(path), **source})
        summary = ingest(find_log(given, Path(folder) / "home"), Path(folder) / "out", given, block_bytes=4096)
        listens = pl.read_parquet(Path(folder) / "out" / "interactions.parquet", glob=False)
    return summary, listens


@settings(quickly, max_examples=60)
@given(clean_tables)
def test_every_layout_of_a_log_gives_the_same_interactions(listens: Listens) -> None:
    lines = "".join(f"{user}\t{time}\t\t{artist}\t\t{title}\n" for user, time, artist, title in listens).encode()
    packed = io.BytesIO()
    pl.DataFrame(listens, COLUMNS, orient="row").write_parquet(packed)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a/log.tsv", lines)
    logs = {
        "log.tsv": lines,
        "log.tsv.gz": gzip.compress(lines),
        "log.zip": zipped.getvalue(),
        "log.csv": written(listens, ";", csv.QUOTE_MINIMAL, "\n", (2, 0, 3, 1)),
        "utf16.csv": written(listens, ",", csv.QUOTE_ALL, "\r\n", (0, 1, 2, 3)).decode().encode("utf-16"),
        "log.parquet": packed.getvalue(),
    }
    tables = [ingested(content, name)[1].drop("line") for name, content in logs.items()]
    for table in tables[1:]:
        assert table.equals(tables[0])


good = b"u1,2009-05-04T23:08:57Z,A,T\n"
pieces = st.sampled_from(
    [
        good,
        HEADER,
        b"u\t2009-05-04T23:08:57Z\t\tA\t\tT\n",
        b'"',
        b'""',
        b"\n",
        b"\r\n",
        b"\xef\xbb\xbf",
        b"\0",
        b",",
        b"\xff",
    ]
) | st.binary(max_size=20)
contents = st.lists(pieces, max_size=12).map(b"".join)
names_of_files = st.sampled_from(
    ["log.csv", "log.tsv", "log.CSV.GZ", "log.tar.gz", "log.zip", "log.parquet", "log.json", "log"]
)


@settings(quickly, max_examples=300)
@given(contents, st.booleans(), names_of_files, st.sampled_from(["none", "gzip", "zip"]))
def test_any_bytes_end_in_counted_rows_or_in_one_sentence(content: bytes, header: bool, name: str, packed: str) -> None:
    content = HEADER * header + content
    if packed == "gzip":
        content = gzip.compress(content)
    elif packed == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("log.csv", content)
        content = buffer.getvalue()
    try:
        summary, listens = ingested(content, name)
    except BadLogError as error:
        assert "\n" not in str(error)
        assert "fault of loopback" not in str(error)
        return
    assert listens.height == summary.kept
    assert summary.kept + sum(summary.rejected.values()) == summary.rows


@settings(quickly, max_examples=200)
@given(
    st.integers(0, 10**6), st.integers(0, 255), st.sampled_from(["log.zip", "log.tar.gz", "log.tsv.gz", "log.parquet"])
)
def test_a_flipped_byte_of_a_packed_log_is_noticed_or_changes_rows_that_are_counted(
    at: int, byte: int, name: str
) -> None:
    content = bytearray(PACKED[name])
    content[at % len(content)] = byte
    try:
        summary, _ = ingested(bytes(content), name)
    except BadLogError:
        return
    assert summary.rows == 50


def packed_logs() -> dict[str, bytes]:
    import tarfile

    lines = b"".join(b"u%d\t2009-05-04T23:08:57Z\t\tA\t\tT%d\n" % (number % 3, number) for number in range(50))
    zipped, tarred, parquet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.tsv", lines)
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        info = tarfile.TarInfo("log.tsv")
        info.size = len(lines)
        tar.addfile(info, io.BytesIO(lines))
    rows = [line.decode().split("\t") for line in lines.splitlines()]
    frame = pl.DataFrame([(row[0], row[1], row[3], row[5]) for row in rows], COLUMNS, orient="row")
    frame.write_parquet(parquet)
    return {
        "log.zip": zipped.getvalue(),
        "log.tar.gz": tarred.getvalue(),
        "log.tsv.gz": gzip.compress(lines),
        "log.parquet": parquet.getvalue(),
    }


PACKED = packed_logs()
