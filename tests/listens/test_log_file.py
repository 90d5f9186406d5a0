"""Files that are digested while they are read."""

import hashlib
import os
from pathlib import Path

import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.log_file import BUFFER_BYTES, LogFile, file_digest, open_log

CONTENT = bytes(range(256)) * (BUFFER_BYTES // 64)  # four buffers
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log.tsv"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("size", [1000, BUFFER_BYTES, 3 * BUFFER_BYTES + 7, -1])
def test_the_digest_is_that_of_the_bytes_that_were_read(path: Path, size: int) -> None:
    with open_log(path, SHA256) as file:
        assert b"".join(iter(lambda: file.read(size), b"")) == CONTENT


def test_what_was_not_read_is_digested_too(path: Path) -> None:
    with open_log(path, SHA256) as file:
        assert file.read(10) == CONTENT[:10]


@pytest.mark.parametrize("place", [0, BUFFER_BYTES - 1, BUFFER_BYTES, len(CONTENT) - 1])
def test_one_flipped_bit_is_refused_at_the_end(path: Path, place: int) -> None:
    other = bytearray(CONTENT)
    other[place] ^= 1
    path.write_bytes(other)
    with pytest.raises(BadLogError) as raised, open_log(path, SHA256) as file:
        assert file.read() == other
    assert str(raised.value) == f"{path} was changed after raw_listens was materialized: materialize it again."


def test_other_bytes_are_the_reason_of_whatever_error_they_cause(path: Path) -> None:
    path.write_bytes(CONTENT[1:])
    with pytest.raises(BadLogError, match="was changed after raw_listens"), open_log(path, SHA256) as file:
        file.read(1)
        raise ZeroDivisionError


def test_an_error_with_the_right_bytes_stays_as_it_is(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_log(path, SHA256):
        raise ZeroDivisionError


def test_a_file_that_grows_or_is_replaced_while_it_is_read_is_refused(path: Path) -> None:
    def append(path: Path) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    def replace(path: Path) -> None:
        """By the same bytes, of the same time."""
        status, copy = path.stat(), path.with_name("copy")
        copy.write_bytes(CONTENT)
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
        copy.replace(path)

    for change in (append, replace, Path.unlink):
        path.write_bytes(CONTENT)
        with LogFile(path) as file:
            file.refuse_changed()
            change(path)
            with pytest.raises(BadLogError, match=r"log\.tsv changed while it was read; run again"):
                file.refuse_changed()


def test_the_digest_of_a_file_is_read_also_where_size_and_time_are_the_same(path: Path) -> None:
    assert file_digest(path) == SHA256
    status = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digest(path) == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_a_missing_file_and_a_folder_end_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadLogError, match=r"There is no file .*gone\.tsv: correct the path"):
        LogFile(tmp_path / "gone.tsv")
    with pytest.raises(BadLogError, match="is not a regular file"):
        LogFile(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tsv")
    with pytest.raises(BadLogError, match=r"pipe\.tsv is not a regular file"):
        LogFile(tmp_path / "pipe.tsv")


def test_a_disk_that_fails_ends_in_a_sentence(path: Path) -> None:
    class Broken:
        closed = False

        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

        def close(self) -> None:
            pass

    with LogFile(path) as file:
        file._file.close()
        file._file = Broken()  # type: ignore[assignment]
        with pytest.raises(BadLogError, match=r"log\.tsv cannot be read \(Input/output error\)"):
            file.sha256()
