"""Archives that hold more than regular files, and damaged ones."""

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.archive import DAMAGE, Member, listing, members
from loopback_core.listens.ingest import ingest
from loopback_core.listens.schema import RawLog
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings

LINES = b"u1\t2009-05-04T23:08:57Z\t\tA\t\tT\nu2\t2009-05-04T23:08:57Z\t\tA\t\tT\n"
WHO = b"#id\tgender\tage\tcountry\tregistered\nu1\tm\t\tPeru\t\n"
PROFILES = "userid-profile.tsv"

Entry = tuple[str, bytes, str]
"""Name, tarfile's type, and where a link points or, of a regular file, its text."""


def archive(path: Path, *entries: Entry) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, rest in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            content = rest.encode() if kind == tarfile.REGTYPE else b""
            info.size, info.linkname = len(content), rest if not content else ""
            tar.addfile(info, io.BytesIO(content))
    return path


def listens(name: str = "log.tsv") -> Entry:
    return name, tarfile.REGTYPE, LINES.decode()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    return name, kind, target


def found(path: Path) -> RawLog:
    return find_log(SourceSettings(name=str(path)), path.parent)


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ([link("log.tsv", "gone.tsv")], "log.tsv (a symbolic link)"),
        ([link("log.tsv", "log.tsv")], "log.tsv (a symbolic link)"),
        ([link("a.tsv", "b.tsv"), link("b.tsv", "a.tsv")], "a.tsv (a symbolic link), b.tsv (a symbolic link)"),
        ([link("log.tsv", "gone.tsv", tarfile.LNKTYPE)], "log.tsv (a hard link)"),
        ([link("log.tsv", "log.tsv", tarfile.LNKTYPE)], "log.tsv (a hard link)"),
        ([("log.tsv", tarfile.FIFOTYPE, "")], "log.tsv (a pipe)"),
        ([("log.tsv", tarfile.CHRTYPE, "")], "log.tsv (a device)"),
        ([("log.tsv", tarfile.BLKTYPE, "")], "log.tsv (a device)"),
        ([("log.tsv", tarfile.DIRTYPE, "")], "no files"),
        ([], "no files"),
    ],
)
def test_an_archive_without_a_regular_tsv_is_refused_with_what_it_holds(
    tmp_path: Path, entries: list[Entry], shown: str
) -> None:
    path = archive(tmp_path / "log.tar.gz", *entries)
    with pytest.raises(BadLogError) as raised:
        found(path)
    assert str(raised.value).startswith(f"{path} holds no log of a known layout, but {shown}: give a .tsv")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["log.tsv", "gone.tsv", "other.tsv", "/etc/passwd", PROFILES])
def test_links_among_regular_files_are_named_and_not_read(
    tmp_path: Path, kind: bytes, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = archive(tmp_path / "log.tar.gz", listens(), link("other.tsv", target, kind), link(PROFILES, target, kind))
    log = found(path)
    shown = "a symbolic link" if kind == tarfile.SYMTYPE else "a hard link"
    left_out = {f"log.tar.gz: {name}": shown for name in ("other.tsv", PROFILES)}
    assert log == RawLog("log.tar.gz", (path,), None, left_out=left_out)
    assert caplog.messages == [f"{path}: not read: " + ", ".join(f"{name} ({shown})" for name in left_out)]
    assert ingest(log, tmp_path / "out", SourceSettings()).rows == 2


def test_a_link_next_to_the_profiles_of_the_same_name_hides_nothing(tmp_path: Path) -> None:
    who = ("x/" + PROFILES, tarfile.REGTYPE, WHO.decode())
    path = archive(tmp_path / "log.tar.gz", listens(), link(PROFILES, "gone"), who)
    log = found(path)
    assert log.profiles == path
    assert ingest(log, tmp_path / "out", SourceSettings()).profiles == 1


@pytest.mark.parametrize("name", ["/etc/log.tsv", "../../log.tsv", "a/../log.tsv", "x" * 300 + ".tsv", "lo\ng.tsv"])
def test_the_names_in_an_archive_touch_no_file(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "log.tar.gz", listens(name))
    assert ingest(found(path), tmp_path / "out", SourceSettings()).rows == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["log.tar.gz", "out"]


def test_names_that_are_not_utf8_can_be_shown(tmp_path: Path) -> None:
    info = tarfile.TarInfo("log\udcff.csv")
    path = tmp_path / "log.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        tar.addfile(info)
    with pytest.raises(BadLogError, match=r"but log\\xff\.csv \(empty\): give a \.tsv"):
        found(path)


def test_ten_entries_are_shown_of_a_long_archive() -> None:
    assert listing([Member(str(number), "a pipe", None) for number in range(12)]).count("pipe") == 10


def test_many_headers_of_long_names_in_a_row_are_damage(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    path = tmp_path / "log.tar.gz"
    path.write_bytes(gzip.compress((info.tobuf(tarfile.GNU_FORMAT) + bytes(512)) * 3000))
    with pytest.raises(BadLogError, match="is truncated or damaged"):
        found(path)


def flipped(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :]


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


@pytest.mark.parametrize("damage", [flipped, cut])
def test_damage_anywhere_in_an_archive_raises_nothing_but_damage(
    tmp_path: Path, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    """Within the gzip stream, whose own checksum is made right, so that tarfile meets the damage."""
    draw = random.Random(0)
    path = archive(
        tmp_path / "log.tar.gz", listens(), ("x" * 200 + ".tsv", tarfile.REGTYPE, "more\n"), listens("b.tsv")
    )
    tar = gzip.decompress(path.read_bytes())[:6144]
    for _ in range(300):
        packed = io.BytesIO(gzip.compress(damage(tar, draw), 1))
        try:
            for member in members(packed):
                if member.content is not None:
                    member.content.read()
        except DAMAGE:
            pass
