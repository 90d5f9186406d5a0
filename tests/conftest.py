from datetime import UTC, datetime

import polars as pl
import pytest

from loopback_core.listens.schema import validate_listens


@pytest.fixture
def ten_listens():
    """Rows are (user, second, artist, title), sorted by user, then time; six of them by second 60."""
    return [
        ("ann", 70, "Zero 7", "Polaris"),
        ("ann", 90, "Boards", "Roygbiv"),
        ("bob", 10, "Zero 7", "Home"),
        ("bob", 20, "Zero 7", "Home"),
        ("bob", 60, "Air", "Mer"),
        ("bob", 90, "Zero 7", "Home"),
        ("cyd", 10, "Air", "Mer"),
        ("cyd", 60, "Zero 7", "Home"),
        ("cyd", 60, "Can", "Vitamin C"),
        ("cyd", 80, "Zero 7", "Destiny"),
    ]


@pytest.fixture
def write_interactions():
    """Writes rows (user, second, artist, title) into a folder as `interactions.parquet`; line n is row n."""

    def write(folder, rows):
        folder.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame(
            {
                "user_id": [row[0] for row in rows],
                "timestamp": [datetime.fromtimestamp(row[1], UTC) for row in rows],
                "artist_name": [row[2] for row in rows],
                "track_name": [row[3] for row in rows],
                "artist_mbid": [None] * len(rows),
                "track_mbid": [None] * len(rows),
                "file": [0] * len(rows),
                "line": range(1, len(rows) + 1),
            },
            schema_overrides={
                "timestamp": pl.Datetime("us", "UTC"),
                "artist_mbid": pl.String,
                "track_mbid": pl.String,
                "file": pl.UInt16,
                "line": pl.UInt32,
            },
        )
        validate_listens(frame).write_parquet(folder / "interactions.parquet")
        return folder

    return write
