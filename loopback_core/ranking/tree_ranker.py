"""Trees that correct the linear score of the best candidates (LambdaMART: Burges 2010)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loopback_core.data import Floats, Ids
from loopback_core.errors import ArtifactError
from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT

if TYPE_CHECKING:
    from lightgbm import Booster

TREES = "trees.{task}.txt"

BELOW_BEST, PLACE = "below the best", "place by score"

TREE_FEATURES = (
    *(name for name in FEATURES if name != PRODUCT),
    f"{PRODUCT} {BELOW_BEST}",
    f"score {BELOW_BEST}",
    PLACE,
)
"""The columns that trees read. Products of towers and scores are compared with the best of their request, since their level
moves when the towers are trained again."""


def tree_features(features: Floats, scores: Floats, lengths: Ids) -> Floats:
    """(n, len(TREE_FEATURES)) float32 of the candidates of some requests, those of each in falling order of their scores.

    features: (n, len(FEATURES)). scores: (n,) linear. lengths: (requests,) candidates of each, none of them 0.
    """
    starts = np.cumsum(lengths) - lengths
    product = features[:, FEATURES.index(PRODUCT)]
    below_best = [values - np.repeat(np.maximum.reduceat(values, starts), lengths) for values in (product, scores)]
    place = np.arange(len(scores)) - np.repeat(starts, lengths)
    others = np.delete(features, FEATURES.index(PRODUCT), axis=1)
    return np.concatenate([others, np.stack([*below_best, place], axis=1)], axis=1).astype(np.float32)


@dataclass(frozen=True)
class TreeRanker:
    """score = linear score + the sum of the trees, for the `places` best candidates by the linear score."""

    model: str  # as LightGBM writes it
    places: int

    @cached_property
    def booster(self) -> "Booster":
        """The model, ready to predict."""
        booster: Booster = lightgbm().Booster(model_str=self.model)
        return booster

    def corrected(self, features: Floats, scores: Floats, lengths: Ids) -> Floats:
        """(n,) float32 scores. The arguments are those of :func:`tree_features`."""
        columns = tree_features(features, scores, lengths)
        corrected: Floats = (scores + np.asarray(self.booster.predict(columns, num_threads=1))).astype(np.float32)
        return corrected


def lightgbm() -> Any:
    """The library. It finds the OpenMP library of torch where the system has none."""
    import lightgbm as library
    import torch  # noqa: F401  # loaded first, for its OpenMP library

    return library


def save_trees(trees: Mapping[str, TreeRanker], folder: Path) -> None:
    """Write the trees of each task."""
    for task, of_task in trees.items():
        (folder / TREES.format(task=task)).write_text(f"{of_task.places}\n{of_task.model}", "utf-8")


def load_trees(folder: Path) -> dict[str, TreeRanker]:
    """Read them back: task -> trees; nothing of a task whose candidates stay in the linear order.

    Raises:
        ArtifactError: a file is damaged.
    """
    before, after = TREES.split("{task}")
    trees = {}
    for path in sorted(folder.glob(TREES.format(task="*"))):
        places, _, model = path.read_text("utf-8", "replace").partition("\n")
        if not places.isdigit() or not model.startswith("tree"):
            raise ArtifactError(f"The trees in {path} cannot be read; train the ranker again.")
        trees[path.name.removeprefix(before).removesuffix(after)] = TreeRanker(model, int(places))
    return trees
