"""A raw log to clean listens, in two passes, so that a log larger than memory passes too.

Pass 1 cleans the files block by block into runs on disk, each sorted by user (`cleaned_log.py`). Pass 2 goes over ranges of users:
all that they played comes together, exact duplicates go, the rest is sorted, validated and appended to the final table
(`sort_listens.py`).
"""

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from loopback_core.data.distinct_tracks import distinct_tracks
from loopback_core.errors import BadLogError
from loopback_core.listens.cleaned_log import CleanedLog, clean_log
from loopback_core.listens.erasure import read_erased
from loopback_core.listens.kept_cleaned import KeptCleaned, keeping
from loopback_core.listens.log_paths import MOST_FILES
from loopback_core.listens.log_rules import BLAMELESS, Reason
from loopback_core.listens.profiles import read_profiles
from loopback_core.listens.reading import BLOCK_BYTES
from loopback_core.listens.schema import Listen, RawLog, Reject
from loopback_core.listens.sort_listens import BUCKET_ROWS, sort_listens
from loopback_core.listens.writing import TableWriter
from loopback_core.runtime.capacity import need_disk, need_memory
from loopback_core.settings import SourceSettings

log = logging.getLogger("loopback")

MEMORY_BYTES = 1_800_000_000
"""Peak memory of both passes, whatever the log's length: blocks, a run, a range of users; and the names of two million tracks
(`benchmarks/large_log.py`)."""


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
    kept: Path | None = None,
) -> IngestSummary:
    """Write interactions.parquet (Listen) and rejects.parquet (Reject) into `folder`, and the profiles when present.

    The profiles are profiles.parquet (Profile) and profile_rejects.parquet (ProfileReject). Rejects stand in the order
    of the log; after them the exact duplicates, by user and time. `block_bytes` of a file and the rows of about
    `bucket_rows` are in memory at once, or of one user with more rows. Every file is digested while it is read.

    kept: a folder that outlives the run. Of a log of several files what was cleaned of each is kept there, and a later run reads
    only the files that are new.

    The listens that the service received are read after the files of the log, like one file more; each may be as late as the
    day after its reception. What erased users listened to before their erasure is rejected, without its text.

    Where no play of the log lasted `source.least_seconds_played`, its durations tell no listen from a skip, and all are read.

    Raises:
        BadLogError: a file cannot be read, has another digest than the log says, or the log has no usable row.
    """
    with keeping(kept) as cleaned:
        try:
            summary = _ingest(raw, folder, source, block_bytes, bucket_rows, cleaned)
        except _AllShortError:
            said = f"No play of the log {raw.name} lasted {source.least_seconds_played:g} seconds: all were read, however short."
            log.warning(said)
            every = source.model_copy(update={"least_seconds_played": 0.0})
            summary = _ingest(raw, folder, every, block_bytes, bucket_rows, cleaned)
            summary = replace(summary, advice=(said, *summary.advice))
        if cleaned and cleaned.reused:
            log.info("%d of the %d files of the log had been cleaned before.", cleaned.reused, len(raw.files))
    return summary


class _AllShortError(Exception):
    """There is no usable row, and there are plays that were too short."""


def _ingest(
    log: RawLog, folder: Path, source: SourceSettings, block_bytes: int, bucket_rows: int, kept: KeptCleaned | None
) -> IngestSummary:
    if len(log.files) > MOST_FILES:
        raise BadLogError(f"The log {log.name} has {len(log.files):,} files: join them into at most {MOST_FILES:,}.")
    _look_for_room(log, folder, bucket_rows)
    erased = read_erased(log.erased)
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)  # of a run that was killed
    parts.mkdir(parents=True)
    try:
        with TableWriter(folder / "rejects.parquet", Reject) as rejects:
            read = clean_log(log, parts, source, erased, block_bytes, kept)
            if read.users.is_empty() and read.short:
                raise _AllShortError
            read.refuse_useless()
            read.write_rejects(rejects)
            runs = [(index, run) for index, file in enumerate(read.files) for run in file.runs]
            with TableWriter(folder / "interactions.parquet", Listen) as listens:
                sort_listens(runs, read.users, listens, rejects, bucket_rows)
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


def _summary(folder: Path, read: CleanedLog, profiles: int, odd_profile_values: int) -> IngestSummary:
    rejects = pl.scan_parquet(folder / "rejects.parquet", glob=False)
    reasons = dict(rejects.group_by("reason").len().collect(engine="streaming").iter_rows())
    rejected = {reason.value: int(reasons.get(reason, 0)) for reason in Reason}
    listens = pl.scan_parquet(folder / "interactions.parquet", glob=False)
    tracks = distinct_tracks(folder / "interactions.parquet")
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
        tracks=tracks.height,
        artists=tracks["artist_name"].n_unique(),
        first_timestamp=first.isoformat(),
        last_timestamp=last.isoformat(),
        profiles=profiles,
        odd_profile_values=odd_profile_values,
        advice=read.advice,
    )
