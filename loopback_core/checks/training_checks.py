"""The trained towers: a loss that is finite and falls, weights that can be loaded."""

import json
import math

from loopback_core.checks.check import Verdict
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


def loss_falls(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The training loss is finite in every epoch, and lower in the last than in the first."""
    history = json.loads((artifact.folder / "history.json").read_text("utf-8"))
    losses = [epoch["loss"] for epoch in history["epochs"]]
    shown = [loss if math.isfinite(loss) else None for loss in (losses[0], losses[-1])]  # JSON has no NaN
    facts = {"first_loss": shown[0], "last_loss": shown[1], "epochs": len(losses)}
    bad = [number for number, loss in enumerate(losses, 1) if not math.isfinite(loss)]
    if bad:
        return Verdict(False, f"the loss of epoch {bad[0]} is not finite", facts)
    if len(losses) > 1 and losses[-1] >= losses[0]:
        return Verdict(
            False, f"the loss rose from {losses[0]:.4f} to {losses[-1]:.4f}: lower the learning rates", facts
        )
    return Verdict(True, f"the loss went from {losses[0]:.4f} to {losses[-1]:.4f}", facts)


def weights_load(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The weights can be loaded, are finite, and have a row for every id of train."""
    import numpy as np
    import torch

    from loopback_core.ranking.relations import Relations
    from loopback_core.splits import Splits
    from loopback_core.towers.two_tower import TwoTower

    model, relations = TwoTower.load(artifact.folder), Relations.load(artifact.folder)
    broken = [name for name, tensor in model.state_dict().items() if not bool(torch.isfinite(tensor).all())]
    broken += [name for name, values in relations.arrays().items() if not np.isfinite(values).all()]
    splits = Splits(store.upstream(artifact, "temporal_splits").folder)
    catalog = (splits.testing if artifact.summary["refit"] else splits.tuning).catalog
    wrong = [f"{name} has values that are not finite" for name in broken]
    rows = (model.vocabulary.n_users, model.vocabulary.n_tracks, model.vocabulary.n_artists)
    if rows != (catalog.n_users, catalog.n_tracks, catalog.n_artists):
        wrong.append("the weights were made for another catalog")
    facts = {"parameters": sum(parameter.numel() for parameter in model.parameters())}
    return Verdict(not wrong, "; ".join(wrong) or "the weights can be loaded and are finite", facts)
