import hashlib
import re
import unicodedata
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from loopback_core.listens.log_rules import RAW_COLUMNS
from loopback_core.listens.sample import SAMPLE_VERSION, write_sample
from loopback_core.listens.schema import RawLog

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def events_frame(log: RawLog) -> pl.DataFrame:
    rows = [line.split("\t") for line in log.files[0].read_text("utf-8").removesuffix("\n").split("\n")]
    assert {len(row) for row in rows} == {6}
    frame = pl.DataFrame(rows, schema=list(RAW_COLUMNS), orient="row")
    return frame.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=True))


@pytest.fixture(scope="module")
def default_log(tmp_path_factory: pytest.TempPathFactory) -> RawLog:
    return write_sample(tmp_path_factory.mktemp("sample"), events=300_000, users=300, seed=0)


@pytest.fixture(scope="module")
def listens(default_log: RawLog) -> pl.DataFrame:
    return events_frame(default_log)


# The yardstick stays what it is


@pytest.mark.parametrize(
    ("events", "users", "seed", "events_digest", "profiles_digest"),
    [
        (
            2_000,
            20,
            0,
            "5f0fb3a8d3469e44bfafa36ddd33c7b4e3b80989e5ddca6ed1cfee96dc2eed82",
            "3478593eb77dbb12283fec971c47636d54295d538d6f10c3eb5186c24582751d",
        ),
        (
            30_000,
            40,
            7,
            "1e1c8855f715e42a575d1b296618085b217646f847af4ef33e4daec41ed3479d",
            "da7dfa6593e24f5f50bc0efea05f99c24c95cf6ac62469703045b22028fdc64c",
        ),
        (
            300_000,
            300,
            0,
            "0e8a9f558534443822bbef74b42ca16d0ac169e3847978b071d8b751a78ea6a0",
            "0001a23f905d30f5d12d627dcc8b889596a01330535eec35583a8d91cb49318f",
        ),
    ],
)
def test_the_bytes_of_version_1_never_change(
    tmp_path: Path, events: int, users: int, seed: int, events_digest: str, profiles_digest: str
) -> None:
    log = write_sample(tmp_path, events=events, users=users, seed=seed)
    assert log.profiles is not None
    assert SAMPLE_VERSION == 1
    assert hashlib.sha256(log.files[0].read_bytes()).hexdigest() == events_digest
    assert hashlib.sha256(log.profiles.read_bytes()).hexdigest() == profiles_digest


def test_another_seed_gives_another_log_of_the_same_shape(tmp_path: Path) -> None:
    first = events_frame(write_sample(tmp_path / "0", events=500, users=10, seed=0))
    second = events_frame(write_sample(tmp_path / "1", events=500, users=10, seed=1))
    assert first.height == second.height == 500
    assert first.join(second, on=["user_id", "timestamp"], how="inner").height == 0


# The layout is the original's


@pytest.mark.parametrize(
    ("events", "users"), [(1, 1), (3, 5), (5, 5), (100, 5), (1_000, 1), (2_000, 1_000), (40_000, 2)]
)
def test_a_log_of_any_size_has_exactly_the_events_asked_for(tmp_path: Path, events: int, users: int) -> None:
    log = write_sample(tmp_path, events=events, users=users, seed=0)
    assert log.profiles is not None
    frame = events_frame(log)
    assert frame.height == events
    assert frame["user_id"].n_unique() == users or events < users
    assert len(log.profiles.read_text("utf-8").splitlines()) == 1 + users


def test_a_log_needs_an_event_a_user_and_a_seed_from_zero(tmp_path: Path) -> None:
    for events, users, seed in [(0, 1, 0), (1, 0, 0), (1, 1, -1)]:
        with pytest.raises(ValueError, match="at least"):
            write_sample(tmp_path, events=events, users=users, seed=seed)


def test_users_come_in_order_and_listens_newest_first_without_ties(listens: pl.DataFrame) -> None:
    assert listens["user_id"].is_sorted()
    assert listens["user_id"].unique(maintain_order=True).to_list() == [f"user_{n:06d}" for n in range(1, 301)]
    steps = listens.select(pl.col("timestamp").diff().over("user_id").dt.total_seconds())["timestamp"]
    assert steps.drop_nulls().max() < 0  # type: ignore[operator]


def test_lines_end_in_one_newline_and_names_hold_neither_controls_nor_outer_spaces(
    default_log: RawLog, listens: pl.DataFrame
) -> None:
    raw = default_log.files[0].read_bytes()
    assert raw.endswith(b"\n")
    assert b"\r" not in raw
    assert b"\n\n" not in raw
    names = listens.select(pl.concat([pl.col("artist_name").unique(), pl.col("track_name").unique()]))
    for name in names.to_series():
        assert name
        assert name == name.strip() == unicodedata.normalize("NFC", name)
        assert name.isprintable()


def test_times_lie_in_the_span_of_the_original(listens: pl.DataFrame) -> None:
    assert listens["timestamp"].min() >= datetime(2005, 2, 14)  # type: ignore[operator]
    assert listens["timestamp"].max() < datetime(2009, 6, 20)  # type: ignore[operator]
    assert listens["timestamp"].max() > datetime(2009, 6, 15)  # type: ignore[operator]


def test_an_mbid_is_a_uuid_of_one_artist_or_track_and_is_missing_as_often_as_in_the_original(
    listens: pl.DataFrame,
) -> None:
    for column, name in [("artist_mbid", ["artist_name"]), ("track_mbid", ["artist_name", "track_name"])]:
        pairs = listens.select(column, *name).unique()
        assert pairs.select(name).n_unique() == pairs.height
        known = pairs.filter(pl.col(column) != "")
        assert known[column].n_unique() == known.height
        assert known[column].str.contains(f"^{UUID}$").all()
    assert 0.01 < (listens["artist_mbid"] == "").mean() < 0.02  # type: ignore[operator]
    assert 0.045 < (listens["track_mbid"] == "").mean() < 0.065  # type: ignore[operator]


def test_profiles_have_a_header_gaps_odd_ages_and_written_out_days(default_log: RawLog) -> None:
    assert default_log.profiles is not None
    header, *rows = (line.split("\t") for line in default_log.profiles.read_text("utf-8").splitlines())
    assert header == ["#id", "gender", "age", "country", "registered"]
    ids, genders, ages, countries, days = zip(*rows, strict=True)
    assert list(ids) == [f"user_{n:06d}" for n in range(1, 301)]
    assert set(genders) == {"", "f", "m"}
    assert {"4", "103"} <= set(ages)
    assert 0.6 < ages.count("") / 300 < 0.8
    assert "" in countries
    assert "United States" in countries
    assert all(re.fullmatch(r"[A-Z][a-z]{2} \d{1,2}, 200\d", day) for day in days if day)
