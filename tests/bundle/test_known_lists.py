from dataclasses import replace

import numpy as np
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.bundle.build_bundle import build_bundle
from loopback_core.bundle.canaries import ask_canaries, wrong_answers
from loopback_core.bundle.known_lists import load_lists, save_lists
from loopback_core.bundle.rank_known import rank_known, ranked_users
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Ragged
from loopback_core.errors import ArtifactError
from loopback_core.recommenders.index_recommender import NEAREST_OF_INDEX
from loopback_core.serving.question import MOST_TRACKS
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
def lists(served, tmp_path_factory):
    """As they are read back."""
    folder = tmp_path_factory.mktemp("lists")
    assert load_lists(folder) == {}
    save_lists(rank_known(served, LONG), folder)
    return load_lists(folder)


def test_what_is_stored_is_what_a_request_would_compute(served, lists):
    n_tracks = len(served.bundle.vectors)
    for task, known in lists.items():
        assert known.users.tolist() == list(range(len(served.histories.lengths)))
        for user in known.users.tolist():
            histories = served.known_histories(np.array([user]))
            played = np.unique(histories.tracks[0]) if task == "discovery" else np.zeros(0, np.int64)
            exclude = Ragged(np.array([0, len(played)]), played)
            computed = served.bundle.recommender(task).recommend(histories, n_tracks, exclude)
            stored = known.of(user, n_tracks)
            assert stored.tracks.tolist() == computed.tracks.tolist()
            np.testing.assert_allclose(stored.scores, computed.scores, rtol=1e-5, atol=1e-6)


def test_a_stored_list_is_as_long_as_the_longest_that_may_be_asked_for():
    assert NEAREST_OF_INDEX >= MOST_TRACKS


@pytest.mark.parametrize(("at_least", "ranked"), [(0, [1, 3]), (3, [1, 3, 4]), (9, [0, 1, 3, 4])])
def test_the_longest_histories_are_ranked_and_an_empty_one_never(at_least, ranked):
    lengths = np.array([10, 200, 0, 100, 50])
    assert ranked_users(lengths, LONG, at_least).tolist() == ranked


def test_users_with_short_histories_and_unknown_ones_are_not_stored(served, lists, tmp_path):
    save_lists(rank_known(served, LONG + 1, at_least=0), tmp_path)
    assert load_lists(tmp_path)["discovery"].of(0, len(served.bundle.vectors)) is None
    assert [
        lists["discovery"].of(user, len(served.bundle.vectors)) for user in (-1, len(served.histories.lengths))
    ] == [None, None]


def test_canaries_read_the_stored_lists_too(served, lists):
    canaries = ask_canaries(served)
    assert wrong_answers(replace(served, lists=lists), canaries) == []
    others = {task: replace(known, scores=known.scores + np.float32(1)) for task, known in lists.items()}
    wrong = wrong_answers(replace(served, lists=others), canaries)
    assert len(wrong) == 12 and all("stored list: scores differ by up to" in sentence for sentence in wrong)


def test_a_list_with_meaningless_numbers_is_made_anew(served, lists):
    known, n_tracks = lists["next_listen"], len(served.bundle.vectors)
    assert known.of(3, n_tracks) is not None
    for field, value in (("tracks", n_tracks), ("tracks", -2), ("scores", np.nan)):
        damaged = getattr(known, field).copy()
        damaged[3, 5] = value
        assert replace(known, **{field: damaged}).of(3, n_tracks) is None
        assert replace(known, **{field: damaged}).of(4, n_tracks) is not None


def test_a_damaged_file_ends_in_a_sentence(served, tmp_path):
    save_lists(rank_known(served, LONG), tmp_path)
    path = tmp_path / "lists" / "discovery" / "tracks.npy"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ArtifactError, match="build the bundle again"):
        load_lists(tmp_path)


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
