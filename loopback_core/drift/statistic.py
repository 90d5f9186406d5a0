"""The statistics of a week: what each counts, on which scale its weeks are compared, and what a person reads of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ByWeek = NDArray[np.float64]
"""A value for each week, (weeks,); NaN where a week says nothing."""

ComparedBy = Literal["count", "share", "stability", "hours"]
"""count: by its ratio. share: by the arc sine of its root. stability: an index from 0, by its ratio, only upwards. hours: a difference of times of
the day."""


@dataclass(frozen=True)
class Statistic:
    """One column of the table of weeks."""

    name: str
    scale: ComparedBy
    of: str  # the column that says of how many a share is, or from how many the others were counted
    says: str  # what it is, in words that follow "is"
    only_above: bool = False  # nothing is wrong with a small one


STATISTICS = (
    Statistic("listens", "count", "listens", "the number of listens"),
    Statistic("users", "count", "users", "the number of users who listened"),
    Statistic("new_users", "share", "users", "the share of the users who had never listened before", only_above=True),
    Statistic("new_tracks", "share", "listens", "the share of the listens to tracks that nobody had played before"),
    Statistic(
        "repeats", "share", "known_listens", "the share of the listens to tracks that their user had played before"
    ),
    Statistic(
        "own_artists", "share", "known_listens", "the share of the listens to artists that their user had played before"
    ),
    Statistic(
        "head_plays", "share", "listens", "the share of the plays that the most played artists of the weeks before get"
    ),
    Statistic(
        "silent_artists",
        "share",
        "artists_to_play",
        "the share of artists whom nobody plays, by the plays that those who listen would give them",
        only_above=True,
    ),
    Statistic("artist_stability", "stability", "listens", "the stability index of artists", only_above=True),
    Statistic("hour_stability", "stability", "listens", "the stability index of the hours of the day", only_above=True),
    Statistic("activity_stability", "stability", "users", "the stability index of listens per user", only_above=True),
    Statistic(
        "country_stability", "stability", "users", "the stability index of the users' countries", only_above=True
    ),
    Statistic(
        "own_hours_shift", "hours", "known_listens", "the number of hours by which users listen later than before"
    ),
    Statistic(
        "bursts",
        "share",
        "listens",
        "the share of the listens that begin seconds after the one before",
        only_above=True,
    ),
    Statistic(
        "round_the_clock",
        "share",
        "users",
        "the share of the listens of users who listened in nearly every hour of that day",
        only_above=True,
    ),
    Statistic("largest_user", "share", "listens", "the share of the listens of the user with most", only_above=True),
)
"""Every statistic, in the order in which they are shown."""
