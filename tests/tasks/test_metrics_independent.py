"""Our metrics compared with those of ranx, an independent library, on random lists."""

import numpy as np
import pytest
from ranx import Qrels, Run, evaluate

from loopback_core.data import NOTHING, Ragged, Ranking
from loopback_core.tasks.metrics import per_user_metrics

USERS, TRACKS, DEPTH, KS = 40, 60, 30, (1, 5, 20)
THEIRS = {"hit_rate": "hit_rate", "recall": "recall", "precision": "precision", "ndcg": "ndcg", "mrr": "mrr"}


@pytest.fixture(scope="module")
def case():
    """Random positives, 1 to 25 a user, and random lists of which some end early."""
    rng = np.random.default_rng(0)
    positives = [rng.permutation(TRACKS)[: rng.integers(1, 26)] for _ in range(USERS)]
    tracks = np.stack([rng.permutation(TRACKS)[:DEPTH] for _ in range(USERS)])
    for row in range(0, USERS, 4):
        tracks[row, rng.integers(1, DEPTH) :] = NOTHING
    ragged = Ragged.from_pairs(
        np.repeat(np.arange(USERS), [len(p) for p in positives]), np.concatenate(positives), USERS
    )
    ours = per_user_metrics(Ranking(tracks, np.zeros(tracks.shape, np.float32)), ragged, KS)
    qrels = Qrels({f"u{u:02d}": {f"t{track}": 1 for track in of_user} for u, of_user in enumerate(positives)})
    run = Run({
        f"u{u:02d}": {f"t{track}": float(DEPTH - place) for place, track in enumerate(of_user) if track != NOTHING}
        for u, of_user in enumerate(tracks)
    })  # fmt: skip
    names = [f"{name}@{k}" for name in (*THEIRS.values(), "map") for k in KS]
    return ours, evaluate(qrels, run, names, return_mean=False), ragged.lengths


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("metric", THEIRS)
def test_a_metric_of_every_user_is_that_of_ranx(case, metric, k):
    ours, theirs, _ = case
    assert ours[f"{metric}@{k}"] == pytest.approx(np.asarray(theirs[f"{THEIRS[metric]}@{k}"]), abs=1e-9)
    assert 0 < ours[f"{metric}@{k}"].mean() < 1


@pytest.mark.parametrize("k", KS)
def test_map_is_that_of_ranx_but_for_what_it_is_divided_by(case, k):
    # ranx divides by all positives, so that more positives than places cannot reach 1; we by min(K, positives).
    ours, theirs, n_positives = case
    rescaled = np.asarray(theirs[f"map@{k}"]) * n_positives / np.minimum(n_positives, k)
    assert ours[f"map@{k}"] == pytest.approx(rescaled, abs=1e-9)
