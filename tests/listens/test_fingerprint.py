import hashlib
import json
import os
import threading

import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.fingerprint import digest_of, digest_of_log
from loopback_core.listens.schema import RawLog

# FIPS 180-2, appendix B.1
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "home" / "digests.json"


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def count_reads(monkeypatch):
    reads = []
    file_digest = hashlib.file_digest

    def counted(file, algorithm):
        reads.append(file.name)
        return file_digest(file, algorithm)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return reads


def test_a_digest_is_the_sha256_of_the_bytes(tmp_path, cache):
    assert digest_of(written(tmp_path / "log.tsv", b"abc"), cache) == SHA256_OF_ABC


def test_an_unchanged_file_is_read_once(tmp_path, cache, monkeypatch):
    path, reads = written(tmp_path / "log.tsv", b"abc"), count_reads(monkeypatch)
    assert [digest_of(path, cache), digest_of(path, cache)] == [SHA256_OF_ABC] * 2
    assert len(reads) == 1


def test_a_relative_path_is_the_same_file(tmp_path, cache, monkeypatch):
    path, reads = written(tmp_path / "log.tsv", b"abc"), count_reads(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert digest_of(path, cache) == digest_of(path.relative_to(tmp_path), cache)
    assert len(reads) == 1


def test_other_bytes_of_the_same_size_at_another_time_are_read(tmp_path, cache):
    path = written(tmp_path / "log.tsv", b"xyz")
    os.utime(path, ns=(0, 1_000_000_000))
    digest_of(path, cache)
    written(path, b"abc")
    os.utime(path, ns=(0, 1_000_000_001))
    assert digest_of(path, cache) == SHA256_OF_ABC


def test_other_bytes_of_another_size_at_the_same_time_are_read(tmp_path, cache):
    path = written(tmp_path / "log.tsv", b"xy")
    os.utime(path, ns=(0, 1_000_000_000))
    digest_of(path, cache)
    written(path, b"abc")
    os.utime(path, ns=(0, 1_000_000_000))
    assert digest_of(path, cache) == SHA256_OF_ABC


@pytest.mark.parametrize("damage", [b"", b'{"half', b"\xff", b"[]"])
def test_a_damaged_cache_is_filled_again(tmp_path, cache, damage, monkeypatch):
    path, reads = written(tmp_path / "log.tsv", b"abc"), count_reads(monkeypatch)
    written(cache, damage)
    assert [digest_of(path, cache), digest_of(path, cache)] == [SHA256_OF_ABC] * 2
    assert len(reads) == 1


def test_a_file_that_grows_while_it_is_read_is_refused_and_not_remembered(tmp_path, cache, monkeypatch):
    path = written(tmp_path / "log.tsv", b"abc")
    file_digest = hashlib.file_digest

    def while_it_grows(file, algorithm):
        digest = file_digest(file, algorithm)
        written(path, b"abcd")
        return digest

    monkeypatch.setattr(hashlib, "file_digest", while_it_grows)
    with pytest.raises(BadLogError, match=r"log\.tsv changed while it was read; run again"):
        digest_of(path, cache)
    assert not cache.exists()


def test_a_missing_file_ends_in_a_sentence(tmp_path, cache):
    with pytest.raises(BadLogError, match=r"gone\.tsv cannot be read \(No such file"):
        digest_of(tmp_path / "gone.tsv", cache)


def test_runs_at_once_lose_none_of_each_others_digests(tmp_path, cache):
    paths = [written(tmp_path / f"{number}.tsv", b"%d" % number) for number in range(20)]
    runs = [threading.Thread(target=digest_of, args=(path, cache)) for path in paths]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    remembered = json.loads(cache.read_text())
    assert {key: entry["sha256"] for key, entry in remembered.items()} == {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def log_in(folder, contents=(b"one", b"two"), profiles=b"who", suffix=".tsv"):
    files = tuple(written(folder / f"{place}{suffix}", content) for place, content in enumerate(contents))
    return RawLog(folder.name, files, written(folder / "who.tsv", profiles) if profiles else None)


def test_the_same_bytes_elsewhere_are_the_same_log(tmp_path, cache):
    assert digest_of_log(log_in(tmp_path / "here"), cache) == digest_of_log(log_in(tmp_path / "there"), cache)


@pytest.mark.parametrize(
    "other",
    [
        {"contents": (b"two", b"one")},
        {"contents": (b"one",)},
        {"contents": (b"one", b"two", b"who"), "profiles": None},
        {"profiles": None},
        {"profiles": b"whom"},
        {"suffix": ".csv"},
    ],
)
def test_another_order_file_profile_or_format_is_another_log(tmp_path, cache, other):
    assert digest_of_log(log_in(tmp_path / "a"), cache) != digest_of_log(log_in(tmp_path / "b", **other), cache)


def test_the_digest_of_a_log_is_this_one_forever(tmp_path, cache):
    """Artifacts on people's disks carry it in their version."""
    lines = f"file .tsv {SHA256_OF_ABC}\nprofiles .tsv {SHA256_OF_ABC}\n"
    assert digest_of_log(log_in(tmp_path / "a", (b"abc",), b"abc"), cache) == hashlib.sha256(lines.encode()).hexdigest()
