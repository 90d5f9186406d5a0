"""Which part each listen belongs to: the four strategies."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.settings import SplitSettings, in_utc

TRAIN, VALIDATION, TEST, HELD_OUT = 0, 1, 2, 3
PART_NAMES = ("train", "validation", "test")

Parts = NDArray[np.int8]
Column = NDArray[np.int64]


def cut(user: Column, timestamp: Column, settings: SplitSettings) -> Parts:
    """The part of every listen, (n,): TRAIN, VALIDATION or TEST.

    user: (n,) any integer per user, each user's rows contiguous and oldest first. timestamp: (n,) seconds.
    """
    match settings.strategy:
        case "global":
            return _after(timestamp, *_boundaries(np.sort(timestamp), settings))
        case "dates":
            return _after(timestamp, *_cut_dates(settings))
        case "per_user":
            starts, rows = _users(user)
            return np.concatenate(
                [_after(timestamp[rows_], *_boundaries(timestamp[rows_], settings)) for rows_ in _slices(starts, rows)]
                or [np.zeros(0, np.int8)]
            )
        case "leave_last":
            starts, rows = _users(user)
            from_the_end = np.repeat(starts + rows, rows) - np.arange(len(user))  # 1 for a user's last row
            return np.select([from_the_end == 1, from_the_end == 2], [TEST, VALIDATION], TRAIN).astype(np.int8)


def hold_out_users(user: Column, part: Parts, settings: SplitSettings) -> Parts:
    """The parts with HELD_OUT for what held-out users play before test, (n,): as if they came with the test period.

    user: (n,) as for :func:`cut`. They are whole users, chosen by seed whatever they play.
    """
    starts, rows = _users(user)
    n_held_out = round(len(starts) * settings.held_out_users)
    held_out = np.zeros(len(starts), np.bool_)
    held_out[np.random.default_rng(settings.seed).permutation(len(starts))[:n_held_out]] = True
    return np.where(np.repeat(held_out, rows) & (part != TEST), np.int8(HELD_OUT), part)


def _boundaries(ordered: Column, settings: SplitSettings) -> tuple[int, int]:
    """The last moment of train and of validation; rows that share it go to the earlier part."""
    n = len(ordered)
    n_test = int(n * settings.test_fraction)
    n_validation = int(n * settings.validation_fraction)
    n_train = n - n_validation - n_test  # at least one row: the fractions round down
    return (int(ordered[n_train - 1]), int(ordered[n_train + n_validation - 1])) if n else (0, 0)


def _cut_dates(settings: SplitSettings) -> tuple[int, int]:
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
