"""The candidates of a request hold the best by each part of the score."""

import numpy as np
import pytest
from planted_log import planted_splits
from untrained_scorer import untrained_scorer

from loopback_core.ranking import candidates as module
from loopback_core.ranking.candidates import UNKNOWN, candidates_of, most_popular
from loopback_core.ranking.pair_features import lookup, personal_bags
from loopback_core.ranking.terms import ArtistTerm, Listened
from loopback_core.retrieval.top_k import tie_order
from loopback_core.tasks.task_builders import TASKS

FEW = 4


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("name", ["discovery", "next_listen"])
def test_they_hold_the_best_by_each_part_of_the_score(splits, name, monkeypatch):
    for limit in ("NEAREST", "MOST_POPULAR", "LARGEST"):
        monkeypatch.setattr(module, limit, FEW)
    task = TASKS[name](splits.testing_period).sampled(20, 0)
    catalog = task.fit.catalog
    scorer = untrained_scorer(task)
    bags, users = personal_bags(Listened(task.histories, scorer.knowledge)), scorer.users(task.histories)
    popular, tie_rank = most_popular(scorer), tie_order(task.n_candidates, 0)
    found = candidates_of(users, scorer, task, bags, popular, tie_rank)

    every, looked_at = np.arange(task.n_candidates), 0
    for column in scorer.catalog_values.T:
        if column.any():
            assert np.isin(np.argsort(-column, kind="stable")[:FEW], popular).all()
    for row in range(len(task.users)):
        out = np.zeros(0, np.int64) if task.exclude is None else task.exclude[row]
        allowed = np.setdiff1d(every, out)
        assert np.isin(found[row], allowed).all() and (np.diff(found[row]) > 0).all()
        products = scorer.vectors[allowed] @ users[row]
        assert np.isin(allowed[np.argsort(-products)[:FEW]], found[row]).all()
        for term, bag in bags:
            if term.optional:
                continue
            of_artist = isinstance(term, ArtistTerm)
            item = catalog.artist[allowed].astype(np.int64) if of_artist else allowed
            said = np.isin(item, bag.items[bag.row == row])
            values = lookup(bag, np.full(len(item), row), item, task.n_candidates + catalog.n_artists)
            values = values[said] * (scorer.popularity[allowed[said], None] + UNKNOWN if of_artist else 1)
            for column in values.T:
                looked_at += len(column) > FEW
                worst = np.sort(column)[-FEW:].min(initial=np.inf)  # of equals any will do
                is_in = np.isin(allowed[said], found[row])
                assert is_in[column > worst].all()
                assert (column[is_in] >= worst).sum() >= min(FEW, len(column))
    assert looked_at > 100
