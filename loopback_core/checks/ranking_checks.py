"""The trained rankers."""

import numpy as np

from loopback_core.checks.check import Verdict
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


def rankers_load(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Rankers, correctors and re-ranking can be loaded, and give finite scores."""
    from loopback_core.data import Ragged
    from loopback_core.ranking.best_candidates import RANK_FEATURES, BestCandidates
    from loopback_core.ranking.corrector_files import load_correctors
    from loopback_core.ranking.linear_ranker import load_rankers
    from loopback_core.reranking.choosing import load_reranking

    rankers, correctors = load_rankers(artifact.folder), load_correctors(artifact.folder)
    load_reranking(artifact.folder)
    dim = store.upstream(artifact, "trained_towers").summary["settings"]["towers"]["output_dim"] if correctors else 1
    zeros, two = np.zeros(2, np.int64), np.array([2])
    features = np.zeros((2, len(RANK_FEATURES)), np.float32)
    pair = BestCandidates(features, np.zeros(2, np.float32), two, zeros, Ragged(np.array([0, 1]), zeros[:1]))
    vectors = np.zeros((1, dim), np.float32)
    broken = [task for task, of in correctors.items() if not np.isfinite(of.corrected(pair, vectors)).all()]
    sentence = f"the rankers of {len(rankers)} tasks can be loaded; corrected are {', '.join(correctors) or 'none'}"
    if broken:
        sentence = f"the corrector of {', '.join(broken)} gives scores that are not finite"
    return Verdict(not broken, sentence, {"rankers": len(rankers), "correctors": len(correctors)})
