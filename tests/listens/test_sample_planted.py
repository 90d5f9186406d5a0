from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loopback_core.listens.log_rules import RAW_COLUMNS
from loopback_core.listens.sample import write_sample


def events_frame(folder: Path, events: int, users: int) -> pl.DataFrame:
    """A log with seed 0, oldest first within each user."""
    lines = write_sample(folder, events=events, users=users, seed=0).files[0].read_text("utf-8").splitlines()
    frame = pl.DataFrame([line.split("\t") for line in lines], schema=list(RAW_COLUMNS), orient="row")
    return (
        frame.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ"))
        .reverse()
        .sort("user_id", maintain_order=True)
    )


@pytest.fixture(scope="module")
def listens(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The default log, with the pair (artist, title) as a number and whether the user played it before."""
    return (
        events_frame(tmp_path_factory.mktemp("sample"), 300_000, 300)
        .with_columns(pl.struct("artist_name", "track_name").rank("dense").alias("track"))
        .with_columns(repeat=~pl.struct("user_id", "track").is_first_distinct())
    )


def test_two_plays_in_three_are_repeats(listens: pl.DataFrame) -> None:
    assert 0.62 < listens["repeat"].mean() < 0.71  # type: ignore[operator]


def test_a_repeat_is_seldom_the_song_just_heard(listens: pl.DataFrame) -> None:
    assert listens.select((pl.col("track") == pl.col("track").shift()).over("user_id").mean()).item() < 0.08


def test_about_every_second_song_is_by_the_artist_of_the_one_before(listens: pl.DataFrame) -> None:
    same = listens.select((pl.col("artist_name") == pl.col("artist_name").shift()).over("user_id").mean()).item()
    assert 0.45 < same < 0.6


def test_songs_follow_each_other_at_the_length_of_a_song_in_sessions_of_about_eighteen(listens: pl.DataFrame) -> None:
    gaps = listens.select(pl.col("timestamp").diff().over("user_id").dt.total_seconds())["timestamp"].drop_nulls()
    assert 220 < gaps.median() < 260  # type: ignore[operator]
    assert gaps.quantile(0.25) > 150  # type: ignore[operator]
    assert gaps.quantile(0.75) < 330  # type: ignore[operator]
    assert 15 < 1 / (gaps > 30 * 60).mean() < 22  # type: ignore[operator]


def test_there_are_more_listens_in_the_evening_than_at_night(listens: pl.DataFrame) -> None:
    by_hour = listens.group_by(pl.col("timestamp").dt.hour().alias("hour")).len().sort("hour")["len"].to_numpy()
    assert by_hour[[19, 20, 21, 22]].mean() > 2 * by_hour[[7, 8, 9, 10]].mean()


def test_plays_have_a_heavy_tail(listens: pl.DataFrame) -> None:
    for column, low, high in [("track", 0.13, 0.2), ("artist_name", 0.18, 0.3), ("user_id", 0.05, 0.2)]:
        plays = listens.group_by(column).len()["len"].sort(descending=True)
        assert low < plays[: max(1, len(plays) // 100)].sum() / 300_000 < high
    assert 0.1 < (listens.group_by("track").len()["len"] == 1).mean() < 0.25  # type: ignore[operator]


def test_the_default_catalog_is_small_enough_for_two_minutes_of_training(listens: pl.DataFrame) -> None:
    assert 15_000 < listens["track"].n_unique() < 30_000
    assert 1_500 < listens["artist_name"].n_unique() < 3_000


def test_tracks_artists_and_users_first_appear_in_the_last_tenth(listens: pl.DataFrame) -> None:
    by_time = listens.sort("timestamp")
    before, last = by_time[:270_000], by_time[270_000:]
    unseen = {column: last.join(before, on=column, how="anti") for column in ("track", "artist_name", "user_id")}
    assert 0.03 < unseen["track"].height / last.height < 0.1
    assert unseen["artist_name"]["artist_name"].n_unique() > 20
    assert 15 <= unseen["user_id"]["user_id"].n_unique() <= 40


def test_names_have_accents_scripts_quotes_versions_and_collaborations(listens: pl.DataFrame) -> None:
    both = listens.select(both=pl.concat_str("artist_name", "track_name", separator="\t"))["both"]
    bands = {
        r"[^\x00-\x7f]": (0.15, 0.3),
        r"\p{Greek}": (0.002, 0.1),
        r"\p{Cyrillic}": (0.002, 0.1),
        r"[\p{Han}\p{Hiragana}\p{Katakana}]": (0.002, 0.1),
        r"\p{Hangul}": (0.002, 0.1),
        r'"': (0.01, 0.05),
        r'(^|\t)"': (0.005, 0.04),
        r"'": (0.02, 0.2),
        r"\(.+ Remix\)": (0.02, 0.05),
        r"\(Live( in .+)?\)$": (0.02, 0.05),
        r" feat\. ": (0.01, 0.05),
        r" \(feat\. .+\)$": (0.01, 0.05),
    }
    for pattern, (low, high) in bands.items():
        assert low < both.str.contains(pattern).mean() < high, pattern  # type: ignore[operator]


def test_a_version_is_of_a_title_by_the_same_artist(listens: pl.DataFrame) -> None:
    tracks = listens.select("artist_name", "track_name").unique()
    versions = tracks.filter(pl.col("track_name").str.contains(r" \(.+ Remix\)$")).with_columns(
        track_name=pl.col("track_name").str.replace(r" \(.+ Remix\)$", "")
    )
    heard = versions.join(tracks, on=["artist_name", "track_name"], how="semi").height
    by_anyone_else = versions.with_columns(pl.col("artist_name").shift(1)).join(
        tracks, on=["artist_name", "track_name"], how="semi"
    )
    assert heard > 0.4 * versions.height  # of the others no user played the original
    assert by_anyone_else.height < 0.05 * versions.height


def test_artists_share_titles(listens: pl.DataFrame) -> None:
    artists = listens.group_by("track_name").agg(pl.col("artist_name").n_unique())["artist_name"]
    assert 0.1 < (artists > 1).mean() < 0.25  # type: ignore[operator]


def artist_profiles(rows: pl.DataFrame, n_users: int, n_artists: int) -> np.ndarray:
    """Log counts of the plays of each artist, of unit length, (users, artists)."""
    counts = np.zeros((n_users, n_artists))
    np.add.at(counts, (rows["user"].to_numpy(), rows["artist"].to_numpy()), 1)
    logs = np.log1p(counts)
    profiles: np.ndarray = logs / np.linalg.norm(logs, axis=1, keepdims=True)
    return profiles


def test_tastes_drift_and_some_listeners_are_far_more_alike_than_most(listens: pl.DataFrame) -> None:
    heavy = listens.filter(pl.len().over("user_id") >= 600).with_columns(
        nth=pl.int_range(pl.len()).over("user_id"),
        plays=pl.len().over("user_id"),
        artist=pl.col("artist_name").rank("dense").cast(pl.Int64) - 1,
        user=pl.col("user_id").rank("dense").cast(pl.Int64) - 1,
    )
    size = heavy["user"].n_unique(), heavy["artist"].n_unique()

    def agreement(is_in_first: pl.Expr) -> float:
        first = artist_profiles(heavy.filter(is_in_first), *size)
        second = artist_profiles(heavy.filter(~is_in_first), *size)
        return float((first * second).sum(axis=1).mean())

    earlier_half, every_other_fifty = pl.col("nth") * 2 < pl.col("plays"), pl.col("nth") // 50 % 2 == 0
    assert agreement(earlier_half) < agreement(every_other_fifty) - 0.05

    profiles = artist_profiles(heavy, *size)
    alike = (profiles @ profiles.T)[~np.eye(size[0], dtype=bool)]
    assert np.quantile(alike, 0.98) > 3 * np.median(alike)


def test_listeners_of_the_same_taste_tell_discoveries_better_than_popularity_and_that_better_than_chance(
    listens: pl.DataFrame,
) -> None:
    by_time = listens.sort("timestamp").with_columns(
        user=pl.col("user_id").rank("dense").cast(pl.Int64) - 1, item=pl.col("track").cast(pl.Int64) - 1
    )
    plays = np.zeros((300, by_time["item"].n_unique()), dtype=np.float32)
    np.add.at(plays, (by_time["user"][:270_000].to_numpy(), by_time["item"][:270_000].to_numpy()), 1)
    known = plays > 0
    in_catalog = known.any(axis=0)
    discovered = np.zeros_like(known)
    discovered[by_time["user"][270_000:].to_numpy(), by_time["item"][270_000:].to_numpy()] = True
    discovered &= ~known & in_catalog
    users = np.flatnonzero(discovered.any(axis=1) & known.any(axis=1))
    listeners = known.sum(axis=0)

    def recall_at_100(scores: np.ndarray) -> float:
        open_to = np.where(known[users] | ~in_catalog, -np.inf, scores)
        top = np.argpartition(-open_to, 100, axis=1)[:, :100]
        hits = np.take_along_axis(discovered[users], top, axis=1).sum(axis=1)
        return float((hits / discovered[users].sum(axis=1)).mean())

    weighted = np.log1p(plays) * np.log(300 / np.maximum(listeners, 1)).astype(np.float32)
    weighted /= np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-9)
    alike = weighted[users] @ weighted.T
    alike[np.arange(len(users)), users] = 0
    chance = 100 / in_catalog.sum()
    popularity = recall_at_100(np.broadcast_to(listeners.astype(np.float64), (len(users), len(listeners))))
    neighbourhood = recall_at_100(alike @ known.astype(np.float32))
    assert popularity > 3 * chance
    assert neighbourhood > 2.5 * popularity


def test_a_title_tells_the_sub_genre_of_its_artist(tmp_path: Path) -> None:
    titles = events_frame(tmp_path, 20_000, 40)
    reggae = titles.filter(pl.col("artist_name").str.contains("Zion|Rasta|Babylon|Skank|Irie"))["track_name"]
    other = titles.filter(pl.col("artist_name").str.contains("Frost|Raven|Funeral|Crypt|Abyss"))["track_name"]
    word = "Zion|Roots|Rasta|Babylon|Irie|Lion|Skank|Sunsplash"
    assert reggae.str.contains(word).mean() > 0.2  # type: ignore[operator]
    assert other.str.contains(word).mean() < 0.02  # type: ignore[operator]
