"""A raw log to clean listens, in two passes, so that a log larger than memory passes too.

Pass 1 cleans the files block by block into parts on disk, each sorted by user. Pass 2 goes over ranges of users: all
that they played comes together, exact duplicates go, the rest is sorted, validated and appended to the final table.
"""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from loopback_core.errors import BadLogError
from loopback_core.listens.advice import Hints
from loopback_core.listens.cleaning import clean
from loopback_core.listens.erasure import leave_out_erased, read_erased
from loopback_core.listens.log_paths import MOST_FILES
from loopback_core.listens.log_rules import BLAMELESS, RAW_COLUMNS, TEXT_LENGTH, Reason
from loopback_core.listens.profiles import read_profiles
from loopback_core.listens.reading import BLOCK_BYTES, look_at, read_rows
from loopback_core.listens.schema import SORT_KEYS, Listen, RawLog, Reject
from loopback_core.listens.served import LATEST_OF_SERVED, as_exported, read_served
from loopback_core.listens.writing import TableWriter
from loopback_core.runtime.capacity import need_disk, need_memory
from loopback_core.runtime.prefetch import prefetch
from loopback_core.runtime.progress import progress
from loopback_core.settings import SourceSettings

log = logging.getLogger("loopback")

BUCKET_ROWS = 2_000_000
PART_ROW_GROUP_ROWS = 1 << 15  # small: pass 2 skips the row groups without its users
MEMORY_BYTES = 2_500_000_000
"""Peak memory of both passes, whatever the log's size: blocks, and a range of users (`full_size.py`)."""
SHOWN_REJECTS = 3
SHOWN_ADVICE = 3


@dataclass(frozen=True)
class IngestSummary:
    """Counts of the rows read and written: the summary of the artifact. `asdict` of it is JSON."""

    rows: int
    kept: int
    rejected: dict[str, int]  # every Reason -> rows
    reject_share: float  # of rows; those rejected for BLAMELESS reasons are not counted in it
    users: int
    tracks: int  # distinct (artist, title)
    artists: int
    first_timestamp: str  # ISO 8601, UTC
    last_timestamp: str
    profiles: int  # users of the log that have one
    odd_profile_values: int
    advice: tuple[str, ...] = ()  # what would make rejected rows usable; sentences


def ingest(
    raw: RawLog,
    folder: Path,
    source: SourceSettings,
    block_bytes: int = BLOCK_BYTES,
    bucket_rows: int = BUCKET_ROWS,
) -> IngestSummary:
    """Write interactions.parquet (Listen) and rejects.parquet (Reject) into `folder`, and the profiles when present.

    The profiles are profiles.parquet (Profile) and profile_rejects.parquet (ProfileReject). Rejects stand in the order
    of the log; after them the exact duplicates, by user and time. `block_bytes` of a file and the rows of about
    `bucket_rows` are in memory at once, or of one user with more rows. Every file is digested while it is read.

    The listens that the service received are read after the files of the log, like one file more; each may be as late as the
    day after its reception. What erased users listened to before their erasure is rejected, without its text.

    Where no play of the log lasted `source.least_seconds_played`, its durations tell no listen from a skip, and all are read.

    Raises:
        BadLogError: a file cannot be read, has another digest than the log says, or the log has no usable row.
    """
    try:
        return _ingest(raw, folder, source, block_bytes, bucket_rows)
    except _AllShortError:
        said = f"No play of the log {raw.name} lasted {source.least_seconds_played:g} seconds: all were read, however short."
        log.warning(said)
        every = source.model_copy(update={"least_seconds_played": 0.0})
        summary = _ingest(raw, folder, every, block_bytes, bucket_rows)
        return replace(summary, advice=(said, *summary.advice))


class _AllShortError(Exception):
    """There is no usable row, and there are plays that were too short."""


def _ingest(log: RawLog, folder: Path, source: SourceSettings, block_bytes: int, bucket_rows: int) -> IngestSummary:
    if len(log.files) > MOST_FILES:
        raise BadLogError(f"The log {log.name} has {len(log.files):,} files: join them into at most {MOST_FILES:,}.")
    _look_for_room(log, folder, bucket_rows)
    erased = read_erased(log.erased)
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)  # of a run that was killed
    parts.mkdir(parents=True)
    try:
        with TableWriter(folder / "rejects.parquet", Reject) as rejects:
            read = _write_parts(log, parts, source, erased, block_bytes, rejects)
            if read.users.is_empty() and read.short:
                raise _AllShortError
            _refuse_useless(log, read)
            _write_listens(parts, folder / "interactions.parquet", read.users, bucket_rows, rejects)
    finally:
        shutil.rmtree(parts)
    profiles, odd_profile_values = 0, 0
    if log.profiles is not None:
        latest, sha256 = source.latest or log.last_moment, log.sha256.get(log.profiles)
        known, odd = read_profiles(log.profiles, read.users["user_id"], source, latest, sha256, erased)
        known.write_parquet(folder / "profiles.parquet")
        odd.write_parquet(folder / "profile_rejects.parquet")
        profiles, odd_profile_values = known.height, odd.height
    return _summary(folder, read, profiles, odd_profile_values)


