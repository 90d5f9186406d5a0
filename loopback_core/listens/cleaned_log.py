"""The first pass over a raw log: its files, each cleaned into runs on disk."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from loopback_core.errors import BadLogError
from loopback_core.listens.cleaned_file import RUN_ROWS, CleanedFile, add_up, clean_file, latest_of
from loopback_core.listens.kept_cleaned import KeptCleaned, key_of_file
from loopback_core.listens.log_rules import BLAMELESS, RAW_COLUMNS
from loopback_core.listens.schema import RawLog
from loopback_core.listens.writing import TableWriter
from loopback_core.runtime.progress import progress
from loopback_core.settings import SourceSettings

SHOWN_REJECTS = 3
SHOWN_ADVICE = 3


@dataclass(frozen=True)
class CleanedLog:
    """The files of a log, each with its clean listens in runs and with what was rejected."""

    log: RawLog
    files: list[CleanedFile]
    users: pl.DataFrame  # user_id, len: clean rows before duplicates go; sorted
    advice: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Those that were read."""
        return sum(file.facts.rows for file in self.files)

    @property
    def short(self) -> int:
        """Plays that were too short."""
        return sum(file.facts.short for file in self.files)

    def write_rejects(self, rejects: TableWriter) -> None:
        """Append what was rejected, in the order of the log."""
        for index, file in enumerate(self.files):
            for rejected in file.rejects():
                rejects.append(rejected.with_columns(pl.lit(index, pl.UInt16).alias("file")))

    def refuse_useless(self) -> None:
        """Raise where there is nothing to work with.

        Raises:
            BadLogError: the log is empty, or none of its rows can be used; with the first of them and why.
        """
        if self.rows == 0:
            raise BadLogError(
                f"The log {self.log.name} is empty: {', '.join(map(str, self.log.files)) or 'no file'} has no row."
            )
        if self.users.is_empty():
            first = self._first_rejects()
            shown = "; ".join(f"{name} line {line}: {reason} in {text[:80]!r}" for name, line, reason, text in first)
            raise BadLogError(
                f"No row of the log {self.log.name} can be used, of {self.rows:,} ({shown}). "
                + (
                    " ".join(self.advice)
                    or (
                        "Give files with listens of music."
                        if {reason for _, _, reason, _ in first} <= {*BLAMELESS}
                        else ""
                    )
                    or f"A row is UTF-8 text: {', '.join(RAW_COLUMNS)}; in a .tsv without a header separated by tabs. [source] "
                    "time_format says how times are written."
                )
            )

    def _first_rejects(self) -> list[tuple[str, int, str, str]]:
        """Name of the file, line, reason and text of the first rows that were rejected."""
        rejected = (
            (path.name, *row)
            for path, file in zip(self.log.files, self.files, strict=True)
            for frame in file.rejects()
            for row in frame.head(SHOWN_REJECTS).select("line", "reason", "text").iter_rows()
        )
        return list(islice(rejected, SHOWN_REJECTS))


def clean_log(
    log: RawLog,
    parts: Path,
    source: SourceSettings,
    erased: pl.DataFrame | None,
    block_bytes: int,
    kept: KeptCleaned | None,
) -> CleanedLog:
    """Clean every file of a log into a folder of its own below `parts`.

    erased: what users had erased; None: nothing. block_bytes: of a file that are in memory at once. kept: what earlier runs cleaned of
    a log of several files; None: nothing is kept.

    Raises:
        BadLogError: a file cannot be read, or has another digest than the log says.
    """
    users = [pl.DataFrame(schema={"user_id": pl.String, "len": pl.UInt32})]
    files = []
    sizes = [path.stat().st_size if path.is_file() else 0 for path in log.files]
    with progress("read listens", sum(sizes), "B") as shown:
        for index, (path, size) in enumerate(zip(log.files, sizes, strict=True)):

            def make(folder: Path, path: Path = path) -> CleanedFile:
                return clean_file(log, path, source, erased, folder, shown.advance, block_bytes)

            key = key_of_file(log, path, source) if kept and len(log.files) > 1 else None
            if kept and key:
                file, was_kept = kept.load_or_make(key, latest_of(log, source), make)
                shown.advance(size * was_kept)
            else:
                file = make(parts / f"{index:05}")
            files.append(file)
            users.append(file.users())
            if sum(counts.height for counts in users[1:]) > max(RUN_ROWS, users[0].height):
                users = [add_up(users)]
    advice = dict.fromkeys(sentence for file in files for sentence in file.facts.advice)
    return CleanedLog(log, files, add_up(users), tuple(advice)[:SHOWN_ADVICE])
