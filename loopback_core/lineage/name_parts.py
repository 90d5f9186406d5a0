"""The words of names as hash buckets."""

import math
from typing import Any

import numpy as np
import polars as pl
import torch
import xxhash
from torch import Tensor, nn

from loopback_core.data import Ragged
from loopback_core.data.names import TrackNames

WORD = r"[\p{L}\p{N}]+"


def words_in_names(names: pl.DataFrame) -> pl.DataFrame:
    """The columns row, word: each word of the title and of the artist of a track, in lower case, once for each row.

    names: the columns artist_name and track_name, row i for track i.
    """
    text = pl.concat_str("track_name", "artist_name", separator=" ", ignore_nulls=True).str.to_lowercase()
    words = names.select(word=text.str.extract_all(WORD)).with_row_index("row").explode("word")
    return words.drop_nulls().unique(maintain_order=True)


def bucket_of(word: str, buckets: int) -> int:
    """In [0, buckets); the same on every machine."""
    return int(xxhash.xxh64_intdigest(word.encode())) % buckets


def hashed_words(names: pl.DataFrame, buckets: int) -> Ragged:
    """Row i: the distinct buckets of the words of track i, ascending. names: as of :func:`words_in_names`."""
    words = words_in_names(names)
    distinct = words["word"].unique()
    bucket = pl.DataFrame({"word": distinct, "bucket": [bucket_of(word, buckets) for word in distinct]})
    pairs = words.join(bucket, on="word").select("row", "bucket").unique().sort("row", "bucket")
    return Ragged.from_pairs(
        pairs["row"].to_numpy().astype(np.int64), pairs["bucket"].to_numpy().astype(np.int64), len(names)
    )


class NameParts(nn.Module):
    """The buckets of the words of every track that the weights know; kept with the weights."""

    buckets: Tensor  # (total,) int32
    begins: Tensor  # (n_tracks + 1,) int64; those of track i are buckets[begins[i]:begins[i + 1]]

    def __init__(self, names: TrackNames | None, n_tracks: int, count: int) -> None:
        """names: of the log; None: they are loaded with the weights, or the log has none. count: of buckets."""
        super().__init__()
        buckets, begins = np.zeros(0, np.int32), np.zeros(1, np.int64)
        if names is not None:
            rows = hashed_words(names.frame.head(n_tracks), count)
            buckets, begins = rows.values.astype(np.int32), rows.offsets
        self.register_buffer("buckets", torch.tensor(buckets))
        self.register_buffer("begins", torch.tensor(begins))

    def of(self, tracks: Tensor) -> tuple[Tensor, Tensor]:
        """Which of `tracks`, (n,), has which bucket: two (total,) int64, row by row. A track without names has none."""
        known = (tracks >= 0) & (tracks < len(self.begins) - 1)
        begins = self.begins[torch.where(known, tracks, 0)]
        ends = self.begins[torch.where(known, tracks + 1, 0)]
        lengths = torch.where(known, ends - begins, 0)
        row = torch.repeat_interleave(torch.arange(len(tracks), device=tracks.device), lengths)
        before = lengths.cumsum(0) - lengths
        place = torch.arange(len(row), device=tracks.device) + (begins - before).index_select(0, row)
        return row, self.buckets[place].long()

    def rarity(self, count: int) -> Tensor:
        """(count,) of each bucket log(n / tracks) / log n: 0 in every name, 1 in one."""
        n = max(len(self.begins) - 1, 2)
        tracks = torch.bincount(self.buckets.long(), minlength=count).clamp(min=1)
        return (n / tracks).log().clamp(min=0) / math.log(n)

    def _load_from_state_dict(self, state: Any, prefix: str, *more: Any) -> None:
        for name in ("buckets", "begins"):  # as many as were saved
            if (saved := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(saved, device=getattr(self, name).device))
        super()._load_from_state_dict(state, prefix, *more)
