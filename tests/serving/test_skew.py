"""What is served is what was evaluated: the same lists for the same histories, to the last track."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from planted_artifacts import DIVERSITY

from loopback_core.evaluation.our_lists import lists_through_index, our_lists
from loopback_core.recommenders import lists as lists_of_users
from loopback_core.tasks.task_builders import TASKS

K = 100


def moment(seconds):
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


@pytest.mark.parametrize("wish", [{}, {"diversity": DIVERSITY}, {"rank": False}])
@pytest.mark.parametrize("name", ["discovery", "next_listen"])
def test_served_answers_are_those_of_the_evaluation_for_the_same_histories(
    evaluated, reading, reading_bundle, name, wish
):
    task = TASKS[name](evaluated.splits.testing_period)
    bundle = reading_bundle.bundle
    lists = our_lists(bundle.towers.scorer(task, bundle.vectors), task, K, 0, bundle.index)
    ranked = lists["ranked"]
    reranker = replace(bundle.chosen_rerankers[name], artist=task.fit.catalog.artist)
    measured = lists["two_tower_index"] if "rank" in wish else ranked
    measured = reranker.rerank(ranked, task.histories) if "diversity" in wish else measured
    assert (measured.tracks != ranked.tracks).any() == bool(wish)
    histories, names = task.histories, reading_bundle.names.to_pylist()
    assert len(task.users) == 60
    for row in range(len(task.users)):
        part = slice(histories.tracks.offsets[row], histories.tracks.offsets[row + 1])
        listens = [
            {"artist": names[track]["artist_name"], "track": names[track]["track_name"], "time": moment(time)}
            for track, time in zip(histories.tracks.values[part], histories.timestamps[part], strict=True)
        ]
        request = {"history": listens, "task": name, "k": K, "at": moment(histories.now[row])} | wish
        items = reading.post("/v1/recommendations", json=request).json()["items"]
        assert [item["track"] for item in items] == [track for track in measured.tracks[row].tolist() if track >= 0]
        np.testing.assert_allclose(
            [item["score"] for item in items], measured.scores[row][: len(items)], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("name", ["discovery", "next_listen"])
def test_lists_shorter_than_what_is_corrected_begin_like_longer_ones(evaluated, reading_bundle, name):
    task, bundle = TASKS[name](evaluated.splits.testing_period), reading_bundle.bundle
    scorer = bundle.towers.scorer(task, bundle.vectors)
    short = scorer.corrector.places // 2
    long = our_lists(scorer, task, scorer.corrector.places, 0, bundle.index)
    assert (long["ranked"].tracks[:, :short] != long["two_tower_index"].tracks[:, :short]).any()
    for lists in (
        our_lists(scorer, task, short, 0, bundle.index),
        *lists_through_index([(scorer, task)], short, 0, bundle.index),
    ):
        for of, ranking in lists.items():
            np.testing.assert_array_equal(ranking.tracks, long[of].tracks[:, :short])


def test_a_task_in_which_nobody_is_asked_has_empty_lists_by_every_recommender(evaluated, reading_bundle):
    task = TASKS["discovery"](evaluated.splits.testing_period)
    nobody, bundle = task.of_rows(np.zeros(0, np.int64)), reading_bundle.bundle
    scorer = bundle.towers.scorer(task, bundle.vectors)
    lists = our_lists(scorer, nobody, K, 0, bundle.index)
    assert list(lists) == list(our_lists(scorer, task, K, 0, bundle.index))
    assert {of.tracks.shape for of in lists.values()} == {(0, K)}


def test_tasks_whose_histories_are_read_once_have_the_lists_of_each_task_alone(evaluated, reading_bundle, monkeypatch):
    monkeypatch.setattr(
        lists_of_users, "USERS_PER_BLOCK", 8
    )  # of the first and the last block nobody is asked for new tracks
    period, bundle = evaluated.splits.testing_period, reading_bundle.bundle
    tasks = [TASKS["discovery"](period).of_rows(np.arange(9, 40, 2)), TASKS["next_listen"](period)]
    asked = [(bundle.towers.scorer(task, bundle.vectors), task) for task in tasks]
    for (scorer, task), lists in zip(asked, lists_through_index(asked, K, 0, bundle.index), strict=True):
        alone = our_lists(scorer, task, K, 0, bundle.index)
        assert list(lists) == ["two_tower_alone", "two_tower_index", "ranked"]
        for name, ranking in lists.items():
            np.testing.assert_array_equal(ranking.tracks, alone[name].tracks)

    fewer = asked[0][0], tasks[0].of_rows(np.array([0]))
    others = asked[1][0], tasks[1].of_rows(np.arange(10, 20))
    with pytest.raises(ValueError, match="discovery asks users whom next_listen does not ask"):
        lists_through_index([fewer, others], K, 0, bundle.index)
