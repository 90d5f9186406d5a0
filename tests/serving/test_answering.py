"""Answers without the protocol."""

from dataclasses import replace

import pytest
from planted_artifacts import RANKER

from loopback_core.ranking.linear_ranker import LinearRanker
from loopback_core.serving.answering import answer
from loopback_core.serving.prepared import Asked, PreparedListeners
from loopback_core.serving.question import Question


@pytest.fixture(scope="module")
def of_two_scores(reading_bundle):
    """A bundle that scores the two tasks by other weights."""
    rankers = {"discovery": LinearRanker.of({"towers": 2.0, "listeners": 1.5, "related": 0.5}), "next_listen": RANKER}
    bundle = reading_bundle.bundle
    return replace(reading_bundle, bundle=replace(bundle, towers=replace(bundle.towers, rankers=rankers)))


@pytest.mark.parametrize("task", ["discovery", "next_listen"])
def test_the_parts_of_a_mixed_list_are_those_of_the_task_that_gave_the_score(of_two_scores, task):
    question = Question("user_02", task=task, k=20, familiarity=0.5, explain=True)
    (mixed,) = answer(PreparedListeners(of_two_scores), [Asked(question)])
    assert sum(item.reason.startswith("You played it") for item in mixed.items) == 10
    for item in mixed.items:
        assert sum(item.parts.values()) == pytest.approx(item.score, abs=1e-3)


def test_the_kept_listeners_are_bounded_and_their_answers_do_not_change(reading_bundle, monkeypatch):
    monkeypatch.setattr("loopback_core.serving.prepared.KEPT_LISTENERS", 3)
    listeners = PreparedListeners(reading_bundle)
    first = [answer(listeners, [Asked(Question(f"user_{n:02d}"))])[0].items for n in range(6)]
    again = [answer(listeners, [Asked(Question(f"user_{n:02d}"))])[0].items for n in range(6)]
    assert again == first and len({items[0].track for items in first}) > 1
    assert len(listeners._kept) == 3
