"""What was cleaned of each file of a log is kept: only new files are read, and the result is that from nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens import cleaned_file
from loopback_core.listens.fingerprint import file_digests
from loopback_core.listens.ingest import IngestSummary, ingest
from loopback_core.listens.kept_cleaned import keeping
from loopback_core.listens.schema import RawLog
from loopback_core.settings import SourceSettings

Made = tuple[IngestSummary, dict[str, bytes]]

FILES = {
    "january.tsv": [("ann", "2021-01-01T10:00:00Z", "Air", "Mer"), ("bob", "2021-01-02T10:00:00Z", "Can", "")],
    "february.tsv": [("ann", "2021-02-01T10:00:00Z", "Air", "Home"), ("bob", "2021-02-09T10:00:00Z", "Can", "Mer")],
    "march.tsv": [("ann", "2021-02-01T10:00:00Z", "Air", "Home"), ("cyd", "2021-03-01T10:00:00Z", "Air", "Mer")],
}
"""The first listen of March is in February too; one of January has no title."""

LAST = datetime(2021, 6, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    for name, rows in FILES.items():
        lines = (f"{user}\t{time}\t\t{artist}\t\t{title}\n" for user, time, artist, title in rows)
        (tmp_path / name).write_text("".join(lines), "utf-8")
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read since the list was emptied."""
    names: list[str] = []
    original = cleaned_file.read_rows

    def counting(path: Path, *more: object) -> object:
        names.append(path.name)
        return original(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(cleaned_file, "read_rows", counting)
    return names


def log_of(folder: Path, *names: str, **more: object) -> RawLog:
    log = RawLog("test", tuple(folder / name for name in names), None, last_moment=LAST)
    return replace(log, sha256=file_digests(log), **more)  # type: ignore[arg-type]


def made(log: RawLog, folder: Path, kept: Path | None, source: SourceSettings | None = None) -> Made:
    out = folder / "out"
    summary = ingest(log, out, source or SourceSettings(), kept=kept)
    return summary, {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_after_a_file_was_added_it_alone_is_read_and_the_result_is_that_from_nothing(
    folder: Path, read: list[str]
) -> None:
    made(log_of(folder, "january.tsv", "february.tsv"), folder, folder / "kept")
    read.clear()
    log = log_of(folder, "january.tsv", "february.tsv", "march.tsv")
    incremental = made(log, folder, folder / "kept")
    assert read == ["march.tsv"]
    assert incremental == made(log, folder, None)
    summary = incremental[0]
    assert (summary.rows, summary.kept, summary.users) == (6, 4, 3)
    assert {reason: count for reason, count in summary.rejected.items() if count} == {
        "missing title": 1,
        "exact duplicate": 1,
    }


def test_a_file_that_now_stands_elsewhere_in_the_log_is_numbered_anew(folder: Path, read: list[str]) -> None:
    made(log_of(folder, "february.tsv", "march.tsv"), folder, folder / "kept")
    read.clear()
    log = log_of(folder, "march.tsv", "january.tsv", "february.tsv")
    incremental = made(log, folder, folder / "kept")
    assert read == ["january.tsv"]
    assert incremental == made(log, folder, None)
    rejects = pl.read_parquet(folder / "out" / "rejects.parquet").select("file", "line", "reason")
    assert rejects.rows() == [(1, 2, "missing title"), (2, 1, "exact duplicate")]


def test_a_damaged_part_is_made_again(folder: Path, read: list[str], caplog: pytest.LogCaptureFixture) -> None:
    log = log_of(folder, *FILES)
    whole = made(log, folder, folder / "kept")
    for name in ("run-000000.parquet", "users.parquet", "facts.json"):
        damaged = sorted((folder / "kept").glob(f"*/{name}"))[0]
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
        read.clear()
        assert made(log, folder, folder / "kept") == whole
        assert len(read) == 1
        assert "is cleaned again" in caplog.text
        caplog.clear()


def test_other_settings_read_every_file_and_the_old_parts_go(folder: Path, read: list[str]) -> None:
    log = log_of(folder, *FILES)
    made(log, folder, folder / "kept")
    before = {path.name for path in (folder / "kept").iterdir() if path.is_dir()}
    read.clear()
    made(log, folder, folder / "kept", SourceSettings(earliest=datetime(2021, 2, 5, tzinfo=UTC)))
    assert read == [*FILES]
    after = {path.name for path in (folder / "kept").iterdir() if path.is_dir()}
    assert len(before) == len(after) == 3 and before.isdisjoint(after)


@pytest.mark.parametrize(
    ("first", "then", "again"),
    [
        ("2021-06-01", "2021-07-01", []),  # all listens are before both
        ("2021-02-05", "2021-02-08", []),  # the same are before both
        ("2021-02-05", "2021-02-20", ["february.tsv"]),  # one of February was too late, and is not now
        ("2021-02-20", "2021-02-05", ["february.tsv"]),
    ],
)
def test_a_later_last_moment_reads_only_the_files_in_which_it_changes_a_row(
    folder: Path, read: list[str], first: str, then: str, again: list[str]
) -> None:
    def until(day: str) -> RawLog:
        return log_of(folder, *FILES, last_moment=datetime.fromisoformat(day).replace(tzinfo=UTC))

    made(until(first), folder, folder / "kept")
    read.clear()
    incremental = made(until(then), folder, folder / "kept")
    assert read == again
    assert incremental == made(until(then), folder, None)


def test_the_same_file_twice_is_read_twice_and_all_of_the_second_are_duplicates(folder: Path) -> None:
    (folder / "again").mkdir()
    (folder / "again" / "march.tsv").write_bytes((folder / "march.tsv").read_bytes())
    log = log_of(folder, "march.tsv", "again/march.tsv")
    for _ in range(2):
        summary, _ = made(log, folder, folder / "kept")
        assert (summary.rows, summary.kept, summary.rejected["exact duplicate"]) == (4, 2, 2)


def test_a_log_of_one_file_keeps_nothing_and_what_was_kept_goes(folder: Path) -> None:
    made(log_of(folder, *FILES), folder, folder / "kept")
    made(log_of(folder, "march.tsv"), folder, folder / "kept")
    assert [path for path in (folder / "kept").iterdir() if path.is_dir()] == []


def test_while_another_run_uses_what_is_kept_all_files_are_read(folder: Path, read: list[str]) -> None:
    log = log_of(folder, *FILES)
    whole = made(log, folder, folder / "kept")
    with keeping(folder / "kept"):
        read.clear()
        assert made(log, folder, folder / "kept") == whole
    assert read == [*FILES]


def test_runs_that_fail_or_were_killed_leave_nothing_half_written(folder: Path) -> None:
    kept = folder / "kept"
    (kept / ".january.0-killed").mkdir()
    log = log_of(folder, "january.tsv", "march.tsv")
    (folder / "march.tsv").write_text("changed since it was digested\n", "utf-8")
    for _ in range(2):
        with pytest.raises(BadLogError):
            made(log, folder, kept)
        assert not list(kept.glob(".*"))
    assert len([path for path in kept.iterdir() if path.is_dir()]) == 1  # January is not read again
