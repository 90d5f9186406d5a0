import json
from dataclasses import replace

import numpy as np
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.data import Ragged
from loopback_core.errors import ArtifactError
from loopback_core.recommenders.bundle import Bundle
from loopback_core.recommenders.towers_recommender import TowersRecommender
from loopback_core.reranking.choosing import (
    DIAL,
    RERANKING,
    RerankingChoice,
    choose_reranking,
    dial_points,
    load_reranking,
    save_reranking,
)
from loopback_core.reranking.reranker import LONGEST, Reranker
from loopback_core.settings import RERANKING_METHODS, RerankingSettings
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import TASKS


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A task of the planted log, its scorer, and the works of its candidates: each track its own."""
    evaluated = planted_evaluated(tmp_path_factory.mktemp("artifacts"))
    task = TASKS["discovery"](evaluated.splits.testing_period)
    bundle = Bundle.load(evaluated.splits, evaluated.towers, evaluated.ranker, evaluated.vectors, evaluated.index)
    return bundle.towers.scorer(task, bundle.vectors), task, np.arange(task.n_candidates)


@pytest.mark.parametrize(("method", "tried"), [("auto", RERANKING_METHODS), ("dpp", ("dpp",))])
def test_the_point_with_the_most_artists_that_costs_no_more_is_chosen(asked, method, tried):
    scorer, task, works = asked
    artists = []
    for cost in (0.0, 0.1, 1.0):
        choice = choose_reranking(scorer, task, works, RerankingSettings(method=method, max_cost=cost), 0)
        assert [(p.method, p.diversity) for p in choice.points] == [(one, dial) for one in tried for dial in DIAL]
        affordable = [p for p in choice.points if choice.ndcg - p.ndcg + p.error <= cost * choice.ndcg]
        chosen = [p for p in choice.points if (p.method, p.diversity) == (choice.method, choice.diversity)]
        artists.append(chosen[0].artists)
        assert (
            chosen[0].error >= 0
            and chosen[0] in affordable
            and artists[-1] == max(point.artists for point in affordable)
        )
        assert choice.users == len(task.users)
    assert artists[0] <= artists[1] < artists[2] == max(point.artists for point in choice.points)


def test_what_is_measured_is_what_the_towers_recommend(asked):
    scorer, task, works = asked
    ranking = TowersRecommender(scorer, 0).recommend(task.histories, LONGEST, task.exclude)
    choice = choose_reranking(scorer, task, works, RerankingSettings(method="mmr"), 0)
    assert choice.ndcg == pytest.approx(per_user_metrics(ranking, task.positives, (10,))["ndcg@10"].mean())
    points = dial_points(
        ranking, task.histories, task.positives, Reranker(scorer.vectors, task.candidate_artist, works)
    )
    assert [point.ndcg for point in points] == pytest.approx([point.ndcg for point in choice.points])


def test_where_nothing_is_right_nothing_is_chosen(asked):
    scorer, task, works = asked
    hopeless = replace(task, positives=Ragged(np.arange(len(task.users) + 1), np.full(len(task.users), 0)))
    hopeless = replace(hopeless, exclude=Ragged(np.arange(len(task.users) + 1), np.full(len(task.users), 0)))
    choice = choose_reranking(scorer, hopeless, works, RerankingSettings(max_cost=1.0), 0)
    assert (choice.ndcg, choice.diversity) == (0, 0)


def test_rules_that_cost_more_than_is_allowed_leave_the_dial_at_0(asked):
    scorer, task, _ = asked
    of_artist = task.candidate_artist.astype(np.int64)  # all tracks of an artist are versions of one work
    choice = choose_reranking(scorer, task, of_artist, RerankingSettings(), 0)
    assert choice.diversity == 0 and choice.points[0].ndcg < 0.9 * choice.ndcg


def test_without_scored_users_only_the_rules_are_left(asked):
    scorer, task, works = asked
    nobody = task.of_rows(np.zeros(0, np.int64))
    settings = RerankingSettings(most_of_artist=2, one_version=False, method="dpp")
    choice = choose_reranking(scorer, nobody, works, settings, 0)
    assert choice == RerankingChoice("dpp", 0.0, 2, False)
    assert (choice.rules.most_of_artist, choice.rules.one_version) == (2, False)


def test_choices_come_back_as_they_were_written(asked, tmp_path):
    scorer, task, works = asked
    choices = {"discovery": choose_reranking(scorer, task, works, RerankingSettings(), 0)}
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
