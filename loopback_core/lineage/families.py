"""The families of the lineage: what each is, its towers, and what it changes of the recipe."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.lineage.attention_towers import AttentionTowers
from loopback_core.lineage.cross_towers import CrossTowers
from loopback_core.lineage.family_validation import FamilyValidation
from loopback_core.lineage.int_towers import IntTowers
from loopback_core.lineage.int_validation import IntValidation
from loopback_core.lineage.interest_towers import InterestTowers
from loopback_core.lineage.late_towers import LateTowers
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.name_towers import NameTowers
from loopback_core.lineage.network_validation import NetworkValidation
from loopback_core.lineage.rank_towers import RankTowers
from loopback_core.lineage.sparse_towers import SparseTowers
from loopback_core.lineage.sparse_validation import SparseValidation
from loopback_core.lineage.weighed_states import SummedStates
from loopback_core.settings import RECIPE, Settings, load_settings, merged
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.recipes import Overrides

PLAIN_TOWERS = "two_tower"
"""The family that the others are compared with."""

_MEAN = {"artist_half_lives": [0.0], "artist_powers": [1.0], "track_half_lives": [0.0], "track_powers": [1.0]}
_POOLED, _IN_ORDER = {"user_encoder": "pooled"}, {"user_encoder": "hstu"}
_NAMES = {"towers": {**_POOLED, "sum": {"ngram_buckets": 65_536, "ngram_dim": 64}}}


def _mean_pool(logq: float) -> Overrides:
    return {
        "towers": {"user_encoder": "pooled", "pooled": _MEAN},
        "training": {"sampled": {"uniform_share": 0.0, "logq": logq}},
    }


@dataclass(frozen=True)
class Family:
    """A configuration of the lineage."""

    name: str
    title: str  # with the source, for tables
    overrides: Overrides  # of the recipe
    towers: type[MultiVectorTowers] = MultiVectorTowers
    validation: type[FamilyValidation] = FamilyValidation

    def make(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> MultiVectorTowers:
        """See :data:`loopback_core.training.set_up.MakeTowers`. names: of the log; None: they are loaded with the weights."""
        return self.towers(vocabulary, settings, names)


FAMILIES = {
    family.name: family
    for family in (
        Family(PLAIN_TOWERS, "two towers that meet in one product", {"towers": _POOLED}),
        Family("two_tower_order", "the same, and the order of the last listens", {"towers": _IN_ORDER}),
        Family("names", "letter trigrams of the names, no ids (DSSM 2013)", _NAMES, NameTowers),
        Family("mean_pool", "mean of what was played, sampled softmax (Covington 2016)", _mean_pool(0.0)),
        Family("mean_pool_logq", "the same with the logQ correction (Yi 2019)", _mean_pool(1.0)),
        Family("interests", "several vectors of a user (ComiRec 2020)", {"towers": _POOLED}, InterestTowers),
        Family("interests_order", "the same, and the order of the last listens", {"towers": _IN_ORDER}, InterestTowers),
        Family("summed_states", "the sum of the states of the last listens", {"towers": _IN_ORDER}, SummedStates),
        Family("late", "late interaction (ColBERT 2020)", {"towers": _IN_ORDER}, LateTowers),
        Family("sparse", "weights of terms (SPLADE 2021)", {"towers": _POOLED}, SparseTowers, SparseValidation),
        Family(
            "int_tower",
            "heads re-score 1,000 candidates (IntTower 2022)",
            {"towers": _POOLED},
            IntTowers,
            IntValidation,
        ),
        Family(
            "one_way_attention",
            "tracks attend to the last listens, over 1,000 candidates (MICE 2026)",
            {"towers": _IN_ORDER},
            AttentionTowers,
            NetworkValidation,
        ),
        Family(
            "rank_tower",
            "heads of user and track attend to each other, over 1,000 candidates (RankTower 2024)",
            {"towers": _IN_ORDER, "training": {"sampled": {"hard_share": 0.05}}},
            RankTowers,
            NetworkValidation,
        ),
        Family(
            "cross_encoder",
            "tracks and the last listens attend to each other, over 1,000 candidates (cross-encoder)",
            {"towers": _IN_ORDER},
            CrossTowers,
            NetworkValidation,
        ),
    )
}
"""Name -> family, in the order of the table."""


def chosen_families(names: Sequence[str]) -> list[Family]:
    """The families of these names in the order of the table; 'all' means every one, and the plain towers are always among them.

    Raises:
        SettingsError: a name is neither 'all' nor a family.
    """
    if unknown := [name for name in names if name not in FAMILIES and name != "all"]:
        raise SettingsError(
            f"lineage.families names {', '.join(map(repr, unknown))}; known are 'all', {', '.join(map(repr, FAMILIES))}."
        )
    return [family for name, family in FAMILIES.items() if "all" in names or name in names or name == PLAIN_TOWERS]


def settings_of_family(
    family: Family, seed: int, given: Overrides | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings under which a family is trained.

    given: overrides of the run, such as fewer epochs; what the family says comes before them. A refit reads validation, on
    which families are measured: it is switched off, and so is the search. All are served by the towers alone, and trained by one process.
    """
    training = {
        **family.overrides.get("training", {}),
        "preset": RECIPE,
        "seed": seed,
        "refit": False,
        "recipe": "given",
        "workers": 1,
        "scoring": "dot",
    }
    overrides = merged(given or {}, {**family.overrides, "training": training})
    return load_settings(overrides, environ, leave_out_unread=True)
