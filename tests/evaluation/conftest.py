import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from loopback_core.data import Events, FitData
from loopback_core.evaluation.baselines.baseline import SECONDS_PER_DAY
from loopback_core.splits.catalog import count_catalog

# ranx compiles for a minute what it measures here in a second; read when it is imported, by the modules beside.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


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
