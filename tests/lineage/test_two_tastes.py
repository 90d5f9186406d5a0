"""A log that one vector of a user cannot solve."""

import numpy as np
from two_tastes import two_tastes

from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.retriever import fit_retriever
from loopback_core.recommenders.lists import rank_users
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import discovery
from loopback_core.towers.user import ONLY_NEW

GIVEN = {
    "towers": {
        "output_dim": 3,
        "embedding_std": 0.3,
        "pooled": {"listens": 50, "dropout": 0.2},
    },
    "training": {
        "epochs": 24,
        "batch_size": 96,
        "temperature": 0.2,
        "learning_rate": 0.02,
        "embedding_learning_rate": 0.2,
        "sampled": {"negatives": 64, "users_per_group": 0, "target_window": 16, "request_stride": 4},
        "device": "cpu",
    },
}


def ndcg(family, folder):
    """Of discovery; eight groups in three dimensions."""
    period = two_tastes()
    task, settings = discovery(period), settings_of_family(FAMILIES[family], 0, GIVEN, {})
    retriever = fit_retriever(family, period.fit, settings, None, folder).for_intent(ONLY_NEW)
    return float(np.mean(per_user_metrics(rank_users(retriever, task, 10), task.positives, [10])["ndcg@10"]))


def test_several_vectors_find_both_tastes_of_a_user_and_one_vector_lies_between_them(tmp_path):
    one, several = tmp_path / "one", tmp_path / "several"
    one.mkdir(), several.mkdir()
    assert ndcg("two_tower", one) < 0.6
    assert ndcg("interests", several) > 0.75
