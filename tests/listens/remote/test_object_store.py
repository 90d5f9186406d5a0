import http.server
import threading
import zlib

import boto3
import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from remote_rows import EXPECTED, FRAME, listens_of, source_at

from loopback_core.errors import BadLogError, DownloadError, SettingsError
from loopback_core.listens.raw import publish_raw

SECRET = "very-secret-key"


@pytest.fixture(scope="module")
def endpoint():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch, request, tmp_path):
    """A bucket of the test's own, for polars keeps what it knows of one, and a function that puts a table there."""
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a-key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    name = f"test-{zlib.crc32(request.node.name.encode())}"
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint)
    client.create_bucket(Bucket=name)

    def put(key, frame):
        frame.write_parquet(tmp_path / "table.parquet")
        client.put_object(Bucket=name, Key=key, Body=(tmp_path / "table.parquet").read_bytes())

    return name, put


def test_parquet_files_of_a_bucket_are_read_by_pattern_folder_or_name(bucket, store, tmp_path):
    name, put = bucket
    put("plays/1.parquet", FRAME[:2])
    put("plays/2.parquet", FRAME[2:])
    put("all.parquet", FRAME)
    versions = set()
    for number, path in enumerate(("plays/*.parquet", "plays/", "all.parquet")):
        raw, listens, counts = listens_of(store, source_at(f"s3://{name}/{path}"), tmp_path / str(number))
        assert (listens, counts["rows"]) == (EXPECTED, 5)
        assert pl.read_parquet_schema(raw.folder / "listens-00000.parquet").names() == [
            "listener",
            "played",
            "artist",
            "title",
        ]
        versions.add(raw.version)
    assert len(versions) == 1
    written = b"".join(path.read_bytes() for path in store.home.rglob("*") if path.is_file())
    assert SECRET.encode() not in written


def test_what_spark_leaves_in_a_folder_and_columns_that_come_later_do_no_harm(bucket, store, tmp_path):
    name, put = bucket
    put("plays/_SUCCESS", FRAME)
    put("plays/.1.parquet.crc", FRAME)
    put("plays/day=1/1.parquet", FRAME[:2].with_columns(track_mbid=pl.lit("an-id")))
    put("plays/day=2/2.parquet", FRAME[2:].with_columns(device=pl.lit("phone")))
    assert listens_of(store, source_at(f"s3://{name}/plays/"), tmp_path / "listens")[1] == EXPECTED


def test_a_delta_table_of_a_bucket_is_read(bucket, store, tmp_path):
    FRAME.write_delta(f"s3://{bucket[0]}/delta", storage_options={"AWS_S3_ALLOW_UNSAFE_RENAME": "true"})
    assert listens_of(store, source_at(f"delta://s3://{bucket[0]}/delta"), tmp_path / "listens")[1] == EXPECTED


@pytest.mark.filterwarnings("ignore:Iceberg scan planning")
def test_an_iceberg_table_of_a_bucket_is_read(bucket, endpoint, store, tmp_path):
    catalog = SqlCatalog(
        "music",
        uri=f"sqlite:///{tmp_path}/catalog.db",
        warehouse=f"s3://{bucket[0]}/warehouse",
        **{"s3.endpoint": endpoint, "s3.region": "us-east-1"},
    )
    catalog.create_namespace("log")
    table = catalog.create_table("log.plays", schema=FRAME.to_arrow().schema)
    table.append(FRAME.to_arrow())
    assert listens_of(store, source_at(f"iceberg://{table.metadata_location}"), tmp_path / "listens")[1] == EXPECTED


def test_a_new_file_of_a_bucket_is_another_version(bucket, store):
    name, put = bucket
    put("plays/1.parquet", FRAME)
    source = source_at(f"s3://{name}/plays/*.parquet")
    first, _ = publish_raw(store, source)
    assert publish_raw(store, source) == (first, True)
    put("plays/2.parquet", FRAME[:1])
    assert publish_raw(store, source)[0].version != first.version


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("none/*.parquet", r"There is nothing at s3://.*/none/\*\.parquet"),
        ("none.parquet", r"There is nothing at s3://.*/none\.parquet"),
        ("other.parquet", r"has no column 'listener' \(for user_id\), 'played' .*its columns are 'a'"),
        ("nested.parquet", r"the column 'title' holds List\(Int64\): make it text"),
        ("empty.parquet", "gives no row"),
    ],
)
def test_what_holds_no_listens_ends_in_a_sentence(bucket, store, path, sentence):
    name, put = bucket
    put("other.parquet", pl.DataFrame({"a": [1]}))
    put("nested.parquet", FRAME.with_columns(title=pl.concat_list("rating")))
    put("empty.parquet", FRAME[:0])
    with pytest.raises(BadLogError, match=sentence):
        publish_raw(store, source_at(f"s3://{name}/{path}"))


def test_a_store_has_no_query(bucket, store):
    with pytest.raises(SettingsError, match=r"source\.query and source\.table are read for databases only"):
        publish_raw(store, source_at(f"s3://{bucket[0]}/x.parquet", table="plays"))


@pytest.fixture
def web(tmp_path):
    """A server that asks for a signature, and its address; it answers as object stores do."""
    FRAME.write_parquet(tmp_path / "plays.parquet")
    content = (tmp_path / "plays.parquet").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            signed = "sig=good-signature" in self.path
            first, last = 0, len(content) - 1
            if wanted := self.headers.get("Range"):
                begin, _, end = wanted.removeprefix("bytes=").partition("-")
                first, last = (int(begin), int(end or last)) if begin else (max(len(content) - int(end), 0), last)
            body = content[first : last + 1] if signed else b"<Error><Code>AccessDenied</Code></Error>"
            self.send_response((206 if wanted else 200) if signed else 403)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            self.send_header("Last-Modified", "Mon, 04 May 2009 23:08:57 GMT")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/plays.parquet"
    server.shutdown()
    server.server_close()


def test_a_signed_address_is_read_and_its_signature_is_written_nowhere(web, store, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNATURE", "good-signature")
    raw, listens, _ = listens_of(store, source_at(f"{web}?sig=${{SIGNATURE}}"), tmp_path / "listens")
    assert listens == EXPECTED
    assert raw.summary["name"] == raw.manifest["settings"]["name"] == f"{web}?sig=***"
    assert not any(b"good-signature" in path.read_bytes() for path in store.home.rglob("*") if path.is_file())


def test_a_refused_signature_ends_in_a_sentence_without_it(web, store):
    with pytest.raises(BadLogError, match=r"\?sig=\*\*\* refuses the credentials") as caught:
        publish_raw(store, source_at(f"{web}?sig=bad-signature"))
    assert "bad-signature" not in str(caught.value)


def test_a_store_that_cannot_be_reached_is_tried_again_like_a_download(store, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-key")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with pytest.raises(DownloadError, match=r"s3://nowhere/x\.parquet cannot be reached .*check its host"):
        publish_raw(store, source_at("s3://nowhere/x.parquet"))
