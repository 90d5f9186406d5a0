"""Tracks, artists and answers of a bundle as the API shows them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.serving.answering import Answer

Row = dict[str, Any]


def track_rows(served: ServedBundle, tracks: Sequence[int], listeners: bool = True) -> list[Row]:
    """Names and MusicBrainz ids of tracks, with the number of their listeners."""
    # pa.array would import pandas, to ask whether it is given something of it: seconds, in the first request
    ids = np.asarray(tracks, np.int64)
    indices = pa.Array.from_buffers(pa.int64(), len(ids), [None, pa.py_buffer(ids)])
    rows: list[Row] = served.names.take(indices).to_pylist()
    for track, row in zip(tracks, rows, strict=True):
        row["track"] = track
        if listeners:
            row["listeners"] = int(served.bundle.catalog.listeners[track])
    return rows


def artist_rows(served: ServedBundle, artists: Sequence[int]) -> list[Row]:
    """The same of artists."""
    first = [served.track_of_artist(artist) for artist in artists]
    return [
        {
            "artist": artist,
            "artist_name": row["artist_name"],
            "artist_mbid": row["artist_mbid"],
            "listeners": int(served.bundle.catalog.artist_listeners[artist]),
        }
        for artist, row in zip(artists, track_rows(served, first, listeners=False), strict=True)
    ]


def answer_row(answer: Answer, version: str) -> Row:
    """An answer to a question."""
    items = track_rows(answer.served, [item.track for item in answer.items], listeners=False)
    for rank, (item, row) in enumerate(zip(answer.items, items, strict=True), 1):
        row.update(rank=rank, score=round(item.score, 6), reason=item.reason)
        if item.parts is not None:
            row["parts"] = item.parts
    return {
        "items": items,
        "task": answer.question.task,
        "unknown": [vars(one) for one in answer.unknown],
        "fallback": answer.fallback,
        "bundle": version,
        "milliseconds": milliseconds(answer),
    }


def milliseconds(answer: Answer) -> dict[str, float]:
    """By stage, and their total."""
    stages = {stage: round(spent, 3) for stage, spent in answer.milliseconds.items()}
    return {**stages, "total": round(sum(answer.milliseconds.values()), 3)}
