"""Faults of a pipeline, planted into the last week of a table of listens."""

from datetime import timedelta

import polars as pl

WEEK = timedelta(days=7)


def in_last_week(listens):
    """Whether a listen is of the week that ends with the last one."""
    return pl.col("timestamp") > listens["timestamp"].max() - WEEK


def users_shuffled(listens, rng):
    """Every listen of the week is somebody else's: the column of users was joined in another order."""
    return _mapped(
        listens, "user_id", lambda users: users.sample(fraction=1, shuffle=True, seed=int(rng.integers(2**31)))
    )


def users_swapped(listens, rng):
    """The ids of the week are those of other users."""
    names = listens.filter(in_last_week(listens))["user_id"].unique().sort()
    others = pl.Series(rng.permutation(names.to_numpy()))
    return _mapped(listens, "user_id", lambda users: users.replace_strict(names, others))


def users_renamed(listens, rng):
    """A fifth of the users have other ids: a source writes them in another form."""
    return _mapped(listens, "user_id", lambda users: _marked(users, rng, 0.2))


def users_lost(listens, rng):
    """Half of the users are missing."""
    return _without(listens, "user_id", rng, 0.5)


def artists_dropped(listens, rng):
    """A third of the artists are missing."""
    return _without(listens, "artist_name", rng, 1 / 3)


def titles_renamed(listens, rng):
    """A third of the artists have other titles: a source writes them in another form."""
    week, names = listens.filter(in_last_week(listens)), listens["artist_name"].unique().sort()
    chosen = names.filter(pl.Series(rng.random(len(names)) < 1 / 3))
    renamed = pl.when(pl.col("artist_name").is_in(chosen.implode())).then(pl.col("track_name") + " (Remastered)")
    return _joined(listens, week.with_columns(renamed.otherwise(pl.col("track_name")).alias("track_name")))


def hours_shifted(listens, rng):
    """The clock of the week is six hours ahead: a time zone was applied where there was none."""
    week = listens.filter(in_last_week(listens))
    moved = week.with_columns(pl.col("timestamp") + timedelta(hours=6)).filter(
        pl.col("timestamp") <= listens["timestamp"].max()
    )
    return _joined(listens, moved)


def sent_twice(listens, rng):
    """A tenth of the listens of the week come a second time, some seconds later."""
    week = listens.filter(in_last_week(listens))
    again = week.filter(pl.Series(rng.random(len(week)) < 0.1)).with_columns(pl.col("timestamp") + timedelta(seconds=2))
    return pl.concat([listens, again.filter(pl.col("timestamp") <= listens["timestamp"].max())])


def bots(listens, rng):
    """One user in a hundred plays a track every three minutes, day and night."""
    week = listens.filter(in_last_week(listens))
    users = week["user_id"].unique().sort()
    times = pl.Series("timestamp", [listens["timestamp"].max() - timedelta(minutes=3 * i) for i in range(3360)])
    one_each = [
        week.sample(len(times), with_replacement=True, seed=int(rng.integers(2**31))).with_columns(
            times, user_id=pl.lit(user)
        )
        for user in users.sample(-(-len(users) // 100), seed=int(rng.integers(2**31)))
    ]
    return pl.concat([listens, *one_each])


def country_lost(listens, rng, profiles):
    """The users of the two countries with most are missing."""
    largest = profiles["country"].drop_nulls().value_counts(sort=True)["country"].head(2)
    gone = profiles.filter(pl.col("country").is_in(largest.implode()))["user_id"]
    return listens.filter(~(in_last_week(listens) & pl.col("user_id").is_in(gone.implode())))


SHIFTS = {
    "users shuffled": users_shuffled,
    "users swapped": users_swapped,
    "users renamed": users_renamed,
    "users lost": users_lost,
    "artists dropped": artists_dropped,
    "titles renamed": titles_renamed,
    "hours shifted": hours_shifted,
    "sent twice": sent_twice,
    "bots": bots,
}
"""Name -> what plants it: listens, generator -> listens."""


def sorted_listens(listens):
    """As `interactions.parquet` holds them."""
    return listens.sort("user_id", "timestamp", maintain_order=True)


def _joined(listens, week):
    return pl.concat([listens.filter(~in_last_week(listens)), week])


def _mapped(listens, column, change):
    week = listens.filter(in_last_week(listens))
    return _joined(listens, week.with_columns(change(week[column]).alias(column)))


def _marked(names, rng, share):
    distinct = names.unique().sort()
    chosen = distinct.filter(pl.Series(rng.random(len(distinct)) < share))
    return pl.select(pl.when(names.is_in(chosen.implode())).then("id:" + names).otherwise(names)).to_series()


def _without(listens, column, rng, share):
    names = listens["user_id" if column == "user_id" else column].unique().sort()
    gone = names.filter(pl.Series(rng.random(len(names)) < share))
    return listens.filter(~(in_last_week(listens) & pl.col(column).is_in(gone.implode())))
