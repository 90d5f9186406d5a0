"""What features cost in a request: of every group that reads a history, from nothing but that history."""

import time

import pytest
import torch
from planted_log import planted_splits

from loopback_core.evaluation import feature_costs as module
from loopback_core.evaluation.feature_costs import READ_TIMES, measure_feature_costs
from loopback_core.ranking.feature_groups import feature_groups, title_of_term
from loopback_core.ranking.linear_ranker import TOWERS_ALONE
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.terms import CATALOG_TERMS, RelatedTerm, TrackPlaysTerm
from loopback_core.recommenders.ranked_towers import Towers
from loopback_core.settings import TowersSettings
from loopback_core.tasks.task_builders import discovery, next_listen
from loopback_core.towers.two_tower import TwoTower, Vocabulary


@pytest.fixture(scope="module")
def period(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted")).testing_period


@pytest.fixture(scope="module")
def towers(period):
    catalog = period.fit.catalog
    torch.manual_seed(0)
    model = TwoTower(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), TowersSettings(output_dim=8))
    return Towers(model, {"discovery": TOWERS_ALONE}, Relations.learn(period.fit, 100, 20))


@pytest.mark.parametrize("task", [discovery, next_listen])
def test_every_group_that_reads_the_history_is_timed(period, towers, task):
    costs = measure_feature_costs(task(period), towers, 0)
    assert costs["requests"] == len(task(period).users)
    assert set(costs["groups"]) == set(feature_groups()) - {"linear score", *map(title_of_term, CATALOG_TERMS)}
    assert all(0 < cost["p50_ms"] <= cost["p99_ms"] for cost in costs["groups"].values())


def test_a_slow_term_is_found_and_a_slow_moment_is_not(period, towers, monkeypatch):
    bag, moments = RelatedTerm.bag, iter([0.2])

    def slow(term, listened):
        time.sleep(0.02 + next(moments, 0.0))
        return bag(term, listened)

    monkeypatch.setattr(RelatedTerm, "bag", slow)
    monkeypatch.setattr(module, "TIMED_REQUESTS", 5)
    groups = measure_feature_costs(discovery(period), towers, 0)["groups"]
    assert max(groups, key=lambda name: groups[name]["p50_ms"]) == "related"
    assert 20 <= groups["related"]["p50_ms"] <= groups["related"]["p99_ms"] < 200


def test_each_reading_begins_anew_with_one_history_on_one_core(period, towers, monkeypatch):
    bag, read = TrackPlaysTerm.bag, []

    def seen(term, listened):
        read.append((len(listened.histories), torch.get_num_threads(), dict(listened.__dict__)))
        return bag(term, listened)

    monkeypatch.setattr(TrackPlaysTerm, "bag", seen)
    monkeypatch.setattr(module, "TIMED_REQUESTS", 5)
    assert measure_feature_costs(discovery(period), towers, 0)["requests"] == 5
    assert len(read) == 5 * READ_TIMES
    assert all((rows, threads) == (1, 1) and "tracks" not in known for rows, threads, known in read)
