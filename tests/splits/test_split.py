import random
from collections import Counter
from datetime import date

import numpy as np
import polars as pl
import pytest

from loopback_core.data import distinct_tracks
from loopback_core.errors import BadLogError
from loopback_core.settings import SplitSettings
from loopback_core.splits import Splits, numbered_log, split_listens

# Train is what is heard by second 60, validation by second 80.
SETTINGS = SplitSettings(validation_fraction=0.3, test_fraction=0.2)


@pytest.fixture
def split(tmp_path, ten_listens, write_interactions):
    log = write_interactions(tmp_path / "interactions", ten_listens)
    split_listens(log, tmp_path / "splits", SETTINGS)
    return Splits(tmp_path / "splits")


def rows(events):
    return list(zip(events.user.tolist(), events.track.tolist(), events.timestamp.tolist(), strict=True))


def test_the_parts_are_dense_ids_sorted_by_time_and_ties_by_user_and_line(split):
    bob, cyd, ann = 0, 1, 2
    home, mer, vitamin_c, destiny, polaris, roygbiv = range(6)
    assert rows(split.train) == [
        (bob, home, 10),
        (cyd, mer, 10),
        (bob, home, 20),
        (bob, mer, 60),
        (cyd, home, 60),
        (cyd, vitamin_c, 60),
    ]
    assert rows(split.validation) == [(ann, polaris, 70), (cyd, destiny, 80)]
    assert rows(split.test) == [(ann, roygbiv, 90), (bob, home, 90)]


def test_train_ids_come_first_by_plays_and_later_ones_by_name(split):
    names = split.track_names
    assert names["track"].to_list() == [0, 1, 2, 3, 4, 5]
    assert names["track_name"].to_list() == ["Home", "Mer", "Vitamin C", "Destiny", "Polaris", "Roygbiv"]
    assert names["artist_name"].to_list() == ["Zero 7", "Air", "Can", "Zero 7", "Zero 7", "Boards"]
    assert names["artist"].to_list() == split.log_artist.tolist() == [0, 1, 2, 0, 0, 3]
    assert split.n_log_artists == 4
    assert split.users.to_dict(as_series=False) == {
        "user": [0, 1, 2],
        "user_id": ["bob", "cyd", "ann"],
        "first_part": [0, 0, 1],
    }


def test_a_track_first_heard_in_test_is_in_no_catalog(split):
    def titles(where):
        return pl.read_parquet(split.folder / where / "tracks.parquet")["track_name"].to_list()

    assert titles("tuning") == ["Home", "Mer", "Vitamin C"]
    assert titles("testing") == ["Home", "Mer", "Vitamin C", "Destiny", "Polaris"]
    assert titles("log_only") == ["Roygbiv"]
    assert pl.read_parquet(split.folder / "log_only" / "artists.parquet").rows() == [(3, "Boards")]


def test_log_only_tracks_carry_no_count_and_no_time(split):
    assert pl.read_parquet(split.folder / "log_only" / "tracks.parquet").columns == [
        "track",
        "artist",
        "artist_name",
        "track_name",
        "track_mbid",
        "artist_mbid",
    ]


def test_tuning_counts_train_alone(split):
    fit = split.tuning
    assert (fit.now, fit.catalog.n_users, fit.catalog.n_tracks, fit.catalog.n_artists) == (60, 2, 3, 3)
    assert rows(fit.events) == rows(split.train)
    assert fit.catalog.artist.tolist() == [0, 1, 2]
    assert fit.catalog.plays.tolist() == fit.catalog.artist_plays.tolist() == [3, 2, 1]
    assert fit.catalog.listeners.tolist() == fit.catalog.artist_listeners.tolist() == [2, 2, 1]
    assert fit.catalog.first_seen.tolist() == fit.catalog.artist_first_seen.tolist() == [10, 10, 60]


def test_testing_counts_train_and_validation(split):
    fit = split.testing
    assert (fit.now, fit.catalog.n_users, fit.catalog.n_tracks, fit.catalog.n_artists) == (80, 3, 5, 3)
    assert rows(fit.events) == rows(split.train) + rows(split.validation)
    assert fit.catalog.artist.tolist() == [0, 1, 2, 0, 0]
    assert fit.catalog.plays.tolist() == [3, 2, 1, 1, 1]
    assert fit.catalog.listeners.tolist() == [2, 2, 1, 1, 1]
    assert fit.catalog.first_seen.tolist() == [10, 10, 60, 80, 70]
    assert fit.catalog.artist_plays.tolist() == [5, 2, 1]
    assert fit.catalog.artist_listeners.tolist() == [3, 2, 1]
    assert fit.catalog.artist_first_seen.tolist() == [10, 10, 60]


def test_the_summary_counts_each_part(tmp_path, ten_listens, write_interactions):
    log = write_interactions(tmp_path / "interactions", ten_listens)
    summary = split_listens(log, tmp_path / "splits", SETTINGS)
    assert summary.strategy == "global"
    assert summary.events == {"train": 6, "validation": 2, "test": 2}
    assert summary.users == {"train": 2, "validation": 2, "test": 2}
    assert summary.tracks == {"train": 3, "validation": 2, "test": 1}
    assert summary.artists == {"train": 3, "validation": 0, "test": 1}
    assert summary.first == {"train": 10, "validation": 70, "test": 90}
    assert summary.last == {"train": 60, "validation": 80, "test": 90}


