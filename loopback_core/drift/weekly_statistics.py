"""One row for each week of a log, a column for each statistic."""

import itertools
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from loopback_core.data import Ids
from loopback_core.drift.stability import population_stability
from loopback_core.drift.statistic import ByWeek
from loopback_core.drift.week_reading import WEEK, WeeksOfLog

BEFORE = 4
"""Weeks that a week is compared with: a month."""

BINS_OF_ARTISTS = 100
"""Artists with a bin of their own; all others are one bin."""

SHARE_OF_HEAD = 0.5
"""The most played artists are those that together get this share of the plays."""

WEEKS_TO_HALVE = 13
"""Weeks after which a play counts half for what its user is to play."""

LEAST_TO_GET = 1.0
"""Plays in a week that an artist is to get at least, for its silence to say something."""

ROOM_FOR_PLAYS = 1 << 40

BURST_SECONDS = 30
NEARLY_EVERY_HOUR = 20


def weekly_statistics(log: WeeksOfLog, profiles: Path) -> pl.DataFrame:
    """Columns: `start` (second of the first moment), each of STATISTICS, and what these are of. A row for each week.

    NaN where a week has too little for a statistic: no listen, or fewer than BEFORE weeks before it. profiles: the file, if
    there is one.
    """
    weeks, by_user, hours = log.n_weeks, _by_user(log), _hours(log)
    listens = _sums(weeks, by_user["week"], by_user["listens"])
    users = _sums(weeks, by_user["week"])
    known = by_user.filter(pl.col("week") > pl.col("first"))
    known_listens = _sums(weeks, known["week"], known["listens"])
    largest = np.zeros(weeks + 1)
    np.maximum.at(largest, by_user["week"].to_numpy() + 1, by_user["listens"].to_numpy())
    counted = {"listens": listens, "users": users, "known_listens": known_listens}
    of_weeks = {
        "new_users": 1 - _ratio(_sums(weeks, known["week"]), users),
        "new_tracks": _ratio(_first_plays(log, ["track"]), listens),
        "repeats": 1 - _ratio(_first_plays(log, ["user", "track"]), known_listens),
        "own_artists": 1 - _ratio(_first_plays(log, ["user", "artist"]), known_listens),
        **_of_artists(log),
        **_silent_artists(log),
        "hour_stability": _hour_stability(hours, weeks),
        "activity_stability": _activity_stability(by_user, weeks),
        "country_stability": _country_stability(log, by_user, profiles),
        "own_hours_shift": _own_hours_shift(hours, len(log.users), weeks),
        "bursts": _ratio(_sums(weeks, _bursts(log)), listens),
        "round_the_clock": _ratio(_round_the_clock(hours, weeks), listens),
        "largest_user": _ratio(largest[1:], listens),
    }
    return pl.DataFrame({"start": pl.Series(log.starts, dtype=pl.Int64), **counted, **of_weeks})


def _sums(weeks: int, week: pl.Series, values: pl.Series | None = None) -> ByWeek:
    """The sum of the values of each week, or their number, (weeks,)."""
    weights = None if values is None else values.to_numpy()
    sums = np.bincount(week.to_numpy().astype(np.int64) + 1, weights, minlength=weeks + 1)
    return np.asarray(sums[1:], np.float64)


def _ratio(part: ByWeek, whole: ByWeek, otherwise: float = np.nan) -> ByWeek:
    ratio = np.full(len(part), otherwise)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _by_user(log: WeeksOfLog) -> pl.DataFrame:
    """A row for each user and week: user, week, listens, and `first`, the first week of the user."""
    rows = log.listens.lazy().group_by("user", "week").agg(listens=pl.len())
    return rows.collect(engine="streaming").with_columns(first=pl.col("week").min().over("user"))


