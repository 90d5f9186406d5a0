"""The evaluation step of the chain: measure, put `evaluation.json` together, write the report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from loopback_core.evaluation.ablation_json import read_ablation
from loopback_core.evaluation.evaluation_document import evaluation_document
from loopback_core.evaluation.evaluation_json import Provenance, write_evaluation
from loopback_core.evaluation.measuring import Trained, measure
from loopback_core.evaluation.rolling_evaluation import REQUESTS_FILE, requests_table
from loopback_core.recommenders.baselines.baseline_lists import BaselineLists
from loopback_core.reporting.evaluation_files import copy_ablation_pictures, write_evaluation_files

if TYPE_CHECKING:
    from loopback_core.settings import Settings
    from loopback_core.splits import Splits


def run_evaluation(
    splits: Splits,
    trained: Trained,
    baselines: BaselineLists,
    settings: Settings,
    provenance: Provenance,
    folder: Path,
    ablation_folder: Path | None = None,
) -> dict[str, int]:
    """Write `evaluation.json`, the report, its pictures, `recommendations.parquet` and `requests.parquet` into `folder`.

    Returns the number of scored users by task, a summary.

    provenance: what was evaluated and what it cost. ablation_folder: an ablation that was made on the same splits.
    """
    started = time.monotonic()
    measured = measure(splits, trained, baselines, settings)
    ablation = read_ablation(ablation_folder) if ablation_folder else None
    evaluation = evaluation_document(measured, baselines.tuning, settings, provenance, ablation)
    evaluation["seconds"] = {**provenance["seconds"], "evaluation": round(time.monotonic() - started, 3)}
    write_evaluation(evaluation, folder)
    if measured.rolling:
        requests_table(measured.rolling).write_parquet(folder / REQUESTS_FILE)
    if ablation_folder:
        copy_ablation_pictures(ablation_folder, folder)
    write_evaluation_files(evaluation, measured.results, splits, trained, folder)
    return {name: task["users"] for name, task in evaluation["tasks"].items()}
