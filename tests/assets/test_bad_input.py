import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from loopback_core.listens.log_paths import ACCEPTED
from loopback_core.stages import CHAIN
from loopback_core.store.artifacts import Artifact, ArtifactStore

Materialize = Callable[..., dg.ExecuteInProcessResult]
Why = Callable[[dg.ExecuteInProcessResult], dict[str, str]]

EVENTS = "userid-timestamp-artid-artname-traid-traname.tsv"


def line(number: int, users: int = 10) -> bytes:
    """A good row: users take turns, an hour apart from 2006 on."""
    moment = f"2006-{1 + number // 672 % 12:02}-{1 + number // 24 % 28:02}T{number % 24:02}:00:00Z"
    return f"user_{number % users}\t{moment}\t\tArtist {number % 7}\t\tTitle {number % 31}".encode()


GOOD = [line(number) for number in range(100)]


def tsv(lines: list[bytes]) -> bytes:
    return b"".join(row + b"\n" for row in lines)


def spoiled(old: bytes, new: bytes) -> list[bytes]:
    """A hundred rows of which the first ten have `new` for `old`."""
    assert all(old in row for row in GOOD[:10])
    return [row.replace(old, new, 1) for row in GOOD[:10]] + GOOD[10:]


def tar_gz(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def artifacts(home: Path) -> dict[str, Artifact]:
    store = ArtifactStore(home)
    return {asset: store.latest(asset) for asset in CHAIN}


def last_good_is_untouched(home: Path, before: dict[str, Artifact], failed: str) -> bool:
    """Every version of before is whole, the failed asset and all below still point to it, nothing is half-written."""
    after = artifacts(home)
    below = CHAIN[CHAIN.index(failed) :]
    return (
        all(after[asset] == before[asset] for asset in below)
        and all(artifact.damaged_files() == {} for artifact in before.values())
        and not list((home / ".building").iterdir())
    )


ADVICE = {
    "undecodable bytes": ". log.tsv seems to be in Latin-1, not UTF-8: save it as UTF-8, or convert it with "
    "'iconv -f ISO-8859-1 -t UTF-8'"
}


@pytest.mark.parametrize(
    ("reason", "lines"),
    [
        ("missing user", [b" \t" + row.split(b"\t", 1)[1] for row in GOOD[:10]] + GOOD[10:]),
        (
            "missing artist",
            [row.replace(b"Artist %d" % (number % 7), b"") for number, row in enumerate(GOOD[:10])] + GOOD[10:],
        ),
        ("missing title", [row.rsplit(b"\t", 1)[0] + b"\t" for row in GOOD[:10]] + GOOD[10:]),
        ("unreadable timestamp", spoiled(b"2006-01", b"Jan 2006 ")),
        ("implausible date", spoiled(b"2006", b"1970")),
        ("wrong number of fields", spoiled(b"\t\t", b"\t")),
        ("undecodable bytes", spoiled(b"Title", b"\xff\xfe")),
    ],
)
def test_rows_that_cannot_be_used_are_counted_by_reason_and_stop_the_run(
    reason: str, lines: list[bytes], copied_home: Path, tmp_path: Path, materialize: Materialize, why: Why
) -> None:
    before = artifacts(copied_home)
    log = tmp_path / "log.tsv"
    log.write_bytes(tsv(lines))
    result = materialize(copied_home, source={"name": str(log)})
    assert not result.success
    (failed,) = (check for check in result.get_asset_check_evaluations() if not check.passed)
    assert failed.check_name == "reject_share"
    assert failed.description == (
        f"10.00 % of 100 rows were rejected; the limit is 5.00 % (10 {reason}; see rejects.parquet)"
        + ADVICE.get(reason, "")
    )
    assert last_good_is_untouched(copied_home, before, "temporal_splits")
    rejects = pl.read_parquet(artifacts(copied_home)["interactions"].folder / "rejects.parquet")
    assert rejects["line"].to_list() == list(range(1, 11)) and set(rejects["reason"]) == {reason}

    later = materialize(copied_home, "temporal_splits", source={"name": str(log)})
    version = artifacts(copied_home)["interactions"].version
    assert why(later)["temporal_splits"] == (
        f"interactions/{version} failed its check reject_share, so nothing is built on it: {failed.description}. "
        "Correct the cause and materialize interactions again, or change the threshold in [checks]."
    )
    assert last_good_is_untouched(copied_home, before, "temporal_splits")


def test_exact_duplicates_are_counted_and_left_out_and_stop_nothing(tmp_path: Path, materialize: Materialize) -> None:
    log = tmp_path / "log.tsv"
    log.write_bytes(tsv(GOOD + GOOD[:50]))
    result = materialize(tmp_path / "home", "*interactions", source={"name": str(log)})
    assert result.success
    summary = ArtifactStore(tmp_path / "home").latest("interactions").summary
    assert (summary["rows"], summary["kept"], summary["reject_share"]) == (150, 100, 0.0)
    assert {reason: rows for reason, rows in summary["rejected"].items() if rows} == {"exact duplicate": 50}


def nothing_usable(folder: Path) -> dict[str, Any]:
    (folder / "log.tsv").write_bytes(b"a line of something else\n")
    return {"source": {"name": f"{folder}/log.tsv"}}


def empty(folder: Path) -> dict[str, Any]:
    (folder / "log.tsv").write_bytes(b"")
    return {"source": {"name": f"{folder}/log.tsv"}}


def empty_member(folder: Path) -> dict[str, Any]:
    (folder / "log.tar.gz").write_bytes(tar_gz(EVENTS, b"\n"))
    return {"source": {"name": f"{folder}/log.tar.gz"}}


def truncated(folder: Path) -> dict[str, Any]:
    (folder / "log.tar.gz").write_bytes(tar_gz(EVENTS, tsv([line(i) for i in range(2000)]))[:-40])
    return {"source": {"name": f"{folder}/log.tar.gz"}}


def truncated_gzip(folder: Path) -> dict[str, Any]:
    (folder / "log.tsv.gz").write_bytes(gzip.compress(tsv(GOOD))[:-40])
    return {"source": {"name": f"{folder}/log.tsv.gz"}}


def missing(folder: Path) -> dict[str, Any]:
    return {"source": {"name": f"{folder}/nowhere.tsv"}}


def other_kind(folder: Path) -> dict[str, Any]:
    (folder / "log.txt").write_bytes(b"a text of something else\n")
    return {"source": {"name": f"{folder}/log.txt"}}


def other_columns(folder: Path) -> dict[str, Any]:
    (folder / "log.csv").write_text("user,timestamp,artist_name,track_name\nu,2006-01-01,a,t\n")
    return {"source": {"name": f"{folder}/log.csv"}}


def not_the_published_log(folder: Path) -> dict[str, Any]:
    (folder / EVENTS).write_bytes(tsv(GOOD))
    return {"source": {"name": "lastfm-1k", "download_folder": str(folder)}}


def one_user(folder: Path) -> dict[str, Any]:
    (folder / "log.tsv").write_bytes(tsv([line(number, users=1) for number in range(100)]))
    return {"source": {"name": f"{folder}/log.tsv"}}


def nothing_in_test(folder: Path) -> dict[str, Any]:
    (folder / "log.tsv").write_bytes(tsv(GOOD))
    split = {"strategy": "dates", "train_until": "2006-01-03T00:00:00Z", "validation_until": "2006-12-31T00:00:00Z"}
    return {"source": {"name": f"{folder}/log.tsv"}, "split": split}


@pytest.mark.parametrize(
    ("given", "failed", "sentence"),
    [
        (empty, "raw_listens", "{folder}/log.tsv is empty: give a log with listens in it, or move it elsewhere."),
        (
            missing,
            "raw_listens",
            "There is no file or folder {folder}/nowhere.tsv: set LOOPBACK_SOURCE (source.name, now "
            "'{folder}/nowhere.tsv') to 'sample', 'lastfm-1k', or the path of " + ACCEPTED + ".",
        ),
        (
            other_kind,
            "raw_listens",
            "{folder}/log.txt is not a log: accepted is " + ACCEPTED + ". Give another path, or move it elsewhere.",
        ),
        (
            truncated,
            "raw_listens",
            "{folder}/log.tar.gz is truncated or damaged (Compressed file ended before the end-of-stream marker was "
            "reached): fetch it again, or repack it and check it with 'gzip --test'.",
        ),
        (
            not_the_published_log,
            "raw_listens",
            "{folder}/" + EVENTS + " is not the published lastfm-1k log: the MD5 of its events is "
            f"{hashlib.md5(tsv(GOOD)).hexdigest()} instead of 64747b21563e3d2aa95751e0ddc46b68. Delete that file and it will "
            "be downloaded again, or put a good copy in its place; another log is used by setting LOOPBACK_SOURCE to "
            "its path.",
        ),
        (
            truncated_gzip,
            "raw_listens",
            "{folder}/log.tsv.gz is truncated or damaged (Compressed file ended before the end-of-stream marker was "
            "reached): fetch it again, or repack it and check it with 'gzip --test'.",
        ),
        (empty_member, "interactions", "The log log.tar.gz is empty: {folder}/log.tar.gz has no row."),
        (
            nothing_usable,
            "interactions",
            "No row of the log log.tsv can be used, of 1 (log.tsv line 1: wrong number of fields in 'a line of "
            "something else'). A row is UTF-8 text: user_id, timestamp, artist_mbid, artist_name, track_mbid, "
            "track_name; in a .tsv without a header separated by tabs. [source] time_format says how times are written.",
        ),
        (
            other_columns,
            "interactions",
            "{folder}/log.csv has no column user_id; its columns are 'user', 'timestamp', 'artist_name', 'track_name'. "
            'Map the columns in the settings file: [source] columns = {{ user_id = "user" }}.',
        ),
        (
            one_user,
            "temporal_splits",
            "Train holds the listens of one user only; towers learn from the differences between users: bring a log "
            "of at least two users. One person's history can be what a service is asked with that was trained on others: "
            "loopback recommend --history FILE.",
        ),
        (
            nothing_in_test,
            "temporal_splits",
            "The 'dates' split leaves no test events out of 100: bring a longer log, or change [split] (strategy, "
            "fractions or cut dates).",
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_log_that_cannot_be_used_is_one_sentence_and_the_last_good_artifacts_stay(
    given: Callable[[Path], dict[str, Any]],
    failed: str,
    sentence: str,
    copied_home: Path,
    tmp_path: Path,
    materialize: Materialize,
    why: Why,
) -> None:
    before = artifacts(copied_home)
    result = materialize(copied_home, **given(tmp_path))
    assert not result.success
    assert why(result) == {failed: sentence.format(folder=tmp_path)}
    assert last_good_is_untouched(copied_home, before, failed)
    assert materialize(copied_home, "evaluation").success  # the report is still there to be had


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        (
            "[training]\nepoch = 3\n",
            "Settings of LOOPBACK_CONFIG ({file}): training.epoch is not a setting; known are ",
        ),
        (
            "[trainin]\nepochs = 3\n",
            "Settings of LOOPBACK_CONFIG ({file}): trainin is not a setting; known are source, ",
        ),
        ("[training]\nepochs = '3'\n", "Settings of LOOPBACK_CONFIG ({file}): training.epochs = '3' is wrong: "),
        (
            "[split]\nstrategy = 'dates'\n",
            "Settings that contradict each other: split.strategy = 'dates' needs split.train_until and ",
        ),
        ("[training\n", "{file} is not a TOML file: "),
        (None, "There is no settings file {file}; "),
    ],
)
def test_a_settings_file_with_a_mistake_fails_the_run_with_the_key_and_the_file(
    toml: str | None,
    sentence: str,
    copied_home: Path,
    tmp_path: Path,
    materialize: Materialize,
    why: Why,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = artifacts(copied_home)
    file = tmp_path / "settings.toml"
    if toml is not None:
        file.write_text(toml)
    monkeypatch.setenv("LOOPBACK_CONFIG", str(file))
    told = why(materialize(copied_home))
    assert list(told) == ["raw_listens"] and told["raw_listens"].startswith(sentence.format(file=file))
    assert last_good_is_untouched(copied_home, before, "raw_listens")


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
    ],
    ids=["OSError", "polars"],
)
def test_a_full_disk_publishes_nothing_and_says_what_to_do(
    error: Exception,
    copied_home: Path,
    tmp_path: Path,
    materialize: Materialize,
    why: Why,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write_half(_: object, folder: Path, *__: object, **___: object) -> None:
        (folder / "interactions.parquet").write_bytes(b"half of it")
        raise error

    before = artifacts(copied_home)
    log = tmp_path / "log.tsv"
    log.write_bytes(tsv(GOOD))
    monkeypatch.setattr("loopback_core.listens.ingest.ingest", write_half)
    assert why(materialize(copied_home, source={"name": str(log)})) == {
        "interactions": f"The disk of {copied_home} is full: interactions was not written, what was there before is "
        "unchanged. Free some space, or point LOOPBACK_HOME at a larger disk, and run the same command again."
    }
    assert last_good_is_untouched(copied_home, before, "interactions")
