"""One file of a log, cleaned: runs of its listens on disk, each sorted by user, its rejects, and what was counted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from loopback_core.listens.advice import Hints
from loopback_core.listens.cleaning import clean
from loopback_core.listens.erasure import leave_out_erased
from loopback_core.listens.lines import Advance
from loopback_core.listens.log_rules import LAST_TIME, TEXT_LENGTH, Reason
from loopback_core.listens.reading import look_at, read_rows
from loopback_core.listens.schema import RawLog
from loopback_core.listens.served import LATEST_OF_SERVED, as_exported, read_served
from loopback_core.runtime.prefetch import prefetch
from loopback_core.settings import SourceSettings

RUN_ROWS = 1_000_000
PIECE_GROUP_ROWS = 1 << 14  # small: what reads a range of users skips the row groups without them

USER_COUNTS = "users.parquet"


@dataclass(frozen=True)
class CleanedFacts:
    """What is known of a cleaned file besides its rows. `asdict` of it is JSON."""

    rows: int  # that were read
    short: int  # plays that were too short
    advice: tuple[str, ...]
    last_plausible: (
        str | None
    )  # ISO 8601, UTC: the last moment before or at the latest one that was allowed; None: none
    first_too_late: str | None  # the first moment after it

    def holds_until(self, latest: datetime) -> bool:
        """Whether the same rows would be kept and rejected if `latest` were the latest moment that is allowed."""
        last, late = (_moment(text) for text in (self.last_plausible, self.first_too_late))
        return (last is None or last <= latest) and (late is None or late > latest)


@dataclass(frozen=True)
class CleanedFile:
    """A cleaned file in its folder: `run-*.parquet` (listens without `file`, with `text`), `rejects-*.parquet`, users."""

    folder: Path
    facts: CleanedFacts

    @property
    def runs(self) -> list[Path]:
        """Where its listens are; none for a file without a usable row."""
        return sorted(self.folder.glob("run-*.parquet"))

    def users(self) -> pl.DataFrame:
        """user_id and len: usable rows, before duplicates go."""
        return pl.read_parquet(self.folder / USER_COUNTS, glob=False)

    def rejects(self) -> Iterator[pl.DataFrame]:
        """Line, reason and text of what was rejected, in the order of the file."""
        for path in sorted(self.folder.glob("rejects-*.parquet")):
            yield pl.read_parquet(path, glob=False)


def clean_file(
    log: RawLog,
    path: Path,
    source: SourceSettings,
    erased: pl.DataFrame | None,
    folder: Path,
    advance: Advance,
    block_bytes: int,
    run_rows: int = RUN_ROWS,
) -> CleanedFile:
    """Read a file of the log block by block, and write its clean listens and rejects into `folder`.

    `advance` is called with the bytes read since the last call. The rows of a block, and those of a run, are in memory.

    Raises:
        BadLogError: the file cannot be read, or has another digest than the log says.
    """
    folder.mkdir(parents=True)
    served, sha256 = path == log.served, log.sha256.get(path)
    latest: datetime | pl.Expr = latest_of(log, source)
    read: list[int] = []  # bytes, appended by the thread that reads ahead
    if served:
        blocks = read_served(path, source, read.append, block_bytes, sha256)
        layout, latest, fixed = as_exported(source), source.latest or LATEST_OF_SERVED, True
    else:
        surveyed = look_at(path, source, sha256)
        layout, fixed = surveyed.settings(source), surveyed.form_is_fixed
        blocks = read_rows(path, source, read.append, block_bytes, sha256, surveyed, log.users.get(path))
    hints, moments, users, rows = Hints(path, layout, form_is_fixed=fixed), _Moments(), _Users(), 0
    runs, rejects = _Pieces(folder, "run", run_rows), _Pieces(folder, "rejects", run_rows)
    for raw in prefetch(blocks, ahead=1):
        while read:
            advance(read.pop())
        rows += raw.height
        cleaned = clean(raw, layout, latest)
        if not served:
            moments.see(cleaned, latest_of(log, source))
        cleaned = cleaned.drop("received_at", strict=False)
        hints.see(raw["timestamp"], cleaned["reason"])
        if erased is not None:
            cleaned = leave_out_erased(cleaned, erased)
        usable = cleaned.filter(pl.col("reason").is_null()).drop("reason")
        users.add(usable)
        runs.add(usable)
        rejected = cleaned.filter(pl.col("reason").is_not_null())
        rejects.add(rejected.select("line", "reason", pl.col("text").str.head(TEXT_LENGTH)))
    runs.finish()
    rejects.finish()
    users.all().write_parquet(folder / USER_COUNTS)
    facts = CleanedFacts(rows, hints.short, tuple(hints.sentences()), moments.last_plausible, moments.first_too_late)
    return CleanedFile(folder, facts)


def latest_of(log: RawLog, source: SourceSettings) -> datetime:
    """The latest moment that a listen of a file of the log may have, UTC."""
    latest = source.latest or log.last_moment
    return min(latest.replace(tzinfo=UTC) if latest.tzinfo is None else latest, LAST_TIME)


class _Moments:
    """The moments on both sides of the latest one that is allowed, of rows that no other reason rejects."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._late: datetime | None = None

    def see(self, cleaned: pl.DataFrame, latest: datetime) -> None:
        time, reason = pl.col("timestamp"), pl.col("reason")
        # what lies after the last time of all is rejected whatever is allowed, and may be no date of Python's
        is_late = (reason == Reason.IMPLAUSIBLE_DATE.value) & (time > latest) & (time < LAST_TIME)
        last, late = cleaned.select(
            time.filter(reason.is_null()).max().alias("last"), time.filter(is_late).min().alias("late")
        ).row(0)
        self._last = max((moment for moment in (last, self._last) if moment), default=None)
        self._late = min((moment for moment in (late, self._late) if moment), default=None)

    @property
    def last_plausible(self) -> str | None:
        return self._last.isoformat() if self._last else None

    @property
    def first_too_late(self) -> str | None:
        return self._late.isoformat() if self._late else None


