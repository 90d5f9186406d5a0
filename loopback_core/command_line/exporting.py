"""`loopback export`: the recommendations of every user, in blocks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from loopback_core.bundle.bundle_files import read_user_ids
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.command_line.asking import opened
from loopback_core.errors import RequestError
from loopback_core.runtime.progress import progress
from loopback_core.serving.answering import Answer
from loopback_core.serving.question import Question, TaskName
from loopback_core.store.atomic import replacing

USERS_OF_BLOCK = 64

EXPORTED = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("artist_name", pa.string()),
        ("track_name", pa.string()),
        ("track_mbid", pa.string()),
        ("artist_mbid", pa.string()),
        ("score", pa.float32()),
        ("reason", pa.string()),
    ]
)


def export_recommendations(home: Path, task: str, k: int, out: Path) -> int:
    """Write a row for each user and track, best first; none of users who were erased. The file is there when it is whole.

    Returns:
        The number of rows.

    Raises:
        RequestError: the kind of the file is not known.
        LoopbackError: there is no bundle, or it is damaged.
    """
    writers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}
    if out.suffix not in writers:
        raise RequestError(f"{out} is of no known kind: give a file that ends in {', '.join(writers)}.")
    service, loaded = opened(home)
    users, n_rows = read_user_ids(loaded.served.folder), 0

    def blocks() -> Iterator[pa.Table]:
        nonlocal n_rows
        with progress(f"export {task}", len(users), "users") as shown:
            for start in range(0, len(users), USERS_OF_BLOCK):
                names = users[start : start + USERS_OF_BLOCK]
                questions = [Question(user, task=cast(TaskName, task), k=k) for user in names]
                pairs = zip(names, service.answer(loaded, questions), strict=True)
                kept = [pair for pair in pairs if service.listens.erased_at(pair[0]) is None or not pair[1].fallback]
                rows = _rows(loaded.served, kept)
                n_rows += len(rows)
                yield rows
                shown.advance(len(names))

    with replacing(out) as new:
        writers[out.suffix](blocks(), new)
    return n_rows


def _rows(served: ServedBundle, answers: list[tuple[str, Answer]]) -> pa.Table:
    """answers: with the user of each."""
    items = [(user, rank, item) for user, answer in answers for rank, item in enumerate(answer.items, 1)]
    names = served.names.take(pa.array([item.track for _, _, item in items], pa.int64()))
    columns = {
        "user_id": [user for user, _, _ in items],
        "rank": [rank for _, rank, _ in items],
        **{name: names[name] for name in ("artist_name", "track_name", "track_mbid", "artist_mbid")},
        "score": [item.score for _, _, item in items],
        "reason": [item.reason for _, _, item in items],
    }
    return pa.table(columns).cast(EXPORTED)


def _parquet(blocks: Iterator[pa.Table], path: Path) -> None:
    with pq.ParquetWriter(path, EXPORTED) as writer:
        for block in blocks:
            writer.write_table(block)


def _csv(blocks: Iterator[pa.Table], path: Path) -> None:
    with path.open("wb") as file:
        for number, block in enumerate(blocks):
            frame = pl.from_arrow(block)
            assert isinstance(frame, pl.DataFrame)
            frame.write_csv(file, include_header=number == 0)


def _jsonl(blocks: Iterator[pa.Table], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for block in blocks:
            for row in block.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
