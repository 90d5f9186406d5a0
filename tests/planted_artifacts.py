"""The artifacts that a bundle is made from: untrained towers over the planted log, every kind of term in the score, a corrector of
each kind, lists re-ranked."""

import numpy as np
from planted_log import planted_splits

from loopback_core.bundle.build_bundle import Evaluated
from loopback_core.data import Ragged
from loopback_core.ranking.best_candidates import RANK_FEATURES
from loopback_core.ranking.corrector_files import save_correctors
from loopback_core.ranking.cross_encoder_fitting import CrossEncoding
from loopback_core.ranking.linear_ranker import LinearRanker, save_rankers
from loopback_core.ranking.rank_requests import RankRequests
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.tree_fitting import Trees
from loopback_core.recommenders.build_retrieval import embed_catalog, index_catalog
from loopback_core.reranking.choosing import RerankingChoice, save_reranking
from loopback_core.settings import IndexSettings, TowersSettings
from loopback_core.towers.two_tower import TwoTower, Vocabulary

RANKER = LinearRanker.of(
    {
        "towers": 1.0,
        "listeners": 0.5,
        "track plays 7d": 8.0,
        "artist plays": 4.0,
        "artist plays x listeners": 1.0,
        "related": 1.0,
        "follows last 10": 0.5,
    }
)


DIVERSITY = 0.3

CORRECTED = 40
"""Places of a list that are put in order."""


def correctors_of_noise(dim):
    """Trees for discovery and a cross-encoder for next listen, fitted to requests of which nothing can be learned."""
    rng = np.random.default_rng(0)
    n_requests, n = 40, 40 * 20
    noise = RankRequests(
        rng.standard_normal((n, len(RANK_FEATURES))).astype(np.float32),
        np.zeros(n, np.float32),
        np.full(n_requests, 20),
        rng.integers(30, size=n),
        Ragged(np.arange(0, 5 * n_requests + 1, 5), rng.integers(30, size=5 * n_requests)),
        np.arange(n) % 20 < 4,
        np.full(n_requests, 4),
        np.arange(n_requests),
    )
    vectors = rng.standard_normal((30, dim)).astype(np.float32)
    methods = {"discovery": Trees(), "next_listen": CrossEncoding(vectors)}
    return {task: method.fit(noise, 3, 0).corrector(3, CORRECTED) for task, method in methods.items()}


def planted_evaluated(folder):
    """The artifacts in `folder`, as they would be evaluated together."""
    import torch

    splits = planted_splits(folder)
    shape = TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=8)
    catalog = splits.testing.catalog
    torch.manual_seed(0)
    towers, ranker = folder / "towers", folder / "ranker"
    towers.mkdir()
    ranker.mkdir()
    TwoTower(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), shape).save(towers)
    Relations.learn(splits.testing, 100, 20).save(towers)
    save_rankers(dict.fromkeys(("discovery", "next_listen"), RANKER), ranker)
    save_correctors(correctors_of_noise(shape.output_dim), ranker)
    save_reranking(dict.fromkeys(("discovery", "next_listen"), RerankingChoice(diversity=DIVERSITY)), ranker)
    for name in ("vectors", "index"):
        (folder / name).mkdir()
    embed_catalog(splits, towers, folder / "vectors")
    index_catalog(splits, towers, folder / "vectors", IndexSettings(kind="flat"), folder / "index")
    summary = {"settings": {"towers": shape.model_dump()}, "best_epoch": 1}
    source = {
        "name": "planted",
        "events": len(splits.train),
        "users": catalog.n_users,
        "tracks": catalog.n_tracks,
        "artists": catalog.n_artists,
    }
    verdict = {"evaluation": "none", "verdicts": []}
    return Evaluated(splits, towers, ranker, folder / "vectors", folder / "index", summary, source, verdict)