class _Pieces:
    """Gathers frames, and writes them in files of about `rows`; sorted by user where they hold listens."""

    def __init__(self, folder: Path, name: str, rows: int) -> None:
        self._folder, self._name, self._rows = folder, name, rows
        self._waiting: list[pl.DataFrame] = []
        self._written = 0

    def add(self, frame: pl.DataFrame) -> None:
        if frame.height:
            self._waiting.append(frame)
        if sum(waiting.height for waiting in self._waiting) >= self._rows:
            self.finish()

    def finish(self) -> None:
        if not self._waiting:
            return
        piece = pl.concat(self._waiting)
        self._waiting = []
        piece = piece.sort("user_id", maintain_order=True) if "user_id" in piece.columns else piece
        path = self._folder / f"{self._name}-{self._written:06}.parquet"
        piece.write_parquet(path, compression="lz4", row_group_size=PIECE_GROUP_ROWS)
        self._written += 1


class _Users:
    """Counts the listens of each user; the counts of many blocks are added up now and then."""

    def __init__(self) -> None:
        self._counts = [pl.DataFrame(schema={"user_id": pl.String, "len": pl.UInt32})]

    def add(self, listens: pl.DataFrame) -> None:
        self._counts.append(listens.group_by("user_id").len())
        if sum(counts.height for counts in self._counts[1:]) > max(RUN_ROWS, self._counts[0].height):
            self._counts = [self.all()]

    def all(self) -> pl.DataFrame:
        return add_up(self._counts)


def add_up(counts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The users of several counts (user_id, len), each once, sorted."""
    return pl.concat(counts).group_by("user_id").agg(pl.col("len").sum()).sort("user_id")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
