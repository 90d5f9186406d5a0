import numpy as np
import polars as pl

from loopback_core.data import Events, FitData
from loopback_core.data.names import TrackNames
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.splits.period_sample import sample_of
from loopback_core.tasks.period import Period
from loopback_core.tasks.task_builders import discovery

N_USERS, N_TRACKS, EACH = 20, 60, 30


def period():
    """Every user plays 30 tracks of a shelf of 40 of his own, then some more; an artist has two tracks."""
    rng = np.random.default_rng(0)
    user = np.tile(np.arange(N_USERS), EACH)
    track = (rng.integers(0, 40, len(user)) + user) % N_TRACKS
    stamps = np.arange(len(user), dtype=np.int64) * 60
    artist = (np.arange(N_TRACKS) // 2).astype(np.int32)
    events = Events(user.astype(np.int32), track.astype(np.int32), stamps)
    names = TrackNames(
        lambda: pl.DataFrame(
            {
                "artist": artist,
                "artist_name": [f"artist {of}" for of in artist],
                "track_name": [f"title {of}" for of in range(N_TRACKS)],
            }
        )
    )
    later = Events(
        np.tile(np.arange(N_USERS), 5).astype(np.int32),
        rng.integers(0, N_TRACKS, N_USERS * 5).astype(np.int32),
        stamps[-1] + 60 + np.arange(N_USERS * 5) * 60,
    )
    demographics = np.arange(N_USERS * 3, dtype=np.int16).reshape(N_USERS, 3)
    fit = FitData(events, count_catalog(events, artist), int(stamps[-1]), demographics, names)
    return Period(fit, later, np.arange(N_USERS), artist)


def test_a_log_that_is_short_enough_is_itself():
    whole = period()
    assert sample_of(whole, len(whole.fit.events), seed=0) is whole


def test_whole_users_are_drawn_and_what_they_play_keeps_its_name_and_artist():
    whole = period()
    small = sample_of(whole, 5 * EACH, seed=0)
    assert small.fit.catalog.n_users == 5
    assert len(small.fit.events) == 5 * EACH
    # Users keep their order, so that demographics tell who they are.
    users = small.fit.demographics[:, 0] // 3
    titles, names = small.fit.names.frame["track_name"].to_list(), small.fit.names.frame["artist_name"].to_list()
    for row, user in enumerate(users):
        mine = small.fit.events.where(small.fit.events.user == row)
        his = whole.fit.events.where(whole.fit.events.user == user)
        assert np.array_equal(mine.timestamp, his.timestamp)
        assert [titles[track] for track in mine.track] == [f"title {track}" for track in his.track]
        assert [names[track] for track in mine.track] == [f"artist {track // 2}" for track in his.track]


def test_its_catalog_and_its_tasks_are_those_of_its_users():
    small = sample_of(period(), 3 * EACH, seed=1)
    catalog = small.fit.catalog
    assert catalog.plays.min() >= 1
    assert catalog.plays.sum() == len(small.fit.events)
    assert catalog.listeners.max() <= 3
    task = discovery(small)
    assert task.n_candidates == catalog.n_tracks
    assert task.positives.values.max() < catalog.n_tracks
    assert len(task.users) <= 3


def test_the_draw_depends_on_the_seed_alone():
    one, two, other = (sample_of(period(), 4 * EACH, seed).fit.demographics for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
