import json
from dataclasses import replace

import numpy as np
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.data import Ragged
from loopback_core.errors import ArtifactError
from loopback_core.ranking.rank_requests import ranked_task
from loopback_core.recommenders.bundle import Bundle
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.reranking.choosing import (
    DIAL,
    RERANKING,
    MeasuredLists,
    RerankingChoice,
    choose_reranking,
    dial_points,
    load_reranking,
    save_reranking,
)
from loopback_core.reranking.reranker import HEAD, LONGEST, Reranker
from loopback_core.settings import RERANKING_METHODS, RerankingSettings
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import TASKS


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A task of the planted log, its scorer, and a re-ranker to whom each track is a work of its own."""
    evaluated = planted_evaluated(tmp_path_factory.mktemp("artifacts"))
    task = TASKS["discovery"](evaluated.splits.testing_period)
    bundle = Bundle.load(evaluated.splits, evaluated.towers, evaluated.ranker, evaluated.vectors, evaluated.index)
    scorer = bundle.towers.scorer(task, bundle.vectors)
    return scorer, task, Reranker(scorer.vectors, task.candidate_artist, np.arange(task.n_candidates))


@pytest.fixture(scope="module")
def lists(asked):
    """Those of the users of the task, as if asked at two moments."""
    scorer, task, _ = asked
    ranked = ranked_task(scorer, task, HEAD, 0)
    return [MeasuredLists.of(ranked, len(task.users), 0), MeasuredLists.of(ranked, 10, 1)]


@pytest.mark.parametrize(("method", "tried"), [("auto", RERANKING_METHODS), ("dpp", ("dpp",))])
def test_the_point_with_the_most_artists_that_costs_no_more_is_chosen(asked, lists, method, tried):
    _, task, reranker = asked
    artists = []
    for cost in (0.0, 0.1, 1.0):
        choice = choose_reranking("discovery", lists, reranker, RerankingSettings(method=method, max_cost=cost))
        assert {p.method for p in choice.points} == set(tried)
        affordable = [p for p in choice.points if choice.ndcg - p.ndcg + p.error <= cost * choice.ndcg]
        chosen = [p for p in choice.points if (p.method, p.diversity) == (choice.method, choice.diversity)]
        artists.append(chosen[0].artists)
        assert (
            chosen[0].error >= 0
            and chosen[0] in affordable
            and artists[-1] == max(point.artists for point in affordable)
        )
        assert (choice.users, choice.requests) == (len(task.users), len(task.users) + 10)
    assert [(p.method, p.diversity) for p in choice.points] == [(one, dial) for one in tried for dial in DIAL]
    assert artists[0] <= artists[1] < artists[2] == max(point.artists for point in choice.points)


def test_a_dial_that_surely_costs_too_much_is_turned_no_further(asked, lists):
    points = dial_points(lists, replace(asked[2], method="mmr"), most_cost=0.05)
    before = points[0].ndcg
    assert 1 < len(points) < len(DIAL)
    surely = [before - point.ndcg - 2 * point.error > 0.05 * before for point in points]
    assert surely == [False] * (len(points) - 1) + [True]
    assert points == dial_points(lists, replace(asked[2], method="mmr"))[: len(points)]


def test_requests_of_one_user_are_alike_in_the_error(asked, lists):
    once, twice = (dial_points(of, replace(asked[2], diversity=0.5)) for of in (lists[:1], [lists[0], lists[0]]))
    assert [point.error for point in twice] == pytest.approx([point.error for point in once])


def test_what_is_measured_is_what_the_towers_recommend(asked, lists):
    scorer, task, reranker = asked
    ranking = TowersRecommender(scorer, 0).recommend(task.histories, LONGEST, task.exclude)
    choice = choose_reranking("discovery", lists[:1], reranker, RerankingSettings(method="mmr", max_cost=1.0))
    assert choice.ndcg == pytest.approx(per_user_metrics(ranking, task.positives, (10,))["ndcg@10"].mean())
    whole = [MeasuredLists(ranking, task.histories, task.positives, task.users)]
    points = dial_points(whole, replace(reranker, method="mmr"))
    assert [point.ndcg for point in points] == pytest.approx([point.ndcg for point in choice.points])


def test_where_nothing_is_right_nothing_is_chosen(asked):
    scorer, task, reranker = asked
    hopeless = replace(task, positives=Ragged(np.arange(len(task.users) + 1), np.full(len(task.users), 0)))
    hopeless = replace(hopeless, exclude=Ragged(np.arange(len(task.users) + 1), np.full(len(task.users), 0)))
    lists = [MeasuredLists.of(ranked_task(scorer, hopeless, HEAD, 0), len(hopeless.users), 0)]
    choice = choose_reranking("discovery", lists, reranker, RerankingSettings(max_cost=1.0))
    assert (choice.ndcg, choice.diversity) == (0, 0)


def test_rules_that_cost_more_than_is_allowed_leave_the_dial_at_0(asked, lists):
    _, task, reranker = asked
    of_artist = task.candidate_artist.astype(np.int64)  # all tracks of an artist are versions of one work
    choice = choose_reranking("discovery", lists, replace(reranker, works=of_artist), RerankingSettings())
    assert choice.diversity == 0 and choice.points[0].ndcg < 0.9 * choice.ndcg


def test_without_scored_users_only_the_rules_are_left(asked):
    scorer, task, reranker = asked
    nobody = [MeasuredLists.of(ranked_task(scorer, task, HEAD, 0), 0, 0)]
    settings = RerankingSettings(most_of_artist=2, one_version=False, method="dpp")
    choice = choose_reranking("discovery", nobody, reranker, settings)
    assert choice == RerankingChoice("dpp", 0.0, 2, False)
    assert (choice.rules.most_of_artist, choice.rules.one_version) == (2, False)


def test_choices_come_back_as_they_were_written(asked, lists, tmp_path):
    choices = {"discovery": choose_reranking("discovery", lists, asked[2], RerankingSettings())}
    choices["next_listen"] = replace(choices["discovery"], diversity=0.4)
    save_reranking(choices, tmp_path)
    assert load_reranking(tmp_path) == choices


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"discovery": {"method": "none"}}',
        '{"discovery": {"diversity": "a"}}',
        '{"discovery": {"diversity": 1.7}}',
    ],
)
def test_a_damaged_file_is_a_sentence(tmp_path, content):
    (tmp_path / RERANKING).write_text(content, "utf-8")
    with pytest.raises(ArtifactError, match="train the towers again"):
        load_reranking(tmp_path)


def test_towers_without_a_choice_are_shown_as_they_are_scored(tmp_path):
    assert load_reranking(tmp_path) == {}
    save_reranking({}, tmp_path)
    assert json.loads((tmp_path / RERANKING).read_text("utf-8")) == load_reranking(tmp_path) == {}
