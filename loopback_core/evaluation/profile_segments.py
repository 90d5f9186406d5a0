"""Users by what their profiles say of them: whether a model serves some of them worse (Breck et al. 2017, inclusion)."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import Ids

FEWEST = 20
"""Users whom a segment needs: of fewer, the numbers would say little and much about each of them."""

MOST_COUNTRIES = 5
"""The countries with the most users have segments of their own."""

AGES = ((0, 25, "age under 25"), (25, 35, "age 25 to 34"), (35, 200, "age 35 and over"))


def profile_segments(users: pl.DataFrame, asked: Ids) -> dict[str, NDArray[np.bool_]]:
    """Segment -> (len(asked),) mask, of segments with FEWEST users; empty where the log came without profiles.

    users: with `gender` (f or m), `age` in years and `country`, as far as the log has them, by dense id. asked: ids.
    """
    profiles = users[asked]
    found: dict[str, pl.Series] = {}
    if "gender" in profiles.columns:
        found |= {name: profiles["gender"] == code for code, name in (("f", "female"), ("m", "male"))}
    if "age" in profiles.columns:
        found |= {name: profiles["age"].is_between(low, high, closed="left") for low, high, name in AGES}
    if "country" in profiles.columns:
        counted = profiles["country"].drop_nulls().value_counts().sort("count", "country", descending=[True, False])
        found |= {name: profiles["country"] == name for name in counted["country"].head(MOST_COUNTRIES)}
    masks = {name: mask.fill_null(False).to_numpy() for name, mask in found.items()}
    return {name: mask for name, mask in masks.items() if mask.sum() >= FEWEST}
