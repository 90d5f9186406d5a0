"""The profiles next to a log."""

import io
import tarfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.ingest import ingest
from loopback_core.listens.profiles import read_profiles
from loopback_core.listens.schema import RawLog
from loopback_core.settings import SourceSettings

HEADER = "#id\tgender\tage\tcountry\tregistered\n"
LATEST = datetime(2020, 1, 1, tzinfo=UTC)


def read(
    path: Path, content: bytes | str, users: list[str]
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    profiles, rejects = read_profiles(path, pl.Series(users), SourceSettings(), LATEST)
    return profiles.rows(), rejects.rows()


def test_profiles_of_users_in_the_log_are_read_and_empty_values_are_null(tmp_path: Path) -> None:
    content = HEADER + "u2\tF\t\tPeru\tFeb 24, 2006\nu1\tm\t22\t\t2005-10-30\nu3\tm\t30\tPeru\t\n"
    assert read(tmp_path / "p.tsv", content, ["u1", "u2", "u9"]) == (
        [("u1", "m", 22, None, date(2005, 10, 30)), ("u2", "f", None, "Peru", date(2006, 2, 24))],
        [],
    )


def test_odd_values_become_null_and_are_kept_with_their_line(tmp_path: Path) -> None:
    content = HEADER + (
        "u1\tx\t4\tJapan\tMay 4, 2006\n"
        "u2\tm\ttwenty\tJapan\tsome day\n"
        "u3\tm\t8\tJapan\tAug 13, 1906\n"
        "u4\tm\t101\tJapan\tAug 13, 2036\n"
        "u5\tm\t100\tJapan\tAug 32, 2006\n"
    )
    profiles, odd = read(tmp_path / "p.tsv", content, ["u1", "u2", "u3", "u4", "u5"])
    assert profiles == [
        ("u1", None, None, "Japan", date(2006, 5, 4)),
        ("u2", "m", None, "Japan", None),
        ("u3", "m", 8, "Japan", None),
        ("u4", "m", None, "Japan", None),
        ("u5", "m", 100, "Japan", None),
    ]
    assert odd == [
        (2, "odd age", "4"),
        (2, "odd gender", "x"),
        (3, "odd age", "twenty"),
        (3, "odd registered", "some day"),
        (4, "odd registered", "Aug 13, 1906"),
        (5, "odd age", "101"),
        (5, "odd registered", "Aug 13, 2036"),
        (6, "odd registered", "Aug 32, 2006"),
    ]


def test_rows_that_are_no_profiles_are_kept_with_their_line(tmp_path: Path) -> None:
    content = b"u1\tm\t20\tPeru\tMay 4, 2006\n\tm\t20\tPeru\t\nu2\tm\nu3\tm\t20\tPer\xfa\t\nu1\tf\t30\tPeru\t\n"
    assert read(tmp_path / "p.tsv", content, ["u1", "u2", "u3"]) == (
        [("u1", "m", 20, "Peru", date(2006, 5, 4))],
        [
            (2, "missing user", "\tm\t20\tPeru\t"),
            (3, "wrong number of fields", "u2\tm"),
            (4, "undecodable bytes", "u3\tm\t20\tPer\ufffd\t"),
            (5, "repeated user", "u1\tf\t30\tPeru\t"),
        ],
    )


def test_an_empty_file_of_profiles_holds_none(tmp_path: Path) -> None:
    assert read(tmp_path / "p.tsv", "", ["u1"]) == ([], [])


def test_missing_profiles_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadLogError, match=r"There is no file .*p\.tsv"):
        read_profiles(tmp_path / "p.tsv", pl.Series(["u1"]), SourceSettings(), LATEST)


def test_ingest_joins_the_profiles_of_the_log_s_archive(tmp_path: Path) -> None:
    members = {
        "x/userid-profile.tsv": HEADER + "u1\tf\t4\tPeru\t\nu7\tm\t20\tPeru\t\n",
        "x/userid-timestamp.tsv": "u1\t2009-05-04T23:08:57Z\t\tA\t\tT\nu2\t2009-05-04T23:08:57Z\t\tA\t\tT\n",
    }
    archive = tmp_path / "log.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    out = tmp_path / "out"
    summary = ingest(RawLog("test", (archive,), archive), out, SourceSettings())
    assert (summary.rows, summary.users, summary.profiles, summary.odd_profile_values) == (2, 2, 1, 1)
    assert pl.read_parquet(out / "profiles.parquet").rows() == [("u1", "f", None, "Peru", None)]
    assert pl.read_parquet(out / "profile_rejects.parquet").rows() == [(2, "odd age", "4")]
