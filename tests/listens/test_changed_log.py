"""Files that change after they were published: nothing is built from other bytes under their version."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens import cleaned_file as module
from loopback_core.listens.ingest import ingest
from loopback_core.listens.raw import log_of, publish_raw
from loopback_core.listens.schema import RawLog
from loopback_core.settings import SourceSettings
from loopback_core.store.artifacts import ArtifactStore

ROWS = [("u1", f"2009-05-{day:02}T00:00:00Z", "", "A", "", f"T{day}") for day in range(1, 9)]
OTHERS = [("u9", *row[1:]) for row in ROWS]
PROFILES = "userid-profile.tsv"


def tsv(rows: list[tuple[str, ...]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def tar_gz(rows: list[tuple[str, ...]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=0) as tar:
        for name, content in (("log.tsv", tsv(rows)), (PROFILES, b"u1\tm\t\tPeru\t\n")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def frame(rows: list[tuple[str, ...]]) -> pl.DataFrame:
    names = ["user_id", "timestamp", "artist_mbid", "artist_name", "track_mbid", "track_name"]
    return pl.DataFrame(rows, names, orient="row")


def parquet(rows: list[tuple[str, ...]]) -> bytes:
    packed = io.BytesIO()
    frame(rows).write_parquet(packed, compression="uncompressed")
    return packed.getvalue()


WRITERS: dict[str, Callable[[list[tuple[str, ...]]], bytes]] = {
    "log.tsv": tsv,
    "log.tsv.gz": lambda rows: gzip.compress(tsv(rows), 0),
    "log.tar.gz": tar_gz,
    "log.csv": lambda rows: frame(rows).write_csv().encode(),
    "log.parquet": parquet,
}


def published(path: Path) -> RawLog:
    return log_of(publish_raw(ArtifactStore(path.parent / "home"), SourceSettings(name=str(path)))[0])


@pytest.fixture(params=WRITERS)
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / request.param
    path.write_bytes(WRITERS[path.name](ROWS))
    return path


def change_unseen(path: Path, content: bytes) -> None:
    """Other bytes of the same size and time."""
    status = path.stat()
    assert len(content) == status.st_size and content != path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_a_log_as_it_was_published_is_read(path: Path, tmp_path: Path, block_bytes: int) -> None:
    assert ingest(published(path), tmp_path / "out", SourceSettings(), block_bytes).kept == len(ROWS)


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_a_log_that_changed_after_it_was_published_is_refused(path: Path, tmp_path: Path, block_bytes: int) -> None:
    log = published(path)
    change_unseen(path, WRITERS[path.name](OTHERS))
    with pytest.raises(BadLogError) as raised:
        ingest(log, tmp_path / "out", SourceSettings(), block_bytes)
    assert str(raised.value) == f"{path} was changed after raw_listens was materialized: materialize it again."
    assert not (tmp_path / "out" / "interactions.parquet").exists()


def test_damage_of_a_log_that_changed_is_reported_as_a_change(path: Path, tmp_path: Path) -> None:
    log = published(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BadLogError, match="was changed after raw_listens was materialized"):
        ingest(log, tmp_path / "out", SourceSettings())


def test_a_log_that_grows_while_it_is_read_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_while_it_grows(*arguments: object) -> Iterator[pl.DataFrame]:
        for number, rows in enumerate(read_rows(*arguments)):
            yield rows
            if number == 0:
                with path.open("ab") as file:
                    file.write(b"more\n")

    read_rows = module.read_rows
    log = published(path)
    monkeypatch.setattr(module, "read_rows", read_while_it_grows)
    with pytest.raises(BadLogError, match="was changed after raw_listens was materialized"):
        ingest(log, tmp_path / "out", SourceSettings(), 64)


def test_a_parquet_file_with_its_old_bytes_back_is_refused_when_it_was_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read out of order, so that its digest alone does not show what was read."""

    def read_other_bytes(*arguments: object) -> Iterator[pl.DataFrame]:
        sound = path.read_bytes()
        for rows in read_rows(*arguments):
            change_unseen(path, parquet(OTHERS))
            yield rows
            change_unseen(path, sound)

    read_rows = module.read_rows
    path = tmp_path / "log.parquet"
    path.write_bytes(parquet(ROWS))
    log = published(path)
    monkeypatch.setattr(module, "read_rows", read_other_bytes)
    with pytest.raises(BadLogError, match="changed while it was read"):
        ingest(log, tmp_path / "out", SourceSettings())


def test_profiles_that_changed_after_they_were_published_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    path.write_bytes(tsv(ROWS))
    (tmp_path / PROFILES).write_bytes(b"u1\tm\t\tPeru\t\n")
    log = published(path)
    assert ingest(log, tmp_path / "out", SourceSettings()).profiles == 1
    change_unseen(tmp_path / PROFILES, b"u1\tf\t\tPeru\t\n")
    with pytest.raises(BadLogError, match=f"{PROFILES} was changed after raw_listens was materialized"):
        ingest(log, tmp_path / "out", SourceSettings())


def test_a_log_that_became_a_pipe_is_refused_and_not_waited_for(path: Path, tmp_path: Path) -> None:
    log = published(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadLogError, match="is not a regular file"):
        ingest(log, tmp_path / "out", SourceSettings())
