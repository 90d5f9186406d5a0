"""A log of ordinary weeks: everybody has own hours, own artists, and a day job."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from planted_shifts import sorted_listens

BEGIN = datetime(2020, 1, 6, tzinfo=UTC)
WEEKS, USERS, ARTISTS = 40, 60, 120
COUNTRIES = ("Norway", "Japan", "Brazil", "Greece")


def ordinary_listens(seed=0, weeks=WEEKS):
    """Some 30 listens of each user and week: mostly of their 20 artists, by popularity, in the six hours that they like."""
    rng = np.random.default_rng(seed)
    popularity = 1 / (np.arange(ARTISTS) + 3.0)
    frames = []
    for user in range(USERS):
        own = rng.choice(ARTISTS, 20, replace=False, p=popularity / popularity.sum())
        n = rng.poisson(30, weeks)
        week = np.repeat(np.arange(weeks), n)
        artist = np.where(
            rng.random(len(week)) < 0.9, own[rng.zipf(1.5, len(week)) % 20], rng.integers(ARTISTS, size=len(week))
        )
        day, hour = rng.integers(7, size=len(week)), (4 * user + rng.integers(6, size=len(week))) % 24
        second = ((week * 7 + day) * 24 + hour) * 3600 + rng.integers(3600, size=len(week))
        frames.append(
            pl.DataFrame(
                {
                    "user_id": [f"user {user:02}"] * len(week),
                    "timestamp": pl.Series(second).cast(pl.Int64),
                    "artist_name": [f"artist {one}" for one in artist],
                    "track_name": [f"track {one}" for one in rng.zipf(1.4, len(week)) % 30],
                }
            )
        )
    moment = pl.lit(BEGIN) + pl.duration(seconds=pl.col("timestamp"))
    return sorted_listens(pl.concat(frames).with_columns(moment.cast(pl.Datetime("us", "UTC")).alias("timestamp")))


def profiles_of(listens):
    """Every user lives in one of four countries."""
    users = listens["user_id"].unique().sort()
    countries = [COUNTRIES[number % len(COUNTRIES)] for number in range(len(users))]
    return pl.DataFrame({"user_id": users, "country": countries})


def write_log(folder, listens, rejects=()):
    """As the asset interactions writes it. rejects: the reason of each rejected row."""
    folder.mkdir(parents=True, exist_ok=True)
    listens.write_parquet(folder / "interactions.parquet")
    pl.DataFrame({"reason": list(rejects)}, {"reason": pl.String}).write_parquet(folder / "rejects.parquet")
    return folder


def rows_of(*rows):
    """Listens from (user, days, hours, artist, title), sorted."""
    return sorted_listens(
        pl.DataFrame(
            [
                (user, BEGIN + timedelta(days=days, hours=hours), artist, title)
                for user, days, hours, artist, title in rows
            ],
            schema={
                "user_id": pl.String,
                "timestamp": pl.Datetime("us", "UTC"),
                "artist_name": pl.String,
                "track_name": pl.String,
            },
            orient="row",
        )
    )