@pytest.mark.parametrize("strategy", ["global", "dates", "per_user", "leave_last"])
def test_the_parts_are_the_input_row_for_row(tmp_path, write_interactions, strategy):
    draw = random.Random(7)
    log = sorted(
        (
            f"user {draw.randrange(5)}",
            draw.randrange(40),
            f"artist {(track := draw.randrange(12)) % 4}",
            f"title {track}",
        )
        for _ in range(200)
    )
    dates = {"train_until": "1970-01-01T00:00:20Z", "validation_until": "1970-01-01T00:00:30Z"}
    settings = SplitSettings(strategy=strategy, **(dates if strategy == "dates" else {}))
    split_listens(write_interactions(tmp_path / "interactions", log), tmp_path / "splits", settings)
    split = Splits(tmp_path / "splits")
    user_of = dict(split.users.select("user", "user_id").iter_rows())
    name_of = {track: (artist, title) for track, _, artist, title in split.track_names.iter_rows()}
    together = [*rows(split.train), *rows(split.validation), *rows(split.test)]
    assert Counter((user_of[user], second, *name_of[track]) for user, track, second in together) == Counter(log)
    assert len(split.train) and len(split.validation) and len(split.test)


@pytest.mark.parametrize(
    "settings",
    [
        {"validation_fraction": 0.2, "test_fraction": 0.2, "held_out_users": 0.3},
        {"strategy": "dates", "train_until": "1970-01-05T00:00:00Z", "validation_until": "1970-01-09T00:00:00Z"},
        {"strategy": "per_user"},
        {"strategy": "leave_last"},
    ],
    ids=lambda settings: settings.get("strategy", "global"),
)
def test_the_number_of_listens_in_memory_changes_no_byte(tmp_path, write_interactions, monkeypatch, settings):
    draw = random.Random(5)
    listens = sorted(
        (
            f"user {draw.randrange(9)}",
            draw.randrange(14) * 80_000,
            f"artist {(track := draw.randrange(30)) % 7}",
            f"t{track}",
        )
        for _ in range(400)
    )
    log = write_interactions(tmp_path / "interactions", listens)
    written = []
    for block_rows in (1, 30, 250, 1_000_000):  # each user alone, some, nearly all, and the whole log at once
        folder = tmp_path / f"splits-{block_rows}"
        monkeypatch.setattr(numbered_log, "BLOCK_ROWS", block_rows)
        monkeypatch.setattr(distinct_tracks, "NAMED_AT_ONCE", block_rows)
        summary = split_listens(log, folder, SplitSettings(**settings), block_rows)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        written.append((summary, {path.relative_to(folder): path.read_bytes() for path in files}))
    assert all(other == written[-1] for other in written)


@pytest.mark.parametrize(("strategy", "own"), [("global", False), ("per_user", True), ("leave_last", True)])
def test_histories_that_were_cut_one_by_one_are_asked_after_their_last_listen(
    tmp_path, write_interactions, strategy, own
):
    listens = [
        (user, 1000 * number + second, "a", f"t{second}") for number, user in enumerate("uvw") for second in range(10)
    ]
    log = write_interactions(tmp_path / "interactions", listens)
    split_listens(log, tmp_path / "splits", SplitSettings(strategy=strategy))
    splits = Splits(tmp_path / "splits")
    for fit in (splits.tuning, splits.testing):
        known = np.unique(fit.events.user).astype(np.int64)
        last = [fit.events.timestamp[fit.events.user == user].max() for user in known]
        asked = fit.histories(known).now.tolist()
        assert asked == (last if own else [fit.events.timestamp.max()] * len(known))


def test_the_same_log_gives_the_same_bytes(tmp_path, ten_listens, write_interactions):
    log = write_interactions(tmp_path / "interactions", ten_listens)
    written = []
    for name in ("once", "again"):
        split_listens(log, tmp_path / name, SETTINGS)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        written.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert len(written[0]) == 15
    assert written[0] == written[1]


def test_a_title_of_two_artists_is_two_tracks(tmp_path, write_interactions):
    log = [("ann", 1, "Air", "Home"), ("ann", 3, "Can", "Home"), ("bob", 2, "Air", "Home"), ("bob", 4, "Air", "Home")]
    settings = SplitSettings(validation_fraction=0.25, test_fraction=0.25)
    split_listens(write_interactions(tmp_path / "interactions", log), tmp_path / "splits", settings)
    assert Splits(tmp_path / "splits").track_names.select("artist_name", "track_name").rows() == [
        ("Air", "Home"),
        ("Can", "Home"),
    ]