def _look_for_room(log: RawLog, folder: Path, bucket_rows: int) -> None:
    """Of a text, parts and table together take less than the text; packed ones and Parquet grow."""
    packed = (".gz", ".tgz", ".zip", ".parquet", ".xlsx")
    size = sum(
        path.stat().st_size * (6 if path.name.lower().endswith(packed) else 1) for path in log.files if path.is_file()
    )
    need_disk(folder.parent, size, f"Reading the log {log.name}")
    share = min(1.0, size / (100 * bucket_rows))  # of a log that fits into one range
    need_memory(int(share * MEMORY_BYTES), f"Reading the log {log.name}", "bring a shorter log")


@dataclass(frozen=True)
class _Read:
    rows: int
    users: pl.DataFrame  # user_id, len: clean rows before duplicates go; sorted
    first_rejects: pl.DataFrame  # Reject
    advice: tuple[str, ...]
    short: int  # plays that were too short


def _write_parts(
    log: RawLog,
    parts: Path,
    source: SourceSettings,
    erased: pl.DataFrame | None,
    block_bytes: int,
    rejects: TableWriter,
) -> _Read:
    rows = short = 0
    advice: list[str] = []
    users = [pl.DataFrame(schema={"user_id": pl.String, "len": pl.UInt32})]
    first_rejects = [
        pl.DataFrame(schema={"file": pl.UInt16, "line": pl.UInt32, "reason": pl.String, "text": pl.String})
    ]
    size = sum(path.stat().st_size for path in log.files if path.is_file())
    with progress("read listens", size, "B") as shown:
        for index, path in enumerate(log.files):
            read: list[int] = []  # bytes, appended by the thread that reads ahead
            sha256 = log.sha256.get(path)
            latest: datetime | pl.Expr = source.latest or log.last_moment
            if path == log.served:
                blocks = read_served(path, source, read.append, block_bytes, sha256)
                layout, latest, fixed = as_exported(source), source.latest or LATEST_OF_SERVED, True
            else:
                surveyed = look_at(path, source, sha256)
                layout, fixed = surveyed.settings(source), surveyed.form_is_fixed
                blocks = read_rows(path, source, read.append, block_bytes, sha256, surveyed, log.users.get(path))
            hints = Hints(path, layout, form_is_fixed=fixed)
            for raw in prefetch(blocks, ahead=1):
                while read:
                    shown.advance(read.pop())
                rows += raw.height
                cleaned = clean(raw, layout, latest).with_columns(pl.lit(index, pl.UInt16).alias("file"))
                cleaned = cleaned.drop("received_at", strict=False)
                hints.see(raw["timestamp"], cleaned["reason"])
                if erased is not None:
                    cleaned = leave_out_erased(cleaned, erased)
                usable = cleaned.filter(pl.col("reason").is_null()).drop("reason").sort("user_id")
                rejected = _rejected(cleaned.filter(pl.col("reason").is_not_null()))
                rejects.append(rejected)
                first_rejects.append(rejected.head(SHOWN_REJECTS))
                users.append(usable.group_by("user_id").len())
                usable.write_parquet(
                    parts / f"{len(users):06}.parquet", compression="lz4", row_group_size=PART_ROW_GROUP_ROWS
                )
            advice += hints.sentences()
            short += hints.short
    counts = pl.concat(users).group_by("user_id").agg(pl.col("len").sum()).sort("user_id")
    return _Read(
        rows,
        counts,
        pl.concat(first_rejects).head(SHOWN_REJECTS),
        tuple(dict.fromkeys(advice))[:SHOWN_ADVICE],
        short,
    )


