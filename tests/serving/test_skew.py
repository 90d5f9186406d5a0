"""What is served is what was evaluated: the same lists for the same histories, to the last track."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from planted_artifacts import DIVERSITY

from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.tasks.task_builders import TASKS

K = 100


def moment(seconds):
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


@pytest.mark.parametrize("wish", [{}, {"diversity": DIVERSITY}])
@pytest.mark.parametrize("name", ["discovery", "next_listen"])
def test_served_answers_are_those_of_two_tower_index_for_the_same_histories(
    evaluated, reading, reading_bundle, name, wish
):
    task = TASKS[name](evaluated.splits.testing_period)
    recommender = IndexRecommender(
        reading_bundle.bundle.towers.scorer(task, reading_bundle.bundle.vectors), reading_bundle.bundle.index, 0
    )
    assert recommender.id == "two_tower_index"
    by_score = recommender.recommend(task.histories, K, task.exclude)
    reranker = replace(reading_bundle.bundle.chosen_rerankers[name], artist=task.fit.catalog.artist)
    measured = reranker.rerank(by_score, task.histories) if wish else by_score
    assert (measured.tracks != by_score.tracks).any() == bool(wish)
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
