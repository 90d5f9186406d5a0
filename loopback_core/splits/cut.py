"""Which part each listen belongs to: the four strategies."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from loopback_core.errors import SettingsError
from loopback_core.settings import SplitSettings

TRAIN, VALIDATION, TEST, HELD_OUT = 0, 1, 2, 3
PART_NAMES = ("train", "validation", "test")

Parts = NDArray[np.int8]
Column = NDArray[np.int64]


def cut(user: Column, timestamp: Column, settings: SplitSettings) -> Parts:
    """The part of every listen, (n,): TRAIN, VALIDATION or TEST.

    user: (n,) any integer per user, each user's rows contiguous and oldest first. timestamp: (n,) seconds.

    Raises:
        SettingsError: the fractions leave nothing for train, or cut dates are missing or in the wrong order.
    """
    if settings.validation_fraction + settings.test_fraction >= 1:
        raise SettingsError("split.validation_fraction + split.test_fraction must be below 1, or train gets nothing.")
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
    train_until, validation_until = settings.train_until, settings.validation_until
    if train_until is None or validation_until is None:
        raise SettingsError("split.strategy = 'dates' needs split.train_until and split.validation_until.")
    if not _seconds(train_until) < _seconds(validation_until):
        raise SettingsError("split.train_until must lie before split.validation_until.")
    return _seconds(train_until), _seconds(validation_until)


def _seconds(moment: datetime) -> int:
    """A date without a zone is read as UTC, like the times of the log."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _after(timestamp: Column, train_until: int, validation_until: int) -> Parts:
    return (timestamp > train_until).astype(np.int8) + (timestamp > validation_until)


def _users(user: Column) -> tuple[Column, Column]:
    """First row and number of rows of each user."""
    starts = np.flatnonzero(np.diff(user, prepend=user[:1] - 1)).astype(np.int64)
    return starts, np.diff(starts, append=len(user))


def _slices(starts: Column, rows: Column) -> list[slice]:
    return [slice(int(start), int(start + count)) for start, count in zip(starts, rows, strict=True)]
