import os

import pytest

from loopback_core.store import digests
from loopback_core.store.digests import file_sha256

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


@pytest.fixture
def settled(monkeypatch):
    """As if every file had been written long ago."""
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**18))


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == SHA256_OF_ABC


def test_a_file_that_stays_as_it_is_is_read_once(tmp_path, monkeypatch, settled):
    path, read = tmp_path / "file", []
    monkeypatch.setattr(digests, "_digest_of", lambda path, kind: read.append(path) or "digest")
    path.write_bytes(b"abc")
    assert [file_sha256(path), file_sha256(path)] == ["digest", "digest"]
    assert read == [path]


def test_a_change_is_seen_although_size_and_modification_time_stay(tmp_path, settled):
    path = tmp_path / "file"
    path.write_bytes(b"xyz")
    before, stat = file_sha256(path), path.stat()
    while path.stat().st_ctime_ns == stat.st_ctime_ns:  # the clock of the file system ticks slowly
        path.write_bytes(b"abc")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert before != file_sha256(path) == SHA256_OF_ABC


def test_what_was_written_a_moment_ago_is_read_again(tmp_path):
    path = tmp_path / "file"
    for content in (b"xyz", b"123", b"abc"):  # within one tick of the clock, perhaps
        path.write_bytes(content)
        last = file_sha256(path)
    assert last == SHA256_OF_ABC


def test_an_error_is_not_remembered(tmp_path, monkeypatch, settled):
    path = tmp_path / "file"
    path.write_bytes(b"abc")

    def fails(path, kind):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(digests, "_digest_of", fails)
        with pytest.raises(OSError, match="Input/output"):
            file_sha256(path)
    assert file_sha256(path) == SHA256_OF_ABC
