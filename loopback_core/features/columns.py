"""Columns of numbers that somebody keeps for tracks: features of the audio, embeddings of texts, release years."""

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
        raise SettingsError(f"towers.features: {path} has no column {' and no '.join(missing)}; it names the tracks.")
    if table.select(KEYS).is_duplicated().any():
        twice = table.filter(table.select(KEYS).is_duplicated()).row(0, named=True)
        raise SettingsError(
            f"towers.features: {path} has {twice['track_name']!r} by {twice['artist_name']!r} twice; keep one row a track."
        )
    numbers = _numbers(table)
    if not numbers.width:
        raise SettingsError(f"towers.features: {path} has no column of numbers beside {' and '.join(KEYS)}.")
    found = names.select(KEYS).join(
        table.select(KEYS).with_row_index("row"), on=KEYS, how="left", maintain_order="left"
    )["row"]
    values = numbers.to_numpy().astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    joined = np.full((len(names), values.shape[1]), np.nan, np.float32)
    here = found.is_not_null().to_numpy()
    joined[here] = values[found.drop_nulls().to_numpy()]
    return joined


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, glob=False)
    except FileNotFoundError:
        raise SettingsError(f"towers.features: there is no file {path}; correct or unset it.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SettingsError(f"towers.features: {path} cannot be read as Parquet ({error}).") from None


def _numbers(table: pl.DataFrame) -> pl.DataFrame:
    """Every column of numbers as float32, a list or an array spread over as many columns as it is long."""
    spread = []
    for name, kind in table.select(selectors.exclude(*KEYS)).schema.items():
        column = table.get_column(name)
        if isinstance(kind, pl.Array):
            column = column.arr.to_list()
        if isinstance(column.dtype, pl.List) and column.dtype.inner.is_numeric():
            width = max(column.list.len().to_list(), default=0)
            fields = column.list.to_struct(fields=[f"{name}_{i}" for i in range(width)]).struct.unnest()
            spread += fields.cast(pl.Float32).get_columns()
        elif kind.is_numeric() or kind == pl.Boolean:
            spread.append(column.cast(pl.Float32))
    return pl.DataFrame(spread)
