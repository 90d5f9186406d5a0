"""Which part each listen belongs to: the four strategies."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from loopback_core.settings import SplitSettings, in_utc

TRAIN, VALIDATION, TEST, HELD_OUT = 0, 1, 2, 3
PART_NAMES = ("train", "validation", "test")

Parts = NDArray[np.int8]
Column = NDArray[np.int64]
Boundaries = tuple[int, int]
"""The last moment of train and of validation, in seconds."""

BIN = 1 << 16
"""Moments have 32 bits: the first 16 of them are the bin, the last 16 the place in it."""


def cut(user: Column, timestamp: Column, settings: SplitSettings, boundaries: Boundaries | None) -> Parts:
    """The part of every listen, (n,): TRAIN, VALIDATION or TEST.

    user: (n,) any integer per user, each user's rows contiguous and oldest first. timestamp: (n,) seconds. All rows of each
    user must be there, not all users. boundaries: those of :func:`boundaries_of`.
    """
    if boundaries is not None:
        return _after(timestamp, *boundaries)
    starts, rows = _users(user)
    if settings.strategy == "per_user":
        return np.concatenate(
            [_after(timestamp[rows_], *_boundaries(timestamp[rows_], settings)) for rows_ in _slices(starts, rows)]
            or [np.zeros(0, np.int8)]
        )
    from_the_end = np.repeat(starts + rows, rows) - np.arange(len(user))  # 1 for a user's last row
    return np.select([from_the_end == 1, from_the_end == 2], [TEST, VALIDATION], TRAIN).astype(np.int8)


def boundaries_of(timestamps: Callable[[], Iterable[Column]], settings: SplitSettings) -> Boundaries | None:
    """Where the whole log is cut; None when each history is cut by itself.

    timestamps: gives all moments in pieces, in any order, as often as it is called. They are counted, not sorted: twice
    65,536 counts find a moment of any log.
    """
    if settings.strategy == "dates":
        return _cut_dates(settings)
    if settings.strategy != "global":
        return None
    bins = count_bins(timestamps())
    places = _last_places(int(bins.sum()), settings)
    ends = np.cumsum(bins)
    bin_of = [int(np.searchsorted(ends, place, side="right")) for place in places]
    inside = {number: np.zeros(BIN, np.int64) for number in bin_of}
    for moments in timestamps():
        for number, counts in inside.items():
            of_bin = moments[moments >> 16 == number]
            counts += np.bincount(of_bin & (BIN - 1), minlength=BIN)
    train, validation = (
        number * BIN
        + int(np.searchsorted(np.cumsum(inside[number]), place - ends[number] + bins[number], side="right"))
        for number, place in zip(bin_of, places, strict=True)
    )
    return train, validation


def count_bins(timestamps: Iterable[Column]) -> Column:
    """How many moments lie in each bin, (65_536,)."""
    counts = np.zeros(BIN, np.int64)
    for moments in timestamps:
        counts += np.bincount(moments >> 16, minlength=BIN)
    return counts


def held_out_users(n_users: int, settings: SplitSettings) -> NDArray[np.bool_]:
    """Whether each user is held out, (n_users,): whole users, chosen by seed whatever they play."""
    held_out = np.zeros(n_users, np.bool_)
    n_held_out = round(n_users * settings.held_out_users)
    held_out[np.random.default_rng(settings.seed).permutation(n_users)[:n_held_out]] = True
    return held_out


def hold_out(held_out: NDArray[np.bool_], part: Parts) -> Parts:
    """The parts with HELD_OUT for what held-out users play before test, (n,): as if they came with the test period.

    held_out: (n,) whether the listen is that of a held-out user.
    """
    return np.where(held_out & (part != TEST), np.int8(HELD_OUT), part)


def _boundaries(ordered: Column, settings: SplitSettings) -> Boundaries:
    """Of the moments of one user, which are sorted; rows that share a boundary go to the earlier part."""
    train, validation = _last_places(len(ordered), settings)
    return int(ordered[train]), int(ordered[validation])


def _last_places(n: int, settings: SplitSettings) -> tuple[int, int]:
    """The places of the last rows of train and of validation among n sorted ones, from 0; n is at least 1."""
    n_test = int(n * settings.test_fraction)
    n_validation = int(n * settings.validation_fraction)
    n_train = n - n_validation - n_test  # at least one row: the fractions round down
    return n_train - 1, n_train + n_validation - 1


def _cut_dates(settings: SplitSettings) -> Boundaries:
    assert settings.train_until and settings.validation_until  # the settings checked it
    return int(in_utc(settings.train_until).timestamp()), int(in_utc(settings.validation_until).timestamp())


def _after(timestamp: Column, train_until: int, validation_until: int) -> Parts:
    return (timestamp > train_until).astype(np.int8) + (timestamp > validation_until)


def _users(user: Column) -> tuple[Column, Column]:
    """First row and number of rows of each user."""
    starts = np.flatnonzero(np.diff(user, prepend=user[:1] - 1)).astype(np.int64)
    return starts, np.diff(starts, append=len(user))


def _slices(starts: Column, rows: Column) -> list[slice]:
    return [slice(int(start), int(start + count)) for start, count in zip(starts, rows, strict=True)]
