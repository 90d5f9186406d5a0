"""The listens that the tests write into every kind of remote log, and how they are read back."""

from dataclasses import asdict

import polars as pl

from loopback_core.listens.ingest import ingest
from loopback_core.listens.raw import log_of, publish_raw
from loopback_core.listens.remote.opening import open_remote
from loopback_core.listens.remote.remote_address import remote_address
from loopback_core.settings import SourceSettings

COLUMNS = {"user_id": "listener", "timestamp": "played", "artist_name": "artist", "track_name": "title"}

ROWS = [
    ("anna", 1_241_478_537, "Björk", "Jóga", 1),
    ("anna", 1_241_478_837, "Björk", "Hunter", 2),
    ("ben", 1_241_479_137, "Deep Dish", "Say Hello", 3),
    ("ben", 1_241_479_137, "Deep Dish", "Say Hello", 4),
    ("ben", 1_241_479_437, None, "Untitled", 5),
]
"""Two of anna's, one of ben's twice, and one without an artist; the last value is not read."""

FRAME = pl.DataFrame(ROWS, {"listener": str, "played": int, "artist": str, "title": str, "rating": int}, orient="row")

EXPECTED = [("anna", "Björk", "Jóga"), ("anna", "Björk", "Hunter"), ("ben", "Deep Dish", "Say Hello")]


def source_at(name, **settings):
    return SourceSettings(name=name, **({"columns": COLUMNS, "time_format": "epoch_seconds"} | settings))


def listens_of(store, source, folder):
    """Publish a log and ingest it: the artifact, the listens as tuples, the counts. Its rows are also counted where they lie."""
    raw, _ = publish_raw(store, source)
    folder.mkdir()
    summary = asdict(ingest(log_of(raw), folder, source))
    if address := remote_address(source.name):
        served = raw.summary.get("served", {"listens": 0})
        with open_remote(address, source) as remote:
            assert remote.count() == summary["rows"] - served["listens"]
    table = pl.read_parquet(folder / "interactions.parquet")
    return raw, table.select("user_id", "artist_name", "track_name").rows(), summary
