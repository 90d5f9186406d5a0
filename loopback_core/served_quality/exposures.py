"""From answers to exposures: which tracks a user was shown, where and when."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

REPEAT_MINUTES = 10
"""Answers in a task that the same user gets so soon after another one are the same exposure."""

DEEPEST = 20
"""The last place of a list that is looked at."""


def exposures_of(answers: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The answers that begin an exposure, oldest first, and how many others there are.

    An exposure begins with an answer to a user in a task. Further ones in this task within REPEAT_MINUTES of its beginning
    belong to it, whatever they show: the first list counts. answers: as of `AnswerLog.frame`.
    """
    ordered = answers.sort("user", "task", "time", maintain_order=True)
    begins = np.zeros(len(ordered), bool)
    whose, began = None, 0
    rows = zip(*(ordered[name].to_list() for name in ("user", "task", "time")), strict=True)
    for row, (user, task, time) in enumerate(rows):
        if (user, task) != whose or time > began + REPEAT_MINUTES * 60_000_000:
            whose, began, begins[row] = (user, task), time, True
    first = ordered.filter(pl.Series(begins)).sort("time", maintain_order=True)
    return first, len(ordered) - len(first)


def shown_tracks(exposures: pl.DataFrame, names: Mapping[str, NDArray[np.uint64]]) -> pl.DataFrame:
    """A row for each place of each list, DEEPEST at most: exposure, user, time, task, position (from 1), name.

    names: of every bundle in `exposures` the hash of the name of each track, (n_tracks,), see `track_hashes`.
    """
    rows = exposures.with_row_index("exposure").with_columns(pl.col("tracks").list.head(DEEPEST))
    by_bundle = []
    for (bundle,), part in rows.group_by("bundle", maintain_order=True):
        places = part.filter(pl.col("tracks").list.len() > 0).with_columns(
            pl.int_ranges(1, pl.col("tracks").list.len() + 1).alias("position")
        )
        places = places.explode("tracks", "position")
        hashes = names[str(bundle)][places["tracks"].to_numpy().astype(np.int64)]
        by_bundle.append(places.with_columns(pl.Series("name", hashes, pl.UInt64)))
    empty = (
        rows.clear()
        .select("exposure", "user", "time", "task")
        .with_columns(pl.lit(None, pl.Int64).alias("position"), pl.lit(None, pl.UInt64).alias("name"))
    )
    return pl.concat([empty, *(places.select(empty.columns) for places in by_bundle)])
