"""A digest of the rows of a table that does not depend on their order, nor on how they were cut into batches."""

import hashlib

import polars as pl
import xxhash

MASK = (1 << 128) - 1


class RowDigest:
    """Sums a hash of every row: a database owes its rows in no order, and the same rows are the same log.

    Each row is hashed by xxh3 (128 bits) from its values with their lengths. That finds a change; it is no protection
    against somebody who forges rows, who could write to the database as well.
    """

    def __init__(self, columns: list[str]) -> None:
        self._columns = sorted(columns)
        self._sum = 0
        self.rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Count the rows of a frame, which has no nested values."""
        fields = [_field(frame[name]) for name in self._columns]
        rows = pl.select(pl.concat_str(fields).cast(pl.Binary)).to_series()
        self._sum = (self._sum + sum(map(xxhash.xxh3_128_intdigest, rows.to_list()))) & MASK
        self.rows += frame.height

    def hexdigest(self) -> str:
        """SHA-256 in hex of the names of the columns, the number of rows, and the sum of their hashes."""
        return hashlib.sha256(repr((self._columns, self.rows, self._sum)).encode()).hexdigest()


def _field(values: pl.Series) -> pl.Series:
    """Each value as text behind its length, so that no two rows make the same text; "-" where it is missing."""
    if isinstance(values.dtype, pl.Datetime):
        values = values.dt.cast_time_unit("us").to_physical()
    elif values.dtype in (pl.Duration, pl.Time):
        values = values.to_physical()
    elif values.dtype == pl.Binary:
        values = values.bin.encode("hex")
    text = values.cast(pl.String)
    return pl.select(pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(":"), text).fill_null("-")).to_series()
