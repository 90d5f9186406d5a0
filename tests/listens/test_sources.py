import gzip
import hashlib
import io
import os
import socket
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError, DownloadError
from loopback_core.listens import lastfm as lastfm_module
from loopback_core.listens.lastfm import ARCHIVE, EVENTS, EVENTS_MD5, FOLDER, lastfm_1k
from loopback_core.listens.layouts import LAYOUTS, recognition
from loopback_core.listens.layouts.layout import Layout
from loopback_core.listens.log_paths import ACCEPTED, PROFILES
from loopback_core.listens.schema import RawLog
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings

LISTENS = b"".join(b"user_%06d\t2009-05-04T23:08:57Z\t\tThe Planted\t\tSong %d\n" % (n, n) for n in range(500))
MD5 = hashlib.md5(LISTENS).hexdigest()
WHO = b"#id\tgender\tage\tcountry\tregistered\nuser_000001\tm\t\tJapan\tAug 13, 2006\n"


def tar_gz(**members):
    members = members or {EVENTS: LISTENS, PROFILES: WHO}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def written(path, content=LISTENS):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found(path, tmp_path):
    return find_log(SourceSettings(name=str(path)), tmp_path / "home")


def refusal(path, tmp_path):
    with pytest.raises(BadLogError) as raised:
        found(path, tmp_path)
    return str(raised.value)


def count_walks(monkeypatch):
    walks, walk = [], lastfm_module._md5_of_files
    monkeypatch.setattr(lastfm_module, "_md5_of_files", lambda archive: walks.append(archive) or walk(archive))
    return walks


# a path


@pytest.mark.parametrize("name", ["log.tsv", "log.csv", "LOG.TSV", "log", "lastfm.2009.tsv", "log.tsv.gz", "log.gz"])
def test_one_file_is_a_log(tmp_path, name):
    path = written(tmp_path / name, gzip.compress(LISTENS) if name.endswith(".gz") else LISTENS)
    assert found(path, tmp_path) == RawLog(name, (path,), None)


@pytest.mark.parametrize("name", ["log.tar.gz", "lastfm.tar.gz"])
def test_an_archive_may_hold_its_profiles(tmp_path, name):
    path = written(tmp_path / "a" / name, tar_gz())
    assert found(path, tmp_path) == RawLog(name, (path,), path)
    path = written(tmp_path / "b" / name, tar_gz(**{EVENTS: LISTENS}))
    assert found(path, tmp_path) == RawLog(name, (path,), None)


@pytest.mark.parametrize("name", ["log.tsv", "log.csv", "log.tar.gz"])
def test_profiles_next_to_a_file_belong_to_it(tmp_path, name):
    path = written(tmp_path / name, tar_gz(**{"listens.tsv": LISTENS}) if name.endswith(".gz") else LISTENS)
    profiles = written(tmp_path / PROFILES, WHO)
    assert found(path, tmp_path) == RawLog(name, (path,), profiles)


def test_a_folder_is_read_in_the_order_of_names_without_what_is_no_log(tmp_path):
    folder = tmp_path / "logs"
    files = tuple(written(folder / name) for name in ["2008.tsv", "2009.tsv", "2010.tsv"][::-1])[::-1]
    for name in ["README.txt", "manifest.json", ".DS_Store", "notes.pdf"]:
        written(folder / name, b"words")
    written(folder / "loopback.toml", b"[training]\nseed = 1\n")
    written(folder / "_SUCCESS", b"")
    left_out = {
        ".DS_Store": "hidden",
        "README.txt": "about the log",
        "_SUCCESS": f"{folder / '_SUCCESS'} is empty: give a log with listens in it, or move it elsewhere.",
        "loopback.toml": "settings",
        "manifest.json": "about the log",
        "notes.pdf": f"{folder / 'notes.pdf'} is not a log: accepted is {ACCEPTED}. Give another path, or move it elsewhere.",
    }
    assert found(folder, tmp_path) == RawLog("logs", files, None, left_out=left_out)
    profiles = written(folder / PROFILES, WHO)
    assert found(folder, tmp_path) == RawLog("logs", files, profiles, left_out=left_out)


