"""Zips as they come, with what must not be read, and damaged ones."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import MOST_HEADER_BYTES
from loopback_core.listens.ingest import ingest
from loopback_core.listens.schema import RawLog
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings

LINES = "u1\t2009-05-04T23:08:57Z\t\tA\t\tT\nu2\t2009-05-04T23:08:57Z\t\tA\t\tT\n"


def packed(path: Path, members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def found(path: Path, **source: object) -> RawLog:
    return find_log(SourceSettings.model_validate({"name": str(path), **source}), path.parent)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_one_layout_are_read_and_others_are_named(tmp_path: Path, method: int) -> None:
    members = {
        "x/a.tsv": LINES,
        "x/b.tsv": LINES.replace("A", "B"),
        "x/notes.pdf": b"%PDF",
        "x/table.csv": "name,size\n",
        "__MACOSX/x/._a.tsv": b"\0",
        "README.txt": "words",
    }
    path = packed(tmp_path / "LOG.ZIP", members, method)
    log = found(path)
    assert log.left_out == {
        "LOG.ZIP: x/notes.pdf": "of no known layout",
        "LOG.ZIP: x/table.csv": "of another layout than the listens",
        "LOG.ZIP: __MACOSX/x/._a.tsv": "hidden",
        "LOG.ZIP: README.txt": "about the log",
    }
    out = tmp_path / "out"
    assert ingest(log, out, SourceSettings()).rows == 4
    lines = pl.read_parquet(out / "interactions.parquet", glob=False).sort("line").select("line", "artist_name")
    assert lines.rows() == [(1, "A"), (2, "A"), (3, "B"), (4, "B")]


def test_listens_in_two_layouts_are_refused(tmp_path: Path) -> None:
    text = "user_id,timestamp,artist_name,track_name\nu1,2009-05-04,A,T\n"
    path = packed(tmp_path / "log.zip", {"a.tsv": LINES, "b.csv": text})
    with pytest.raises(BadLogError) as raised:
        found(path)
    assert str(raised.value).startswith(
        f"{path} holds listens in several layouts, a.tsv (Last.fm lines) and b.csv (text with a header): unpack it"
    )


def test_the_profiles_in_a_zip_are_found(tmp_path: Path) -> None:
    path = packed(tmp_path / "log.zip", {"a.tsv": LINES, "userid-profile.tsv": "#id\tg\ta\tc\tr\nu1\tm\t\tPeru\t\n"})
    log = found(path)
    assert (log.profiles, log.left_out) == (path, {})
    assert ingest(log, tmp_path / "out", SourceSettings()).profiles == 1


def test_members_name_the_users_where_each_is_the_history_of_one(tmp_path: Path) -> None:
    text = "timestamp,artist_name,track_name\n2009-05-04,A,T\n"
    source = SourceSettings(user="file")
    log = found(packed(tmp_path / "log.zip", {"x/anna.csv": text, "ben.csv": text}), user="file")
    assert ingest(log, tmp_path / "out", source).users == 2
    log = found(packed(tmp_path / "carl.zip", {"x/history.csv": text}), user="file")
    assert log.users == {tmp_path / "carl.zip": "carl"}


def test_a_link_in_a_zip_is_named_and_not_followed(tmp_path: Path) -> None:
    path = packed(tmp_path / "log.zip", {"a.tsv": LINES})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("b.tsv")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert found(path).left_out == {"log.zip: b.tsv": "a link or a device"}


def test_an_encrypted_zip_asks_for_its_password(tmp_path: Path) -> None:
    path = packed(tmp_path / "log.zip", {"a.tsv": LINES})
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(BadLogError) as raised:
        found(path)
    assert str(raised.value) == f"{path} is encrypted (a.tsv): unpack it with its password and give the folder."


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_zip_is_refused(tmp_path: Path, share: float) -> None:
    path = packed(tmp_path / "log.zip", {"a.tsv": LINES * 100})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(BadLogError, match=r"log\.zip is truncated or damaged"):
        found(path)


def test_a_packed_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.tsv", "w") as member:
        member.write(LINES.encode())
        for _ in range(80):
            member.write(b"x" * (1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(BadLogError, match="has a line of over 64 MiB"):
        ingest(found(path), tmp_path / "out", SourceSettings(), block_bytes=1 << 20)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_of_a_tar_that_would_fill_the_memory_is_damage(tmp_path: Path, kind: bytes) -> None:
    import gzip

    info = tarfile.TarInfo("name")
    info.type, info.size = kind, MOST_HEADER_BYTES + 1
    path = tmp_path / "log.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(MOST_HEADER_BYTES)))
    with pytest.raises(BadLogError, match="a header is too long"):
        found(path)


def test_an_xlsx_is_no_archive_of_listens(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/plays.tsv", LINES)
    path = tmp_path / "plays"
    path.write_bytes(content.getvalue())
    with pytest.raises(BadLogError, match="plays is not a log"):
        found(path)


def test_a_member_whose_name_was_cut_to_nothing_ends_in_a_sentence(tmp_path: Path) -> None:
    path = packed(tmp_path / "log.zip", {"log.tsv": LINES})
    content = path.read_bytes()
    at = content.rindex(b"log.tsv")  # in the index
    path.write_bytes(content[:at] + b"\0" + content[at + 1 :])
    with pytest.raises(BadLogError, match="is truncated or damaged"):
        found(path)
    both = [place for place in range(len(content)) if content.startswith(b"log.tsv", place)]
    path.write_bytes(bytes(0 if place in both else byte for place, byte in enumerate(content)))
    assert ingest(found(path), tmp_path / "out", SourceSettings()).rows == 2
