"""The step of the lineage: every family under every seed, then the table, the text and the picture."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from loopback_core.ablation.kept_trainings import KeptTrainings
from loopback_core.lineage.families import PLAIN_TOWERS
from loopback_core.lineage.lineage_json import Lineage, write_lineage
from loopback_core.lineage.lineage_plot import plot_lineage
from loopback_core.lineage.lineage_rows import LINEAGE_TASKS, lineage_rows
from loopback_core.lineage.lineage_text import lineage_text
from loopback_core.lineage.measure_family import family_key, measure_family
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.store.source_code import code_digest
from loopback_core.tasks.metrics import MAIN_METRIC


def run_lineage(
    splits: Splits,
    version: str,
    bytes_digest: str,
    plan: Mapping[str, Sequence[Settings]],
    kept: Path,
    checkpoints: Path,
    folder: Path,
    verify: Callable[[], None],
) -> dict[str, int]:
    """Write `lineage.json`, `lineage.md` and `lineage.png` into `folder`; returns a summary. Test is never read.

    version: that of the splits. bytes_digest: that of their files. plan: family -> its settings, one for each seed.
    kept: a folder where each training is stored as soon as it is finished, for later runs. checkpoints: one that
    outlives a killed run. verify: raises when the splits were damaged meanwhile, before a training is kept.
    """
    code = code_digest("lineage.measure_family")  # an edit of the table must not train again
    measured, reused = KeptTrainings(kept, checkpoints, verify).load_or_make_all(
        "lineage",
        plan,
        lambda family, settings: family_key(family, settings, bytes_digest, code),
        lambda family, settings, unfinished: measure_family(family, splits, settings, unfinished),
        {task: f"{task}/{MAIN_METRIC}" for task in LINEAGE_TASKS},
    )
    first = next(iter(plan.values()))
    users, rows = lineage_rows(measured, first[0].evaluation)
    lineage: Lineage = {
        "schema": 1,
        "versions": {"temporal_splits": version},
        "plain": PLAIN_TOWERS,
        "seeds": [settings.training.seed for settings in first],
        "resamples": first[0].evaluation.resamples,
        "tracks": splits.tuning.catalog.n_tracks,
        "users": users,
        "rows": rows,
    }
    write_lineage(lineage, folder)
    plot_lineage(lineage, folder / "lineage.png")
    (folder / "lineage.md").write_text("\n\n".join(["# Lineage", *lineage_text(lineage)]) + "\n", "utf-8")
    return {"families": len(plan), "trainings": sum(map(len, plan.values())), "found": reused}