def test_in_a_folder_of_archives_the_first_with_profiles_has_them(tmp_path):
    files = (
        written(tmp_path / "logs" / "a.tar.gz", tar_gz(**{"a.tsv": LISTENS})),
        written(tmp_path / "logs" / "b.tar.gz", tar_gz()),
        written(tmp_path / "logs" / "c.tar.gz", tar_gz()),
    )
    assert found(tmp_path / "logs", tmp_path) == RawLog("logs", files, files[1])


def test_a_tilde_is_the_home_folder_and_paths_become_absolute(tmp_path, monkeypatch):
    path = written(tmp_path / "log.tsv")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found("~/log.tsv", tmp_path).files == (path,)
    monkeypatch.chdir(tmp_path)
    assert found("log.tsv", tmp_path).files == (path,)
    assert found(".", tmp_path).files == (path,)


@pytest.mark.parametrize("name", ["lastfm-1K", "gone.tsv", "/gone/log.tsv"])
def test_what_is_neither_a_known_name_nor_a_path_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(name, tmp_path) == (
        f"There is no file or folder {tmp_path / name}: set LOOPBACK_SOURCE (source.name, now {name!r}) to 'sample', "
        f"'lastfm-1k', or the path of {ACCEPTED}."
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "source.name = '' is empty: give the path of "),
        (" ", "source.name = ' ' is empty: give the path of "),
        ("~no-such-user-here/log.tsv", "source.name = '~no-such-user-here/log.tsv' cannot be found ("),
        ("x" * 4000, f"source.name = '{'x' * 100}'... cannot be found (File name too long)"),
        ("x/" * 2048, f"source.name = '{'x/' * 50}'... cannot be found (File name too long)"),
    ],
)
@pytest.mark.parametrize("setting", ["name", "download_folder"])
def test_what_cannot_be_a_path_is_refused(tmp_path, name, sentence, setting):
    source = SourceSettings(**({"name": "lastfm-1k"} | {setting: name}))
    with pytest.raises(BadLogError) as raised:
        find_log(source, tmp_path / "home")
    assert str(raised.value).startswith(sentence.replace("source.name", f"source.{setting}"))
    assert len(str(raised.value)) < 400


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "log.tsv").symlink_to(tmp_path / "log.tsv")
    assert "cannot be found (Too many levels of symbolic links)" in refusal(tmp_path / "log.tsv", tmp_path)


def test_a_file_name_that_is_not_utf8_is_refused(tmp_path):
    path = written(Path(os.fsdecode(bytes(tmp_path) + b"/logs/log\xff.tsv")))
    sentence = f"The path {str(path)!r} is not UTF-8: rename the file or the folder."
    assert refusal(tmp_path / "logs", tmp_path) == sentence
    assert sentence.isascii()


def bound_socket(path):
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, bound_socket, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_a_socket_or_a_device_is_refused_and_not_waited_for(tmp_path, make, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 108 bytes
    Path("logs").mkdir()
    make(Path("logs/log.tsv"))
    for place in (Path("logs/log.tsv"), Path("logs")):
        assert refusal(place, tmp_path).startswith(str(tmp_path / "logs" / "log.tsv"))


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("gone")])
def test_profiles_that_are_not_a_file_are_refused(tmp_path, make):
    path = written(tmp_path / "log.tsv")
    make(tmp_path / PROFILES)
    assert str(tmp_path / PROFILES) in refusal(path, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("log.json", b'{"a": 1}', "is not a log: it holds JSON in no layout that is known."),
        ("log", b"words", f"is not a log: accepted is {ACCEPTED}."),
        ("log.tsv.bz2", b"BZh91AY", "is packed by bzip2, which is not read: unpack it, or repack it with gzip."),
        ("log.zip", b"words", "is truncated or damaged (File is not a zip file): fetch it again"),
        ("log.gz", b"words", "is truncated or damaged (Not a gzipped file (b'wo')): fetch it again"),
        ("log.txt", "user".encode("utf-16-le"), "seems to be UTF-16 without a byte order mark: save it as UTF-8."),
    ],
)
def test_a_file_of_an_unknown_kind_is_refused_and_left_out_of_a_folder_by_name(tmp_path, name, content, sentence):
    path = written(tmp_path / "logs" / name, content)
    assert refusal(path, tmp_path).startswith(f"{path} {sentence}")
    good = written(tmp_path / "logs" / "good.tsv")
    if name in ("log.zip", "log.gz"):  # these must be logs
        assert refusal(tmp_path / "logs", tmp_path).startswith(f"{path} {sentence}")
        return
    log = found(tmp_path / "logs", tmp_path)
    assert log.files == (good,)
    assert log.left_out[name].startswith(f"{path} {sentence}")