def _rejected(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("file", "line", "reason", pl.col("text").str.head(TEXT_LENGTH))


def _refuse_useless(log: RawLog, read: _Read) -> None:
    if read.rows == 0:
        raise BadLogError(f"The log {log.name} is empty: {', '.join(map(str, log.files)) or 'no file'} has no row.")
    if read.users.is_empty():
        shown = "; ".join(
            f"{log.files[row['file']].name} line {row['line']}: {row['reason']} in {row['text'][:80]!r}"
            for row in read.first_rejects.iter_rows(named=True)
        )
        raise BadLogError(
            f"No row of the log {log.name} can be used, of {read.rows:,} ({shown}). "
            + (
                " ".join(read.advice)
                or ("Give files with listens of music." if set(read.first_rejects["reason"]) <= {*BLAMELESS} else "")
                or f"A row is UTF-8 text: {', '.join(RAW_COLUMNS)}; in a .tsv without a header separated by tabs. [source] "
                "time_format says how times are written."
            )
        )


def _write_listens(parts: Path, path: Path, users: pl.DataFrame, bucket_rows: int, rejects: TableWriter) -> None:
    files = sorted(parts.iterdir())
    with TableWriter(path, Listen) as listens, progress("sort listens", int(users["len"].sum())) as shown:
        for first, last in _buckets(users, bucket_rows):
            mine = pl.col("user_id").is_between(pl.lit(first), pl.lit(last))
            place = pl.col("user_id").cast(
                pl.Enum(users.filter(mine)["user_id"])
            )  # numbers are sorted in two thirds of the time
            rows = pl.scan_parquet(files, glob=False).filter(mine).collect().sort(place, *SORT_KEYS[1:])
            distinct = _first_of_its_kind(rows)
            listens.append(rows.filter(distinct).drop("text"))
            duplicates = rows.filter(~distinct).with_columns(pl.lit(Reason.EXACT_DUPLICATE.value).alias("reason"))
            rejects.append(_rejected(duplicates))
            shown.advance(rows.height)


def _first_of_its_kind(rows: pl.DataFrame) -> pl.Series:
    """Whether no earlier row is equal; in rows sorted by user and time only rows of one moment can be."""
    as_before = rows.select(
        (pl.col("user_id") == pl.col("user_id").shift()) & pl.col("timestamp").diff().eq(timedelta(0))
    )
    again = as_before.to_series().fill_null(False)
    of_a_moment = (again | again.shift(-1, fill_value=False)).arg_true()
    first = pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)
    if len(of_a_moment):
        first = first.scatter(
            of_a_moment, rows[of_a_moment].select(pl.struct(RAW_COLUMNS).is_first_distinct()).to_series()
        )
    return first


def _buckets(users: pl.DataFrame, bucket_rows: int) -> Iterator[tuple[str, str]]:
    """The first and last user of consecutive ranges; a range is closed by the user who takes it to `bucket_rows`."""
    before = pl.col("len").cast(pl.Int64).cum_sum() - pl.col("len")
    ranges = (
        users.group_by((before // bucket_rows).alias("bucket"), maintain_order=True)
        .agg(pl.col("user_id").first().alias("first"), pl.col("user_id").last().alias("last"))
        .select("first", "last")
    )
    yield from ranges.iter_rows()


def _summary(folder: Path, read: _Read, profiles: int, odd_profile_values: int) -> IngestSummary:
    rejects = pl.scan_parquet(folder / "rejects.parquet", glob=False)
    reasons = dict(rejects.group_by("reason").len().collect(engine="streaming").iter_rows())
    rejected = {reason.value: int(reasons.get(reason, 0)) for reason in Reason}
    listens = pl.scan_parquet(folder / "interactions.parquet", glob=False)
    names = listens.select("artist_name", "track_name").unique()
    tracks, artists = (
        names.select(pl.len(), artists=pl.col("artist_name").n_unique()).collect(engine="streaming").row(0)
    )
    time = pl.col("timestamp")
    first, last = listens.select(first=time.min(), last=time.max()).collect().row(0)
    blameless = sum(rejected[reason] for reason in BLAMELESS)
    kept = pq.read_metadata(folder / "interactions.parquet").num_rows
    if kept + sum(rejected.values()) != read.rows:
        raise BadLogError(
            f"{read.rows:,} rows were read, but {kept:,} kept and {sum(rejected.values()):,} rejected: listens would be lost. "
            "This is a fault of loopback: report it."
        )
    return IngestSummary(
        rows=read.rows,
        kept=kept,
        rejected=rejected,
        reject_share=(sum(rejected.values()) - blameless) / read.rows,
        users=read.users.height,
        tracks=tracks,
        artists=artists,
        first_timestamp=first.isoformat(),
        last_timestamp=last.isoformat(),
        profiles=profiles,
        odd_profile_values=odd_profile_values,
        advice=read.advice,
    )
