"""Answers without the protocol."""

from dataclasses import replace

import pytest
from planted_artifacts import RANKER

from loopback_core.bundle.rank_known import rank_known
from loopback_core.ranking.linear_ranker import LinearRanker
from loopback_core.serving.answering import answer
from loopback_core.serving.listener import Received
from loopback_core.serving.prepared import FOR_CORRECTION, OF_A_LISTENER, Asked, PreparedListeners
from loopback_core.serving.question import HeardTrack, Question

KEPT = OF_A_LISTENER + 100 * FOR_CORRECTION
"""What a listener of the planted log takes, who has 100 listens."""


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
    monkeypatch.setattr("loopback_core.serving.prepared.KEPT_LISTENS", 3 * KEPT)
    listeners = PreparedListeners(reading_bundle)
    first = [answer(listeners, [Asked(Question(f"user_{n:02d}"))])[0].items for n in range(6)]
    again = [answer(listeners, [Asked(Question(f"user_{n:02d}"))])[0].items for n in range(6)]
    assert again == first and len({items[0].track for items in first}) > 1
    assert len(listeners._kept) == 3


def test_nothing_is_kept_of_a_user_who_is_to_be_forgotten(reading_bundle):
    listeners = PreparedListeners(reading_bundle)
    asked = [Asked(Question("user_01")), Asked(Question("user_01", at=1_400_000_000)), Asked(Question("user_02"))]
    answer(listeners, asked)
    listeners.forget("user_01")
    assert [key[0] for key in listeners._kept] == ["user_02"]
    assert listeners._listens == KEPT


@pytest.fixture(scope="module")
def both_ways(reading_bundle):
    """The same bundle with lists of every user that were made when it was built, and with none."""
    with_lists = replace(reading_bundle, lists=rank_known(reading_bundle, long_history=1))
    return PreparedListeners(with_lists), PreparedListeners(replace(reading_bundle, lists={}))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"task": "next_listen"},
        {"familiarity": 0.4},
        {"diversity": 0.7},
        {"only_artists": (1, 2, 3)},
        {"exclude_artists": (0, 1), "exclude_tracks": (5, 6)},
        {"explain": True},
    ],
)
def test_a_user_who_was_ranked_with_the_bundle_gets_the_list_of_one_who_is_ranked_now(both_ways, more):
    for number in range(60):
        before, now = (answer(one, [Asked(Question(f"user_{number:02d}", k=50, **more))])[0].items for one in both_ways)
        assert [(item.track, item.reason, item.parts) for item in before] == [
            (item.track, item.reason, item.parts) for item in now
        ]
        assert [item.score for item in before] == pytest.approx([item.score for item in now], abs=1e-4)


HEARD = HeardTrack("group 3 artist 0", "track 0", time=1_300_000_000)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(Question("user_02", k=50, history=(HEARD,))),
        Asked(Question("user_02", k=50, at=1_400_000_000)),
        Asked(Question("user_02", k=50, at=1_199_300_000)),
        Asked(Question("user_02", k=50), lambda: Received((HEARD,)), 1),
        Asked(Question("user_02", k=50), lambda: Received((), 1_400_000_000), 2),
        Asked(Question("user_02", k=50), lambda: Received((HEARD,), 1_250_000_000), 3),
    ],
    ids=["history", "later", "earlier", "listens", "erased", "erased and back"],
)
def test_a_stored_list_is_not_read_once_the_history_is_another(both_ways, asked):
    as_built, encoded, now = (
        answer(listeners, [question])[0]
        for listeners, question in (
            (both_ways[0], Asked(Question("user_02", k=50))),
            *((one, asked) for one in both_ways),
        )
    )
    assert encoded.items == now.items and encoded.fallback == now.fallback
    assert encoded.items != as_built.items