def test_other_tables_of_an_export_are_left_out_by_name(tmp_path, monkeypatch):
    class Export(Layout):
        name = "an export"

        def recognises(self, head):
            return head.text.startswith("export")

        def rows(self, stream, file, block_bytes):
            yield from ()

    monkeypatch.setattr(recognition, "LAYOUTS", (Export(), *LAYOUTS))
    path = written(tmp_path / "logs" / "plays.csv", b"export")
    written(tmp_path / "logs" / "devices.csv", b"device,name\n1,2\n")
    log = found(tmp_path / "logs", tmp_path)
    assert (log.files, log.left_out) == ((path,), {"devices.csv": "of another layout than the listens"})


def test_sub_folders_are_read_too_but_not_links_to_folders(tmp_path):
    deep = written(tmp_path / "logs" / "2009.tsv" / "log.tsv")
    flat = written(tmp_path / "logs" / "a.tsv")
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs")
    log = found(tmp_path / "logs", tmp_path)
    assert log.files == (deep, flat)
    assert list(log.left_out) == ["loop"]


def test_an_empty_file_is_refused(tmp_path):
    path = written(tmp_path / "logs" / "log.tsv", b"")
    assert refusal(path, tmp_path).startswith(f"{path} is empty")
    written(tmp_path / "logs" / "good.tsv")
    assert refusal(tmp_path / "logs", tmp_path).startswith(f"{path} is empty")


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path / "log.tsv")

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(path, tmp_path) == f"{path} cannot be read (Permission denied): make it readable and run again."


def test_profiles_alone_are_no_log(tmp_path):
    path = written(tmp_path / "logs" / PROFILES, WHO)
    assert refusal(path, tmp_path).startswith(f"{path} holds the profiles of the users, not their listens")
    assert refusal(path.parent, tmp_path).startswith(f"The folder {path.parent} holds no log")


@pytest.mark.parametrize("others", [[], ["README.txt", ".hidden.tsv"]])
def test_a_folder_with_nothing_usable_is_refused(tmp_path, others):
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in others:
        written(folder / name)
    assert refusal(folder, tmp_path).startswith(f"The folder {folder} holds no log")


@pytest.mark.parametrize(("one", "other"), [("a.tsv", "a.csv"), ("a.tsv", "a.tsv.gz"), ("a.parquet", "b.csv")])
def test_files_of_several_kinds_in_a_folder_are_refused(tmp_path, one, other):
    (tmp_path / "logs").mkdir()
    listens = pl.DataFrame({"user_id": ["u"], "timestamp": ["2009-05-04"], "artist_name": ["A"], "track_name": ["T"]})
    contents = {".tsv": LISTENS, ".csv": listens.write_csv().encode(), ".gz": gzip.compress(LISTENS)}
    for path in (tmp_path / "logs" / one, tmp_path / "logs" / other):
        if path.suffix == ".parquet":
            listens.write_parquet(path)
        else:
            written(path, contents[path.suffix])
    sentence = refusal(tmp_path / "logs", tmp_path)
    assert sentence.startswith(f"The folder {tmp_path / 'logs'} holds files of several kinds (")
    assert one in sentence
    assert other in sentence


