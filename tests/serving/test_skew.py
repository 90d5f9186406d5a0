"""What is served is what was evaluated: the same lists for the same histories, to the last track."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from planted_artifacts import DIVERSITY

from loopback_core.evaluation.our_lists import our_lists
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


def test_a_task_in_which_nobody_is_asked_has_empty_lists_by_every_recommender(evaluated, reading_bundle):
    task = TASKS["discovery"](evaluated.splits.testing_period)
    nobody, bundle = task.of_rows(np.zeros(0, np.int64)), reading_bundle.bundle
    scorer = bundle.towers.scorer(task, bundle.vectors)
    lists = our_lists(scorer, nobody, K, 0, bundle.index)
    assert list(lists) == list(our_lists(scorer, task, K, 0, bundle.index))
    assert {of.tracks.shape for of in lists.values()} == {(0, K)}
