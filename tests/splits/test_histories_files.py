import numpy as np
import pytest

from loopback_core.data import Events, Histories
from loopback_core.errors import ArtifactError
from loopback_core.settings import SplitSettings
from loopback_core.splits import Splits, split_listens

FRACTIONS = {"validation_fraction": 0.2, "test_fraction": 0.2}
DATES = {"train_until": "1970-01-01T00:00:50Z", "validation_until": "1970-01-01T00:01:20Z"}


@pytest.fixture
def write_splits(tmp_path, write_interactions):
    def write(log, **settings):
        interactions = write_interactions(tmp_path / "interactions", log)
        split_listens(interactions, tmp_path / "splits", SplitSettings(**settings))
        return Splits(tmp_path / "splits")

    return write


def random_log():
    """Rows of 12 users, many of them at the same second."""
    rng = np.random.default_rng(0)
    listens = {user: np.sort(rng.integers(0, 100, 5 + 10 * user)) for user in range(12)}
    title = iter(rng.integers(0, 40, 1_000))
    return [
        (f"user_{user:02d}", int(second), "Air", f"track {next(title)}")
        for user, seconds in listens.items()
        for second in seconds
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "global", **FRACTIONS},
        {"strategy": "per_user", **FRACTIONS},
        {"strategy": "dates", **DATES},
        {"strategy": "leave_last"},
        {"strategy": "global", **FRACTIONS, "held_out_users": 0.25},
    ],
    ids=lambda settings: f"{settings['strategy']}{settings.get('held_out_users', '')}",
)
def test_published_histories_are_those_of_the_events(write_splits, settings):
    splits = write_splits(random_log(), **settings)
    users = np.arange(len(splits.users))
    for fit in (splits.tuning, splits.testing):
        events = Events(fit.events.user, fit.events.track, fit.events.timestamp)
        assert fit.events.published is not None and events.published is None
        published, grouped = fit.histories(users), Histories.of(events, users, fit.now)
        assert np.array_equal(published.tracks.offsets, grouped.tracks.offsets)
        assert np.array_equal(published.tracks.values, grouped.tracks.values)
        assert np.array_equal(published.timestamps, grouped.timestamps)
        assert published.tracks.values.dtype == published.timestamps.dtype == np.int64


def test_histories_at_the_end_of_train_hold_nothing_of_validation(write_splits, ten_listens):
    splits = write_splits(ten_listens, validation_fraction=0.3, test_fraction=0.2)
    bob, cyd, ann = np.eye(3, dtype=bool)
    assert splits.tuning.histories(np.flatnonzero(cyd)).timestamps.tolist() == [10, 60, 60]
    assert splits.testing.histories(np.flatnonzero(cyd)).timestamps.tolist() == [10, 60, 60, 80]
    assert splits.tuning.histories(np.flatnonzero(ann)).timestamps.tolist() == []
    assert splits.testing.histories(np.flatnonzero(bob | ann)).timestamps.tolist() == [10, 20, 60, 70]


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("tracks", lambda path: path.unlink(), r"tracks\.npy cannot be read"),
        ("tracks", lambda path: path.write_bytes(path.read_bytes()[:-1]), r"tracks\.npy cannot be read"),
        ("starts", lambda path: np.save(path, np.array([{}])), r"starts\.npy cannot be read"),
        ("stops", lambda path: np.save(path, np.zeros((3, 1), np.int64)), "does not hold one row of int64"),
        ("timestamps", lambda path: np.save(path, np.zeros(8, np.int64)), "does not hold one row of uint32"),
        ("timestamps", lambda path: np.save(path, np.zeros(7, np.uint32)), "do not fit together"),
        ("stops", lambda path: np.save(path, np.array([3, 7, 9], np.int64)), "do not fit together"),
        ("starts", lambda path: np.save(path, np.array([-1, 3, 7], np.int64)), "do not fit together"),
        ("starts", lambda path: np.save(path, np.array([0, 3], np.int64)), "do not fit together"),
    ],
)
def test_damaged_histories_are_a_sentence(write_splits, ten_listens, name, damage, sentence):
    splits = write_splits(ten_listens, validation_fraction=0.3, test_fraction=0.2)
    damage(splits.folder / "histories" / f"{name}.npy")
    with pytest.raises(ArtifactError, match=sentence):
        splits.testing  # noqa: B018