def damaged_in_the_middle(packed):
    return packed[: len(packed) // 2] + b"\0\0\0\0" + packed[len(packed) // 2 + 4 :]


def damaged_header(packed):
    """The second tar header is zeroed inside a sound gzip stream whose checksum is that of the sound archive."""
    tar = bytearray(gzip.decompress(packed))
    second = 512 + (len(LISTENS) + 511) // 512 * 512
    tar[second : second + 512] = b"\xff" * 512
    return gzip.compress(bytes(tar))[:-8] + packed[-8:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:-1],
        lambda packed: packed[:5],
        damaged_in_the_middle,
        damaged_header,
        lambda packed: b"<html>Not found</html>",
        lambda packed: gzip.compress(LISTENS),
    ],
    ids=["half", "one byte short", "five bytes", "other bytes within", "bad header", "a web page", "no tar"],
)
def test_a_truncated_or_damaged_archive_is_refused(tmp_path, damage):
    path = written(tmp_path / "log.tar.gz", damage(tar_gz()))
    sentence = refusal(path, tmp_path)
    assert sentence.startswith(f"{path} is truncated or damaged (")
    assert sentence.endswith("): fetch it again, or repack it and check it with 'gzip --test'.")


@pytest.mark.parametrize("members", [{"README.txt": b"words"}, {PROFILES: WHO}, {"._log.tsv": b"\0\5\x16\7"}])
def test_an_archive_without_listens_is_refused(tmp_path, members):
    path = written(tmp_path / "log.tar.gz", tar_gz(**members))
    assert refusal(path, tmp_path).startswith(f"{path} holds no log of a known layout")


