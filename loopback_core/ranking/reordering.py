"""Lists of the linear score, put in order by a corrector."""

import numpy as np

from loopback_core.data import NOTHING, Ranking
from loopback_core.ranking.best_candidates import BestCandidates, rank_features
from loopback_core.ranking.scorer import EncodedUsers, Scorer


def reordered(scorer: Scorer, users: EncodedUsers, best: Ranking) -> Ranking:
    """The best candidates of each list in the order of their corrected scores; those after them stay in theirs.

    users: encoded by the same scorer. best: by its linear score, (rows, k), with as many places as its corrector puts in order where
    there are so many candidates. Scores of the others are lowered so far that they fall from the first to the last.
    """
    if scorer.corrector is None:
        return best
    head = best.tracks[:, : scorer.corrector.places]
    row, place = np.nonzero(head != NOTHING)
    if not len(row):
        return best
    track, by_score, lengths = head[row, place], best.scores[row, place], np.bincount(row, minlength=len(head))
    asked = np.flatnonzero(lengths)
    features = rank_features(scorer.features(users.vectors, users.bags, row, track), by_score, lengths[asked])
    candidates = BestCandidates(features, by_score, lengths[asked], track, users.last.take(asked))
    scores = np.full(head.shape, -np.inf, np.float32)
    scores[row, place] = scorer.corrector.corrected(candidates, scorer.vectors)
    order = np.argsort(-scores, axis=1, kind="stable")
    tracks, scores = np.take_along_axis(head, order, axis=1), np.take_along_axis(scores, order, axis=1)
    rest = best.scores[:, head.shape[1] :]
    if rest.shape[1]:
        lowest, highest = scores[:, -1:], rest[:, :1]
        both = np.isfinite(lowest) & np.isfinite(highest)
        above = np.maximum(np.where(both, highest, 0) - np.where(both, lowest, 0), 0)
        rest = rest - above  # what is -inf stays so
    return Ranking(
        np.concatenate([tracks, best.tracks[:, head.shape[1] :]], axis=1),
        np.concatenate([scores, rest], axis=1).astype(np.float32),
    )
