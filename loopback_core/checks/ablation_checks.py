"""The ablation: did every training stay finite, and is the recipe still the best of its own choices?"""

import json
import math
from typing import Any

from loopback_core.checks.check import Verdict
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.tasks.metrics import MAIN_METRIC


def losses_finite(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every training of every choice ended, with a finite loss in each epoch."""
    rows = _content(artifact)["rows"]
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
    """No choice beats what `default` serves by nDCG@10 in a task, with its paired interval above zero."""
    better, compared = [], 0
    for row in _content(artifact)["rows"]:
        for task, paired in row["paired"].items():
            found = paired.get("served", {}).get(MAIN_METRIC)
            compared += found is not None
            if found and (found["low"] or 0) > 0:
                interval = f"{found['difference']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"
                better.append(f"{row['choice']} in {task} ({interval})")
    sentence = f"better than the recipe on validation: {'; '.join(better)}"
    good = f"none of {compared} comparisons is won against the recipe"
    return Verdict(not better, sentence if better else good, {"compared": compared, "better": len(better)})


def _content(artifact: Artifact) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((artifact.folder / "ablation.json").read_text("utf-8"))
    return content
