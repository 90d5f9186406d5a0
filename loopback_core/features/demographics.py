"""Gender, age and country as codes: from the profiles of a log."""

import zlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

DEMOGRAPHIC_SIZES = (3, 11, 129)
"""Codes of gender, age by decades, and country, hashed; 0: unknown."""


def demographic_codes(users: pl.DataFrame) -> NDArray[np.int16]:
    """(n, 3) codes of every row, below DEMOGRAPHIC_SIZES. users: gender, age and country, each column optional."""
    codes = np.zeros((len(users), 3), np.int16)
    if "gender" in users.columns:
        codes[:, 0] = users["gender"].replace_strict({"f": 1, "m": 2}, default=0, return_dtype=pl.Int16).fill_null(0)
    if "age" in users.columns:
        codes[:, 1] = (users["age"].cast(pl.Int16) // 10 + 1).clip(0, DEMOGRAPHIC_SIZES[1] - 1).fill_null(0)
    if "country" in users.columns:
        countries = users["country"].unique().drop_nulls().to_list()
        bucket = {name: zlib.crc32(name.encode()) % (DEMOGRAPHIC_SIZES[2] - 1) + 1 for name in countries}
        codes[:, 2] = users["country"].replace_strict(bucket, default=0, return_dtype=pl.Int16).fill_null(0)
    return codes
