"""Columns of numbers about tracks from a file: audio features, text embeddings, release years."""

from pathlib import Path

import numpy as np
import polars as pl
from polars import selectors

from loopback_core.data import Floats
from loopback_core.errors import SettingsError

KEYS = ("artist_name", "track_name")


def read_columns(path: Path, names: pl.DataFrame) -> Floats:
    """(n, F) float32, row i for track i, NaN where the file has no such track or no such value.

    path: a Parquet file with artist_name and track_name as in the log, and numbers or lists of numbers. names: the same
    two columns of every track of the log.

    Raises:
        SettingsError: the file is missing, is no Parquet, lacks a key, has no column of numbers or a track twice.
    """
    table = _read(path)
    if missing := [key for key in KEYS if key not in table.columns]:
        raise SettingsError(
            f"towers.sum.features: {path} has no column {' and no '.join(missing)}; it names the tracks."
        )
    if table.select(KEYS).is_duplicated().any():
        twice = table.filter(table.select(KEYS).is_duplicated()).row(0, named=True)
        raise SettingsError(
            f"towers.sum.features: {path} has {twice['track_name']!r} by {twice['artist_name']!r} twice; keep one row a track."
        )
    numbers = _numbers(table)
    if not numbers.shape[1]:
        raise SettingsError(f"towers.sum.features: {path} has no column of numbers besides {' and '.join(KEYS)}.")
    row_of_track = names.select(KEYS).join(
        table.select(KEYS).with_row_index("row"), on=KEYS, how="left", maintain_order="left"
    )["row"]
    joined = np.full((len(names), numbers.shape[1]), np.nan, np.float32)
    listed = row_of_track.is_not_null().to_numpy()
    joined[listed] = numbers[row_of_track.drop_nulls().to_numpy()]
    joined[~np.isfinite(joined)] = np.nan
    return joined


def _read(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path, glob=False)
        # Other programs write text as categories, and a title like 1999 as a number.
        return table.with_columns(selectors.by_name(*KEYS, require_all=False).cast(pl.String))
    except FileNotFoundError:
        raise SettingsError(f"towers.sum.features: there is no file {path}; correct or unset it.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SettingsError(f"towers.sum.features: {path} cannot be read as Parquet ({error}).") from None


def _numbers(table: pl.DataFrame) -> Floats:
    """(rows, F) float32, NaN for null: every column of numbers, one column for each place of a list or array."""
    columns: list[pl.Series] = []
    for column in table.select(selectors.exclude(*KEYS)).get_columns():
        if isinstance(column.dtype, pl.Array):
            column = column.arr.to_list()
        if isinstance(column.dtype, pl.List) and column.dtype.inner.is_numeric():
            width = int(column.list.len().drop_nulls().to_numpy().max(initial=0))
            columns += [column.list.get(place, null_on_oob=True) for place in range(width)]
        elif column.dtype.is_numeric() or column.dtype == pl.Boolean:
            columns.append(column)
    if not columns:
        return np.empty((len(table), 0), np.float32)
    return np.stack([column.cast(pl.Float32).to_numpy() for column in columns], axis=1)
