from dataclasses import replace

import numpy as np
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.bundle.build_bundle import build_bundle
from loopback_core.bundle.encode_known import encode_known
from loopback_core.bundle.known_encodings import load_encodings, save_encodings
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.errors import ArtifactError
from loopback_core.ranking.scorer import EncodedUsers
from loopback_core.settings import Settings

LONG = 100
"""Listens: so many every planted user has."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    evaluated = planted_evaluated(tmp_path_factory.mktemp("artifacts"))
    build_bundle(evaluated, Settings(bundle={"refit": "none"}), folder, folder)
    return ServedBundle.load(folder)


@pytest.fixture(scope="module")
def encodings(served, tmp_path_factory):
    """As they are read back."""
    folder = tmp_path_factory.mktemp("encodings")
    assert load_encodings(folder) == {}
    save_encodings(encode_known(served, LONG), folder)
    return load_encodings(folder)


def assert_same(one: EncodedUsers, other: EncodedUsers):
    np.testing.assert_allclose(one.vectors, other.vectors, rtol=1e-5, atol=1e-6)
    for bag, other_bag in ((one.prior.tracks, other.prior.tracks), (one.prior.artists, other.prior.artists)):
        assert bag.items.tolist() == other_bag.items.tolist()
        assert bag.row.tolist() == [0] * len(bag.items)
        np.testing.assert_allclose(bag.weights, other_bag.weights, rtol=1e-5)
    assert one.lifted is not None and other.lifted is not None
    assert sorted(one.lifted[0].tolist()) == sorted(other.lifted[0].tolist())


def test_what_is_stored_is_what_a_request_would_compute(served, encodings):
    for task, known in encodings.items():
        assert known.users.tolist() == list(range(len(served.histories.lengths)))
        for user in known.users.tolist():
            histories = served.known_histories(np.array([user]))
            recommender = served.bundle.recommender(task)
            computed = recommender.with_lifted(recommender.scorer.encode(histories))
            assert_same(known.of(user), computed.of_row(0))


def test_users_with_short_histories_and_unknown_ones_are_not_stored(served, encodings, tmp_path):
    save_encodings(encode_known(served, LONG + 1), tmp_path)
    assert load_encodings(tmp_path)["discovery"].of(0) is None
    assert [encodings["discovery"].of(user) for user in (-1, len(served.histories.lengths))] == [None, None]


def test_a_damaged_file_ends_in_a_sentence(served, tmp_path):
    save_encodings(encode_known(served, LONG), tmp_path)
    path = tmp_path / "encodings" / "discovery" / "of_tracks.npy"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ArtifactError, match="build the bundle again"):
        load_encodings(tmp_path)


def test_a_listen_that_is_there_twice_counts_once(served):
    """The same track at the same second, as a request reads it."""
    user = int(np.argmax(served.histories.lengths))
    tracks, times = served.history(user)
    twice = replace(
        served.histories,
        starts=np.array([0]),
        stops=np.array([len(tracks) + 1]),
        tracks=np.append(tracks, tracks[-1]).astype(np.int32),
        timestamps=np.append(times, times[-1]).astype(np.uint32),
    )
    histories = replace(served, histories=twice, demographics=None).known_histories(np.array([0]))
    assert histories.tracks[0].tolist() == tracks.tolist()
