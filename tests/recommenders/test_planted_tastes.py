"""The one log on which every recommender must find what was planted."""

import numpy as np
import pytest
from planted_log import planted_splits

from loopback_core.data import Histories, Ragged
from loopback_core.recommenders.baselines import BASELINES
from loopback_core.recommenders.baselines.popularity import Popularity
from loopback_core.recommenders.lists import rank_users
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import discovery, next_listen

FOR_EVERYONE = {name for name, baseline in BASELINES.items() if issubclass(baseline, Popularity)}
TASTES = [name for name, b in BASELINES.items() if "discovery" in b.answers and name not in FOR_EVERYONE]
REPEATS = [name for name, b in BASELINES.items() if "discovery" not in b.answers and "next_listen" in b.answers]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted"))


def ndcg(name, task):
    fitted = BASELINES[name]().fit_for(task)
    return float(np.mean(per_user_metrics(rank_users(fitted, task, 10), task.positives, [10])["ndcg@10"]))


@pytest.mark.parametrize("name", TASTES)
def test_a_baseline_of_tastes_discovers_the_tracks_of_the_users_group(planted, name):
    task = discovery(planted.testing_period)
    assert (len(task.users), set(task.positives.lengths)) == (60, {12})
    assert ndcg(name, task) > 0.95  # 1 but for the artist heuristics, where a user missed a whole artist


@pytest.mark.parametrize("name", sorted(FOR_EVERYONE))
def test_the_same_ranking_for_everyone_discovers_one_in_four(planted, name):
    assert ndcg(name, discovery(planted.testing_period)) < 0.5


@pytest.mark.parametrize("name", REPEATS)
def test_personal_baselines_find_nothing_where_nothing_is_repeated(planted, name):
    task = next_listen(planted.testing_period)
    assert set(task.positives.lengths) == {12}
    assert ndcg(name, task) == 0


@pytest.mark.parametrize("name", TASTES)
def test_a_user_who_came_after_fitting_gets_recommendations_from_their_history(planted, name):
    fit = planted.testing
    mine = Histories.of(fit.events, np.array([0]), fit.now)
    stranger = Histories(np.array([-1]), mine.tracks, mine.timestamps, mine.now)
    played = Ragged(np.array([0, len(np.unique(mine.tracks.values))]), np.unique(mine.tracks.values))
    ranking = BASELINES[name]().fit(fit).recommend(stranger, 10, played)
    positives = discovery(planted.testing_period).positives[0]
    assert set(ranking.tracks[0].tolist()) <= set(positives.tolist())
