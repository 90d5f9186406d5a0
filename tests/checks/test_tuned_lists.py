import json
from types import SimpleNamespace

import numpy as np
import pytest

from loopback_core.checks.baselines_checks import list_faults
from loopback_core.data import Ragged, Ranking


def with_lists(trained, change):
    """Baselines whose lists of popularity_users in next_listen `change(tracks, scores)` has changed in place."""

    def spoil(folder):
        path = folder / "lists" / "next_listen" / "popularity_users.npz"
        with np.load(path) as kept:
            users, tracks, scores = kept["users"], kept["tracks"].copy(), kept["scores"].copy()
        change(tracks, scores)
        np.savez(path, users=users, tracks=tracks, scores=scores)

    return trained.spoiled("baselines", spoil)


def set_track(row, place, track):
    return lambda tracks, scores: tracks.__setitem__((row, place), track)


def test_sound_lists_pass_and_are_counted(trained):
    verdict = trained.verdict("lists_valid", trained.sound["baselines"])
    assert verdict.passed
    assert verdict.facts["faults"] == 0 and verdict.facts["lists"] >= 4


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (set_track(0, 0, 77), "tracks that are not candidates"),
        (set_track(0, 0, -2), "tracks that are not candidates"),
        (set_track(0, 0, -1), "gaps in the lists"),
        (lambda tracks, scores: tracks.__setitem__((0, 1), tracks[0, 0]), "the same track twice in a list"),
        (lambda tracks, scores: scores.__setitem__((0, 1), 1e6), "lists that are not sorted by score"),
        (lambda tracks, scores: scores.__setitem__((0, 0), np.nan), "scores that are not finite"),
    ],
)
def test_lists_that_cannot_be_are_named(trained, change, fault):
    verdict = trained.verdict("lists_valid", with_lists(trained, change))
    assert not verdict.passed
    assert verdict.sentence == f"popularity_users in next_listen: {fault}"


def test_faults_of_lists_at_a_moment_are_named_with_the_moment(trained):
    def spoil(folder):
        path = folder / "lists_at_moments" / "next_listen" / "popularity_users.npz"
        with np.load(path) as kept:
            content = {name: kept[name].copy() for name in kept.files}
        content["tracks"][-1, 1] = content["tracks"][-1, 0]
        np.savez(path, **content)

    verdict = trained.verdict("lists_valid", trained.spoiled("baselines", spoil))
    assert not verdict.passed
    assert verdict.sentence == "popularity_users in next_listen, moment 1: the same track twice in a list"


def test_a_track_that_was_to_be_left_out_is_a_fault():
    task = SimpleNamespace(n_candidates=3, exclude=Ragged(np.array([0, 1]), np.array([2])))
    scores = np.array([[2.0, 1.0]], np.float32)
    assert list_faults(Ranking(np.array([[2, 0]]), scores), task) == ["excluded tracks"]
    assert list_faults(Ranking(np.array([[1, 0]]), scores), task) == []


def test_a_rival_that_was_not_the_best_on_validation_is_a_fault(trained):
    def spoil(folder):
        path = folder / "tuning.json"
        content = json.loads(path.read_text())
        tuned = content["tuning"]["next_listen"]
        tuned["popularity_users"]["ndcg@10"], tuned["personal_decayed"]["ndcg@10"] = 0.2, 0.3
        content["rival"]["next_listen"] = "popularity_users"
        path.write_text(json.dumps(content))

    verdict = trained.verdict("baselines_tuned", trained.spoiled("baselines", spoil))
    assert not verdict.passed
    assert verdict.sentence == "the rival in next_listen is popularity_users, which is not the best of what was tuned"