def _hours(log: WeeksOfLog) -> pl.DataFrame:
    """A row for each user and hour with a listen: user, hour (since 1970-01-01 UTC), week, listens."""
    rows = log.listens.lazy().group_by("user", hour=pl.col("second") // 3600)
    return rows.agg(pl.col("week").max(), listens=pl.len()).collect(engine="streaming").sort("user", "hour")


def _first_plays(log: WeeksOfLog, of: list[str]) -> ByWeek:
    """Listens of each week to what occurs in that week for the first time, (weeks,); of known users where it is theirs."""
    counts = log.listens.lazy().group_by(*of, "week").agg(plays=pl.len())
    first = pl.col("week").cast(pl.Int64) * ROOM_FOR_PLAYS + pl.col("plays")  # the least of these is of the first week
    met = counts.group_by(of).agg(first=first.min())
    met = met.with_columns(
        week=(pl.col("first") // ROOM_FOR_PLAYS).cast(pl.Int16), plays=pl.col("first") % ROOM_FOR_PLAYS
    )
    if "user" in of:
        begins = log.listens.lazy().group_by("user").agg(begins=pl.col("week").min())
        met = met.join(begins, on="user").filter(pl.col("week") > pl.col("begins"))
    by_week = met.group_by("week").agg(pl.col("plays").sum()).collect(engine="streaming")
    return _sums(log.n_weeks, by_week["week"], by_week["plays"])


def _of_artists(log: WeeksOfLog) -> dict[str, ByWeek]:
    """What the most played artists of the weeks before get, and the stability of all."""
    plays = log.listens.lazy().filter(pl.col("week") >= 0).group_by("artist", "week").len().collect(engine="streaming")
    artist = plays["artist"].rank("dense").to_numpy().astype(np.int64) - 1
    shape = log.n_weeks, int(artist.max(initial=-1)) + 1
    by_week = csr_array((plays["len"].to_numpy().astype(np.int64), (plays["week"].to_numpy(), artist)), shape)
    head_plays, stability = (np.full(log.n_weeks, np.nan) for _ in range(2))
    for week in range(BEFORE, log.n_weeks):
        now = by_week[[week]].toarray()[0]
        before = np.asarray(by_week[week - BEFORE : week].sum(axis=0)).ravel()
        if not now.sum() or not before.sum():
            continue
        order = np.argsort(-before, kind="stable")
        head = order[: int(np.searchsorted(np.cumsum(before[order]), SHARE_OF_HEAD * before.sum())) + 1]
        head_plays[week] = now[head].sum() / now.sum()
        binned = order[:BINS_OF_ARTISTS]
        stability[week] = population_stability(_with_rest(before, binned), _with_rest(now, binned))
    return {"head_plays": head_plays, "artist_stability": stability}


def _silent_artists(log: WeeksOfLog) -> dict[str, ByWeek]:
    """Of the plays that artists were to get, the share of those whom nobody plays, and how many artists these are of.

    An artist is to get what those who listen in the week gave before: each the share of their plays, older ones the less, times
    their listens of the week. So it does not count who listens and how much, which varies most.
    """
    age = (
        (log.starts[0] - 1 - pl.col("second")) // WEEK if log.starts else pl.lit(0)
    )  # of what was before the first week
    weight = pl.when(pl.col("week") < 0).then(0.5 ** (age / WEEKS_TO_HALVE)).otherwise(1.0)
    by_week = log.listens.lazy().group_by("user", "artist", "week").agg(plays=weight.sum())
    rows = by_week.collect(engine="streaming")
    rows = rows.with_columns(artist=pl.col("artist").rank("dense").cast(pl.Int64) - 1).sort("week")
    shape = len(log.users), int(rows["artist"].max() or 0) + 1  # type: ignore[arg-type]
    ends = np.searchsorted(rows["week"].to_numpy(), np.arange(-1, log.n_weeks), side="right")
    parts = [rows[start:end] for start, end in itertools.pairwise([0, *ends])]  # of the time before, and of each week
    silent, artists = (np.full(log.n_weeks, np.nan) for _ in range(2))
    before = csr_array(shape)
    for week, part in enumerate(parts, start=-1):
        now = csr_array((part["plays"].to_numpy(), (part["user"].to_numpy(), part["artist"].to_numpy())), shape)
        if week >= BEFORE:
            to_get = _ratio(now.sum(axis=1), before.sum(axis=1), otherwise=0.0) @ before
            asked = to_get >= LEAST_TO_GET
            artists[week] = asked.sum()
            silent[week] = to_get[asked & (now.sum(axis=0) == 0)].sum() / to_get[asked].sum() if asked.any() else np.nan
        before = before * 0.5 ** (1 / WEEKS_TO_HALVE) + now
    return {"silent_artists": silent, "artists_to_play": artists}


def _with_rest(counts: Ids, binned: Ids) -> Ids:
    return np.append(counts[binned], counts.sum() - counts[binned].sum())


def _hour_stability(hours: pl.DataFrame, weeks: int) -> ByWeek:
    """Every user counts once in an hour, however much they play in it: a session is one decision."""
    counts = hours.filter(pl.col("week") >= 0).group_by("week", of_day=pl.col("hour") % 24).len()
    return _stability(_table(counts, "of_day", weeks))


def _activity_stability(by_user: pl.DataFrame, weeks: int) -> ByWeek:
    """Users by how much they listened: 1, 2 to 3, 4 to 7, ..., twice as much in each bin."""
    times_doubled = pl.col("listens").log(2).floor().cast(pl.Int64).alias("doubled")
    return _stability(
        _table(by_user.filter(pl.col("week") >= 0).group_by("week", times_doubled).len(), "doubled", weeks)
    )


def _country_stability(log: WeeksOfLog, by_user: pl.DataFrame, profiles: Path) -> ByWeek:
    """Of the users who named their country."""
    if not profiles.exists():
        return np.full(log.n_weeks, np.nan)
    users = log.users.to_frame().with_row_index("user")
    named = users.join(pl.read_parquet(profiles, glob=False), on="user_id").filter(pl.col("country").is_not_null())
    named = named.select("user", bin=pl.col("country").rank("dense").cast(pl.Int64) - 1)
    counts = by_user.filter(pl.col("week") >= 0).join(named, on="user").group_by("week", "bin").len()
    return _stability(_table(counts, "bin", log.n_weeks))


def _table(counts: pl.DataFrame, column: str, weeks: int) -> Ids:
    """(weeks, bins) from rows of week, bin and len."""
    table = np.zeros((weeks, int(counts[column].max() or 0) + 1), np.int64)  # type: ignore[arg-type]
    table[counts["week"].to_numpy(), counts[column].to_numpy()] = counts["len"].to_numpy()
    return table


def _stability(table: Ids) -> ByWeek:
    """Of each week against the BEFORE weeks before it, (weeks,). table: (weeks, bins) counts."""
    values = np.full(len(table), np.nan)
    for week in range(BEFORE, len(table)):
        values[week] = population_stability(table[week - BEFORE : week].sum(axis=0), table[week])
    return values


def _own_hours_shift(hours: pl.DataFrame, n_users: int, weeks: int) -> ByWeek:
    """By how many hours users listen later than in all weeks before, (weeks,), from -12 to 12; every user has their own day.

    The hours of a user are a direction on the clock of 24 hours, the longer the more regular they are. The turn from the
    direction before to that of now is averaged over users, weighted by its length.
    """
    rows = hours.filter(pl.col("week") >= 0)
    angle = rows["hour"].to_numpy() % 24 * (2 * np.pi / 24)
    places = rows["week"].to_numpy(), rows["user"].to_numpy()
    directions = csr_array((np.exp(1j * angle), places), (weeks, n_users))
    before, shift = np.zeros(n_users, np.complex128), np.full(weeks, np.nan)
    for week in range(weeks):
        now = directions[[week]].toarray()[0]
        length = np.sqrt(np.abs(before))
        turn = np.sum(now * np.divide(before.conj(), length, out=np.zeros_like(before), where=length > 0))
        if week >= BEFORE and turn:
            shift[week] = np.angle(turn) * 24 / (2 * np.pi)
        before += now
    return shift


def _bursts(log: WeeksOfLog) -> pl.Series:
    """The week of every listen that begins at most BURST_SECONDS after the one before of the same user."""
    soon = (pl.col("second").diff() <= BURST_SECONDS) & (pl.col("user") == pl.col("user").shift())
    return log.listens.lazy().filter(soon).select("week").collect()["week"]


def _round_the_clock(hours: pl.DataFrame, weeks: int) -> ByWeek:
    """Listens on days, from midnight UTC, on which their user listened in NEARLY_EVERY_HOUR hours or more, (weeks,)."""
    by_day = hours.lazy().group_by("user", day=pl.col("hour") // 24)
    days = by_day.agg(pl.col("week").max(), pl.col("listens").sum(), hours=pl.len())
    restless = days.filter(pl.col("hours") >= NEARLY_EVERY_HOUR).collect()
    return _sums(weeks, restless["week"], restless["listens"])
