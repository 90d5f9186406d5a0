import multiprocessing
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import polars as pl
import pytest

from loopback_core.data import SECONDS_PER_DAY, Events, FitData, Ragged
from loopback_core.listens.schema import validate_listens
from loopback_core.settings import MlpSettings, TowersSettings
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.tasks.period import Period

# Several processes of tests share the cores: threads of theirs would wait for each other most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# ranx compiles for a minute what it measures here in a second; it reads this when it is imported.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Keep bytecode in the cache of pytest where the environment forbids to write it next to the source.

    Otherwise every process that a test starts compiles each library again, half of the time of a command of Dagster.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        sys.dont_write_bytecode = False
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(config.cache.mkdir("bytecode"))


PRELOADED = [
    "loopback_assets.definitions",
    "loopback_core.reporting.run_evaluation",
    "loopback_core.training.train",
    "dagster._core.storage.event_log",  # what every run imports, which takes longer than most steps
    "dagster._core.storage.runs",
    "matplotlib.figure",
    "pytest",
    "torch._dynamo",  # the first optimizer of a process imports it, for longer than a small training
]


@pytest.fixture(scope="session")
def forked():
    """forked(function, *arguments) -> the exit code of a process that has called it; negative: the signal that ended it.

    The imports of all such processes are done once. function: of a module.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)

    def run(function, *arguments):
        process = context.Process(target=function, args=arguments)
        process.start()
        process.join()
        return process.exitcode

    return run


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


def events_of(rows):
    user, track, day = np.array(rows).T
    return Events(user.astype(np.int32), track.astype(np.int32), day.astype(np.int64) * SECONDS_PER_DAY)


@dataclass(frozen=True)
class HandSplits:
    train: Events
    validation: Events
    test: Events
    log_artist: np.ndarray

    @cached_property
    def tuning(self):
        return self._fit(self.train)

    @cached_property
    def testing(self):
        return self._fit(self.train.then(self.validation))

    @property
    def tuning_period(self):
        return Period(self.tuning, self.validation, np.unique(self.train.user), self.log_artist)

    @property
    def testing_period(self):
        return Period(self.testing, self.test, np.unique(self.train.user), self.log_artist, early_fit=self.tuning)

    def _fit(self, events):
        return FitData(events, count_catalog(events, self.log_artist), int(events.timestamp[-1]))


@pytest.fixture
def hand_splits():
    """Rows are (user, track, day). Track 4 is first heard in validation, track 5 in test; user 3 is not in train."""
    return HandSplits(
        train=events_of([(0, 0, 0), (0, 0, 1), (1, 0, 2), (1, 1, 3), (0, 2, 4), (2, 3, 5), (2, 3, 6)]),
        validation=events_of([(0, 3, 10), (1, 0, 11), (1, 4, 12), (3, 4, 13)]),
        test=events_of(
            [(0, 1, 20), (0, 4, 21), (0, 0, 22), (0, 5, 23), (1, 0, 24), (2, 3, 25), (2, 0, 26), (2, 5, 27), (3, 0, 28)]
        ),
        log_artist=np.array([0, 0, 0, 1, 1, 0], np.int32),
    )


@pytest.fixture
def towers():
    """Towers of 5 users, 20 tracks and 4 artists."""
    import torch

    from loopback_core.towers.two_tower import TwoTower, Vocabulary

    torch.manual_seed(0)
    model = TwoTower(Vocabulary(5, 20, 4), TowersSettings(mlp=MlpSettings(id_dim=4, hidden_dim=8), output_dim=6)).eval()
    for table in model.embeddings():
        table.settle_unknown()
    return model


@pytest.fixture
def ragged():
    def build(rows):
        numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        return Ragged.from_pairs(numbers, np.array([value for row in rows for value in row], np.int64), len(rows))

    return build


@pytest.fixture
def unit_vectors():
    def build(n, dim, seed=0):
        vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return build
