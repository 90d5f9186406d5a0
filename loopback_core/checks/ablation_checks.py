"""The ablation: did every training stay finite, and is the recipe still the best of its own choices?"""

import math

from loopback_core.checks.check import Verdict
from loopback_core.evaluation.ablation_json import read_ablation
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.tasks.metrics import MAIN_METRIC


def losses_finite(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every training of every choice ended, with a finite loss in each epoch."""
    rows = read_ablation(artifact.folder)["rows"]
    bad = [
        f"{row['choice']}, seed {run['seed']}"
        for row in rows
        for run in row["runs"]
        if run["diverged"] or not run["losses"] or not all(map(math.isfinite, run["losses"]))
    ]
    trainings = sum(len(row["runs"]) for row in rows)
    sentence = f"the loss of {'; '.join(bad)} is not finite: lower the learning rates of that choice"
    good = f"all {trainings} trainings have finite losses"
    return Verdict(not bad, sentence if bad else good, {"trainings": trainings, "diverged": len(bad)})


def recipe_holds(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """No choice has a higher served nDCG@10 than `default` in any task, with its paired interval above zero."""
    better, compared = [], 0
    for row in read_ablation(artifact.folder)["rows"]:
        for task, paired in row["paired"].items():
            comparison = paired.get("served", {}).get(MAIN_METRIC)
            if comparison is None:
                continue
            compared += 1
            if (comparison["low"] or 0) > 0:
                interval = f"{comparison['difference']:+.4f} [{comparison['low']:+.4f}, {comparison['high']:+.4f}]"
                better.append(f"{row['choice']} in {task} ({interval})")
    sentence = f"better than the recipe on validation: {'; '.join(better)}"
    good = f"no choice is above the recipe in {compared} comparisons"
    return Verdict(not better, sentence if better else good, {"compared": compared, "better": len(better)})
