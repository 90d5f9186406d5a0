from datetime import UTC, datetime

import polars as pl
import pytest

from loopback_core.listens.remote.row_digest import RowDigest


def digest_of(*frames):
    digest = RowDigest(frames[0].columns)
    for frame in frames:
        digest.add(frame)
    return digest.hexdigest()


FRAME = pl.DataFrame({"user": ["a", "b", "b"], "artist": ["x", None, None], "time": [1, 2, 2]})


def test_neither_the_order_nor_the_batches_nor_the_order_of_columns_count():
    assert (
        digest_of(FRAME)
        == digest_of(FRAME[2:], FRAME[:2].reverse())
        == digest_of(FRAME.select("time", "artist", "user"))
    )


@pytest.mark.parametrize(
    "other",
    [
        FRAME[:2],
        pl.concat([FRAME, FRAME[1:2]]),
        FRAME[[0, 0, 1]],
        FRAME.with_columns(artist=pl.col("artist").fill_null("")),
        FRAME.with_columns(artist=pl.col("artist").fill_null("-")),
        FRAME.rename({"artist": "singer"}),
        FRAME.with_columns(time=pl.Series([1, 2, 3])),
    ],
    ids=[
        "a row less",
        "a row more",
        "another row twice",
        "empty for missing",
        "a dash for missing",
        "a name",
        "a value",
    ],
)
def test_any_other_rows_have_another_digest(other):
    assert digest_of(other) != digest_of(FRAME)


def test_text_that_moves_from_a_column_to_the_next_is_another_row():
    left, right = pl.DataFrame({"a": ["1:x1:"], "b": ["y"]}), pl.DataFrame({"a": ["1:x"], "b": ["1:y"]})
    assert digest_of(left) != digest_of(right)


def test_a_moment_is_the_same_in_every_unit_and_type_of_integer():
    moment = pl.DataFrame({"t": [datetime(2009, 5, 4, 23, 8, tzinfo=UTC)]})
    assert digest_of(moment) == digest_of(moment.with_columns(pl.col("t").dt.cast_time_unit("ms")))
    assert digest_of(FRAME) == digest_of(FRAME.with_columns(pl.col("time").cast(pl.Int16)))


def test_the_digest_stays_what_it_is():
    """It names versions of artifacts: another one would make every user's chain again."""
    assert digest_of(FRAME) == "b3146533d8ce72791b07f3cd8f151dc93fd7fbd4dc343c58f9f8e1962995d7ce"