def test_profiles_are_joined_and_a_user_without_one_stays(tmp_path, ten_listens, write_interactions):
    log = write_interactions(tmp_path / "interactions", ten_listens)
    profiles = pl.DataFrame(
        {
            "user_id": ["ann", "cyd", "nobody"],
            "gender": ["f", None, "m"],
            "age": pl.Series([30, 41, 50], dtype=pl.UInt8),
            "country": ["France", "Chile", None],
            "registered": [date(2006, 8, 13), None, None],
        }
    )
    profiles.write_parquet(log / "profiles.parquet")
    split_listens(log, tmp_path / "splits", SETTINGS)
    assert Splits(tmp_path / "splits").users.rows() == [
        (0, "bob", 0, None, None, None, None),
        (1, "cyd", 0, None, 41, "Chile", None),
        (2, "ann", 1, "f", 30, "France", date(2006, 8, 13)),
    ]


@pytest.mark.parametrize(
    ("seconds", "empty"), [([1] * 9 + [2], "validation"), ([*range(9), 8], "test"), ([1, 2], "validation")]
)
def test_a_part_that_would_be_empty_is_named(tmp_path, write_interactions, seconds, empty):
    log = sorted((f"user {n % 2}", second, "Air", "Mer") for n, second in enumerate(seconds))
    log_folder = write_interactions(tmp_path / "interactions", log)
    with pytest.raises(BadLogError, match=f"'global' split leaves no {empty} events out of {len(log)}: bring a longer"):
        split_listens(log_folder, tmp_path / "splits", SplitSettings())


def test_a_log_in_which_all_times_are_equal_asks_for_the_right_column(tmp_path, write_interactions):
    log = write_interactions(tmp_path / "interactions", [(f"user {n}", 1, "Air", "Mer") for n in range(10)])
    with pytest.raises(BadLogError) as raised:
        split_listens(log, tmp_path / "splits", SplitSettings())
    assert str(raised.value) == (
        "All 10 listens have the same time: say which column holds the time of each listen, [source] columns = "
        '{ timestamp = "..." }.'
    )


def test_a_log_of_one_user_is_refused(tmp_path, write_interactions):
    log = write_interactions(tmp_path / "interactions", [("ann", second, "Air", "Mer") for second in range(10)])
    with pytest.raises(BadLogError, match=r"one user only.*bring a log of at least two users"):
        split_listens(log, tmp_path / "splits", SplitSettings())


def test_held_out_users_play_in_test_alone_and_nothing_of_theirs_is_lost(tmp_path, ten_listens, write_interactions):
    log = write_interactions(tmp_path / "interactions", ten_listens)
    settings = SETTINGS.model_copy(update={"held_out_users": 0.34, "seed": 1})  # one of three: ann
    summary = split_listens(log, tmp_path / "splits", settings)
    split = Splits(tmp_path / "splits")
    (held_out,) = set(split.users["user_id"]) - set(split.users.filter(pl.col("first_part") < 2)["user_id"])
    theirs = [row for row in ten_listens if row[0] == held_out]
    before_test = [row for row in theirs if row[1] < 90]
    assert before_test and summary.held_out == len(split.held_out) == len(before_test)
    assert sum(summary.events.values()) == 10 - summary.held_out
    assert split.held_out["part"].to_list() == [int(row[1] > 60) for row in sorted(before_test, key=lambda r: r[1])]
    names = pl.read_parquet(tmp_path / "splits" / "held_out" / "tracks.parquet")
    kept = split.held_out.join(names, on="track")
    assert sorted(kept.select("artist_name", "track_name").rows()) == sorted(row[2:] for row in before_test)


def test_users_are_held_out_by_seed_and_by_share(tmp_path, write_interactions):
    rows = [(f"user_{u}", 10 * day + u, "Air", f"Mer {u}") for u in range(10) for day in range(10)]
    log = write_interactions(tmp_path / "interactions", sorted(rows))

    def held_out(seed, share):
        folder = tmp_path / f"splits-{seed}-{share}"
        split_listens(log, folder, SplitSettings(held_out_users=share, seed=seed))
        return frozenset(Splits(folder).users.filter(pl.col("first_part") > 1)["user_id"])

    assert [len(held_out(0, share)) for share in (0.0, 0.1, 0.25, 0.5)] == [0, 1, 2, 5]
    assert held_out(0, 0.25) == held_out(0, 0.2) and len({held_out(seed, 0.2) for seed in range(5)}) > 1


def test_what_only_held_out_users_play_is_in_no_catalog_and_leaves_no_gap(tmp_path, write_interactions):
    # Each user has one track of their own; held-out users play another one in test.
    rows = [(f"user_{u}", 10 * day + u, f"Artist {u}", f"own {u}") for u in range(5) for day in range(9)]
    rows += [(f"user_{u}", 100 + u, "Various", f"late {u}") for u in range(5)]
    log = write_interactions(tmp_path / "interactions", sorted(rows))
    split_listens(log, tmp_path / "splits", SplitSettings(held_out_users=0.2))
    split = Splits(tmp_path / "splits")
    (held_out,) = split.users.filter(pl.col("first_part") > 1)["user_id"]
    assert f"own {held_out[-1]}" not in split.track_names["track_name"].to_list()
    assert split.track_names["track"].to_list() == list(range(9))  # four own, five late
    assert split.testing.catalog.n_tracks == 4 and split.testing.catalog.n_artists == 4
