"""The parts of a score: what the towers, popularity, the user's own plays and related music add to it."""

import numpy as np

from loopback_core.data import Floats, Histories, Ids
from loopback_core.ranking.linear_ranker import (
    ARTIST_FEATURES,
    POPULAR_ARTIST_FEATURES,
    TRACK_FEATURES,
    popular,
)
from loopback_core.ranking.pair_features import pair_features, personal_bags
from loopback_core.ranking.scorer import Scorer
from loopback_core.ranking.terms import Listened, NeighboursTerm, RelatedTerm

PERSONAL = (*TRACK_FEATURES, *ARTIST_FEATURES, *POPULAR_ARTIST_FEATURES)

RELATED_FEATURES = {*NeighboursTerm.features, *RelatedTerm.features, *map(popular, RelatedTerm.by_popularity)}


def score_parts(scorer: Scorer, histories: Histories, tracks: Ids, scores: Floats) -> list[dict[str, float]]:
    """Of one history: for each track the parts of its score, which add up to it.

    `towers`, `popularity`, `prior` and `related` are those of the linear score, `ranker` is what the corrector adds, where there is one.
    scores: (n,) as the tracks were served.
    """
    user = scorer.users(histories)[0]
    towers = (scorer.vectors[tracks] @ user) * scorer.product_weight
    popularity = scorer.of_catalog_terms[tracks]
    bags = personal_bags(Listened(histories, scorer.knowledge))
    artist = scorer.candidate_artist[tracks].astype(np.int64)
    features = pair_features(bags, np.zeros(len(tracks), np.int64), tracks, artist, scorer.popularity[tracks])
    weighted = features * scorer.ranker.of_features(PERSONAL)
    is_related = np.array([name in RELATED_FEATURES for name in PERSONAL])
    prior, related = weighted[:, ~is_related].sum(axis=1), weighted[:, is_related].sum(axis=1)
    parts = {"towers": towers, "popularity": popularity, "prior": prior, "related": related}
    if scorer.corrector is not None:
        parts["ranker"] = scores - towers - popularity - prior - related
    return [
        {name: round(float(value), 5) for name, value in zip(parts, row, strict=True)}
        for row in zip(*parts.values(), strict=True)
    ]
