"""The trained rankers."""

import numpy as np

from loopback_core.checks.check import Verdict
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


def rankers_load(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Rankers, trees and re-ranking can be loaded, and give finite scores."""
    from loopback_core.ranking.linear_ranker import FEATURES, load_rankers
    from loopback_core.ranking.tree_ranker import load_trees
    from loopback_core.reranking.choosing import load_reranking

    rankers, trees = load_rankers(artifact.folder), load_trees(artifact.folder)
    load_reranking(artifact.folder)
    scores, pair = np.zeros(2, np.float32), np.zeros((2, len(FEATURES)), np.float32)
    broken = [task for task, of in trees.items() if not np.isfinite(of.corrected(pair, scores, np.array([2]))).all()]
    sentence = f"the rankers of {len(rankers)} tasks can be loaded; trees correct {', '.join(trees) or 'none'}"
    if broken:
        sentence = f"the trees of {', '.join(broken)} give scores that are not finite"
    return Verdict(not broken, sentence, {"rankers": len(rankers), "trees": len(trees)})
