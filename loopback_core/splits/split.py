"""Cut the log, number what occurs in it, and write the parts and the catalogs; a log larger than memory passes too.

Three passes over the listens in numbers, in blocks of whole users: where to cut (the moments), what there is (the counts), and the
writing. In memory are a block, and what is known of each user, track and artist.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loopback_core.errors import BadLogError
from loopback_core.runtime.capacity import need_disk, need_memory
from loopback_core.runtime.progress import progress
from loopback_core.settings import SplitSettings
from loopback_core.splits.catalog_files import LogTables, write_catalogs, write_users
from loopback_core.splits.cut import HELD_OUT, PART_NAMES, TRAIN, VALIDATION, Parts, count_bins
from loopback_core.splits.histories_files import HistoriesWriter
from loopback_core.splits.numbered_log import BLOCK_ROWS, UserBlock, number_log
from loopback_core.splits.part_counts import CutLog, PartCounts
from loopback_core.splits.time_order import ROW, EventsWriter, TimeOrder

USER_BLOCK_BYTES = 600_000_000
"""Peak memory of a block of listens and of what surrounds it (`benchmarks/large_log.py`)."""

TRACK_BYTES = 350
"""Peak memory of each track beyond that of its names (`benchmarks/large_log.py`)."""

DISK_BYTES_PER_LISTEN = 50
"""Of the numbers of a listen, of its place in time, and of the result."""


@dataclass(frozen=True)
class SplitSummary:
    """How many events, users, tracks and artists there are, by part."""

    strategy: str
    events: dict[str, int]  # part -> events
    users: dict[str, int]  # part -> users that occur in it
    tracks: dict[str, int]  # part -> tracks that first occur in it
    artists: dict[str, int]
    first: dict[str, int]  # part -> its earliest timestamp, seconds
    last: dict[str, int]
    held_out: int  # events of held-out users before test, which are in none of the parts


@dataclass(frozen=True)
class _Ids:
    """The dense id of each user and track, by its number in the log."""

    user: NDArray[np.int32]
    track: NDArray[np.int32]
    first_part_of_user: Parts


def split_listens(
    interactions: Path, folder: Path, settings: SplitSettings, block_rows: int = BLOCK_ROWS
) -> SplitSummary:
    """Write the parts in dense ids, and the two catalogs, into `folder`.

    interactions: folder with `interactions.parquet` (sorted by user, then time) and perhaps `profiles.parquet`. The rows of
    about `block_rows` listens are in memory at once, or of one user with more; the result does not depend on it.

    Raises:
        BadLogError: a part would be empty, or train has fewer than two users.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = pq.read_metadata(interactions / "interactions.parquet").num_rows
    need_disk(folder, DISK_BYTES_PER_LISTEN * count, f"Cutting {count:,} listens into parts")
    share = min(1.0, count / BLOCK_ROWS)
    need_memory(int(share * USER_BLOCK_BYTES), f"Cutting {count:,} listens into parts", "bring a shorter log")
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    work.mkdir()
    try:
        return _split(interactions, folder, work, settings, block_rows)
    finally:
        shutil.rmtree(work)


