import hashlib

import pytest

from loopback_core.listens.fingerprint import file_digests, log_digest
from loopback_core.listens.schema import RawLog

# FIPS 180-2, appendix B.1
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def log_in(folder, contents=(b"one", b"two"), profiles=b"who", suffix=".tsv"):
    folder.mkdir()
    files = [folder / f"{place}{suffix}" for place in range(len(contents))]
    for path, content in zip(files, contents, strict=True):
        path.write_bytes(content)
    if profiles:
        (folder / "who.tsv").write_bytes(profiles)
    return RawLog(folder.name, tuple(files), folder / "who.tsv" if profiles else None)


def digest_of_log(log):
    return log_digest(log, file_digests(log))


def test_every_file_has_a_digest_of_its_own(tmp_path):
    log = log_in(tmp_path / "a", (b"abc", b""), b"abc")
    assert file_digests(log) == {
        tmp_path / "a" / "0.tsv": SHA256_OF_ABC,
        tmp_path / "a" / "1.tsv": hashlib.sha256().hexdigest(),
        tmp_path / "a" / "who.tsv": SHA256_OF_ABC,
    }


def test_the_same_bytes_elsewhere_are_the_same_log(tmp_path):
    assert digest_of_log(log_in(tmp_path / "here")) == digest_of_log(log_in(tmp_path / "there"))


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
def test_another_order_file_profile_or_format_is_another_log(tmp_path, other):
    assert digest_of_log(log_in(tmp_path / "a")) != digest_of_log(log_in(tmp_path / "b", **other))


def test_the_digest_of_a_log_does_not_change_between_releases(tmp_path):
    """Artifacts on users' disks have it in their version."""
    lines = f"file .tsv {SHA256_OF_ABC}\nprofiles .tsv {SHA256_OF_ABC}\n"
    log = log_in(tmp_path / "a", (b"abc",), b"abc")
    assert digest_of_log(log) == hashlib.sha256(lines.encode()).hexdigest()