# lastfm-1k


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server of the folder <tmp_path>/mirror; `mirror.asked` lists the paths that were asked for."""
    monkeypatch.setenv("no_proxy", "*")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.asked, server.address = asked, f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()


def lastfm(home, *mirrors, folder=None):
    settings = SourceSettings(name="lastfm-1k", mirrors=list(mirrors), download_folder=folder and str(folder))
    return lastfm_1k(settings, home, events_md5=MD5, first_wait=0)


def test_the_published_checksum_is_that_of_the_original_events():
    assert EVENTS_MD5 == "64747b21563e3d2aa95751e0ddc46b68"


def test_an_archive_in_the_downloads_is_used(tmp_path):
    archive = written(tmp_path / "downloads" / ARCHIVE, tar_gz())
    assert lastfm(tmp_path) == RawLog("lastfm-1k", (archive,), archive)


def test_the_name_leads_to_the_published_set(tmp_path):
    archive = written(tmp_path / "downloads" / ARCHIVE, tar_gz())
    settings = SourceSettings(name="lastfm-1k")
    assert find_log(settings, tmp_path, events_md5=MD5).files == (archive,)
    with pytest.raises(BadLogError, match=f"MD5 of its events is {MD5} instead of {EVENTS_MD5}"):
        find_log(settings, tmp_path)


@pytest.mark.parametrize("inside", ["", FOLDER])
def test_unpacked_events_are_used_before_the_archive(tmp_path, inside):
    folder = tmp_path / "elsewhere"
    written(folder / ARCHIVE, tar_gz())
    events = written(folder / inside / EVENTS)
    assert lastfm(tmp_path, folder=folder) == RawLog("lastfm-1k", (events,), None)
    profiles = written(folder / inside / PROFILES, WHO)
    assert lastfm(tmp_path, folder=folder) == RawLog("lastfm-1k", (events,), profiles)


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (tar_gz(**{EVENTS: LISTENS[:-1], PROFILES: WHO}), "the MD5 of its events is"),
        (tar_gz()[:-100], "it is truncated or damaged"),
        (tar_gz(**{EVENTS: LISTENS}), f"it holds no {PROFILES}"),
        (tar_gz(**{"README.txt": b"words"}), f"it holds no {PROFILES} and no {EVENTS}"),
    ],
)
def test_an_archive_that_is_not_the_published_one_is_refused_and_left_alone(tmp_path, content, defect):
    archive = written(tmp_path / "downloads" / ARCHIVE, content)
    with pytest.raises(BadLogError) as raised:
        lastfm(tmp_path)
    assert str(raised.value).startswith(f"{archive} is not the published lastfm-1k log: {defect}")
    assert "Delete that file and it will be downloaded again" in str(raised.value)
    assert archive.read_bytes() == content


def test_events_that_are_not_the_published_ones_are_refused(tmp_path):
    events = written(tmp_path / "downloads" / EVENTS, LISTENS + b"one more\n")
    with pytest.raises(BadLogError, match="is not the published lastfm-1k log: the MD5 of its events is") as raised:
        lastfm(tmp_path)
    assert str(raised.value).startswith(str(events))


def test_an_empty_archive_is_refused(tmp_path):
    archive = written(tmp_path / "downloads" / ARCHIVE, b"")
    with pytest.raises(BadLogError, match=f"{archive} is empty"):
        lastfm(tmp_path)


def test_a_file_is_verified_once_until_its_bytes_change(tmp_path, monkeypatch):
    walks = count_walks(monkeypatch)
    archive = written(tmp_path / "downloads" / ARCHIVE, tar_gz())
    assert lastfm(tmp_path) == lastfm(tmp_path)
    assert len(walks) == 1
    status = archive.stat()
    written(archive, tar_gz()[:-1] + b"x")
    os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(BadLogError):
        lastfm(tmp_path)
    assert len(walks) == 2


def test_what_passed_one_checksum_is_verified_against_another(tmp_path):
    written(tmp_path / "downloads" / ARCHIVE, tar_gz())
    lastfm(tmp_path)
    with pytest.raises(BadLogError, match="instead of 0000"):
        lastfm_1k(SourceSettings(), tmp_path, events_md5="0000")


def test_a_failed_verification_is_not_remembered_as_a_pass(tmp_path):
    written(tmp_path / "downloads" / EVENTS, b"others")
    for _ in range(2):
        with pytest.raises(BadLogError, match="MD5"):
            lastfm(tmp_path)


def test_the_archive_is_downloaded_and_verified_once(tmp_path, mirror, monkeypatch):
    walks = count_walks(monkeypatch)
    written(tmp_path / "mirror" / "good.tar.gz", tar_gz())
    archive = tmp_path / "home" / "downloads" / ARCHIVE
    for _ in range(2):
        assert lastfm(tmp_path / "home", f"{mirror.address}/good.tar.gz") == RawLog("lastfm-1k", (archive,), archive)
    assert mirror.asked == ["/good.tar.gz"]
    assert len(walks) == 1


@pytest.mark.parametrize(
    "bad", [tar_gz()[:-100], tar_gz(**{EVENTS: LISTENS[::-1], PROFILES: WHO}), b"<html>Log in</html>"]
)
def test_a_mirror_with_another_file_gives_way_to_the_next(tmp_path, mirror, bad):
    written(tmp_path / "mirror" / "bad.tar.gz", bad)
    written(tmp_path / "mirror" / "good.tar.gz", tar_gz())
    urls = [f"{mirror.address}/{name}.tar.gz" for name in ["gone", "bad", "good"]]
    archive = lastfm(tmp_path / "home", *urls).files[0]
    assert archive.read_bytes() == tar_gz()
    assert set(mirror.asked) == {"/gone.tar.gz", "/bad.tar.gz", "/good.tar.gz"}


def test_a_corrupt_download_is_not_accepted_by_the_next_run(tmp_path, mirror):
    written(tmp_path / "mirror" / "bad.tar.gz", tar_gz()[:-100])
    folder = tmp_path / "home" / "downloads"
    for _ in range(2):
        with pytest.raises(DownloadError, match="not the published file: it is truncated or damaged"):
            lastfm(tmp_path / "home", f"{mirror.address}/bad.tar.gz")
        assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == []


def test_a_download_folder_can_be_read_by_its_path_afterwards(tmp_path, mirror):
    written(tmp_path / "mirror" / "good.tar.gz", tar_gz())
    archive = lastfm(tmp_path, f"{mirror.address}/good.tar.gz").files[0]
    hidden = dict.fromkeys([f".{ARCHIVE}.lock", f".{ARCHIVE}.verified"], "hidden")
    assert found(tmp_path / "downloads", tmp_path) == RawLog("downloads", (archive,), archive, left_out=hidden)