def _split(interactions: Path, folder: Path, work: Path, settings: SplitSettings, block_rows: int) -> SplitSummary:
    log = number_log(interactions / "interactions.parquet", work / "rows.parquet")
    need_memory(TRACK_BYTES * len(log.tracks), f"Counting {len(log.tracks):,} tracks", "bring a shorter log")
    parts, counts = CutLog.of(log, settings), PartCounts(log)
    with progress("count listens", len(log)) as shown:
        for block, part, _ in parts.blocks(block_rows):
            counts.add(block, part)
            shown.advance(len(block))
    _refuse_unusable(counts, settings)

    user_id, user_part = counts.number_users()
    track_id, track_part = counts.number_tracks()
    artist_id, artist_part = counts.number_artists()
    _write_listens(parts, counts, _Ids(user_id, track_id, user_part), folder, work, block_rows)
    tables = LogTables(log, track_id, track_part, artist_id, artist_part)
    write_catalogs(tables, counts, folder)
    write_users(log.user_ids, user_id, user_part, interactions / "profiles.parquet", folder)

    def by_part(values: NDArray[np.int8]) -> dict[str, int]:
        return {name: int(np.sum(values == p)) for p, name in enumerate(PART_NAMES)}

    def of_part(values: NDArray[np.int64]) -> dict[str, int]:
        return {name: int(values[p]) for p, name in enumerate(PART_NAMES)}

    return SplitSummary(
        strategy=settings.strategy,
        events=of_part(counts.events),
        users=of_part(np.count_nonzero(counts.of_users, axis=1)),
        tracks=by_part(track_part),
        artists=by_part(artist_part),
        first=of_part(counts.first),
        last=of_part(counts.last),
        held_out=int(counts.events[HELD_OUT]),
    )


def _refuse_unusable(counts: PartCounts, settings: SplitSettings) -> None:
    total = int(counts.events.sum())
    for p, name in enumerate(PART_NAMES):
        if not counts.events[p] and counts.first.min() == counts.last.max():
            raise BadLogError(
                f"All {total:,} listens have the same time: say which column holds the time of each listen, [source] "
                'columns = { timestamp = "..." }.'
            )
        if not counts.events[p]:
            raise BadLogError(
                f"The {settings.strategy!r} split leaves no {name} events out of {total:,}: bring a longer log, or "
                "change [split] (strategy, fractions or cut dates)."
            )
    if np.count_nonzero(counts.of_users[TRAIN]) < 2:
        raise BadLogError(
            "Train holds the listens of one user only; towers learn from the differences between users: "
            "bring a log of at least two users. One person's history can be what a service is asked with that was trained on "
            "others: loopback recommend --history FILE."
        )


def _write_listens(parts: CutLog, counts: PartCounts, ids: _Ids, folder: Path, work: Path, block_rows: int) -> None:
    """The parts by time, and the histories by user."""
    by_id = np.argsort(ids.user)[: np.count_nonzero(ids.first_part_of_user <= VALIDATION)]
    histories = HistoriesWriter(folder, counts.of_users[TRAIN, by_id], counts.of_users[VALIDATION, by_id])
    by_time = TimeOrder(work / "stretches", count_bins(parts.log.timestamps()), block_rows)
    with progress("order listens", 2 * len(parts.log)) as shown:
        for block, part, cut_part in parts.blocks(block_rows):
            rows = np.empty(len(block), ROW)
            rows["user"], rows["track"] = ids.user[block.user], ids.track[block.track]
            rows["timestamp"], rows["part"], rows["cut_part"] = block.timestamp, part, cut_part
            by_time.add(rows)
            _write_histories(histories, block, part, rows, ids)
            shown.advance(len(block))
        writers = {p: EventsWriter(folder / f"{name}.parquet") for p, name in enumerate(PART_NAMES)}
        if counts.events[HELD_OUT]:
            (folder / "held_out").mkdir(exist_ok=True)
            writers[HELD_OUT] = EventsWriter(folder / "held_out" / "events.parquet", with_part=True)
        for rows in by_time.stretches():
            for p, writer in writers.items():
                writer.append(rows[rows["part"] == p])
            shown.advance(len(rows))
        for writer in writers.values():
            writer.close()


def _write_histories(
    histories: HistoriesWriter, block: UserBlock, part: Parts, rows: NDArray[np.void], ids: _Ids
) -> None:
    """Of a block. Its users who first occur in one part have ids that follow each other."""
    known = part <= VALIDATION
    for p in (TRAIN, VALIDATION):
        of_users = rows[known & (ids.first_part_of_user[block.user] == p)]
        if len(of_users):
            histories.write(int(of_users["user"][0]), of_users["track"], of_users["timestamp"])
