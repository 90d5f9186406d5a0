"""A log whose tastes are planted: the case that every recommender of tastes must solve, and popularity cannot."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from loopback_core.settings import SplitSettings
from loopback_core.splits import Splits, split_listens

USERS, GROUPS, TRACKS_PER_GROUP = 60, 4, 50
TRAIN_TRACKS, VALIDATION_TRACKS = 30, 8  # of the 50 that a user plays; the remaining 12 are played in test only
START = datetime(2008, 1, 1, tzinfo=UTC)
CUTS = SplitSettings(
    strategy="dates", train_until=START + timedelta(days=99), validation_until=START + timedelta(days=199)
)


def planted_splits(folder):
    """60 users in 4 groups, each with 50 tracks of its own, 5 to an artist; a user plays only those of their group.

    Each user hears the tracks of the group in an order of their own: the first 30 in train, each twice, the next 8 in
    validation, the rest in test. So every track is about as popular as every other.
    """
    rng = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        group = user % GROUPS
        for place, track in enumerate(rng.permutation(TRACKS_PER_GROUP)):
            part = (place >= TRAIN_TRACKS) + (place >= TRAIN_TRACKS + VALIDATION_TRACKS)
            for again in range(2):
                when = START + timedelta(days=100 * int(part) + 1, minutes=2 * place + again, seconds=user)
                rows.append((f"user_{user:02d}", when, f"group {group} artist {track // 5}", f"track {track}"))
    interactions = folder / "interactions"
    interactions.mkdir()
    frame = pl.DataFrame(rows, schema=["user_id", "timestamp", "artist_name", "track_name"], orient="row")
    no_id = pl.lit(None, pl.String)
    frame = frame.with_columns(artist_mbid=no_id, track_mbid=no_id).sort("user_id", "timestamp")
    frame.write_parquet(interactions / "interactions.parquet")
    split_listens(interactions, folder / "splits", CUTS)
    return Splits(folder / "splits")
