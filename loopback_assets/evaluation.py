"""The report."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import columns, picture, result, table
from loopback_core.errors import ArtifactError
from loopback_core.settings import Settings
from loopback_core.stages import CHAIN
from loopback_core.store.artifacts import Artifact

if TYPE_CHECKING:
    from loopback_core.evaluation.evaluation_json import Provenance

log = logging.getLogger("loopback")


@stage_asset(
    "evaluation",
    group_name="evaluation",
    kinds={"numpy", "markdown"},
    metadata={
        "dagster/column_schema": columns(
            task="string: Task of the report.",
            recommender="string: Recommender.",
            user_id="string: User.",
            rank="int32: Place in the list, from 1.",
            artist_name="string: Artist of the track.",
            track_name="string: Title of the track.",
            score="float32: Score by which the recommender ranked it.",
        )
    },
)
def evaluation(step: Step) -> dg.MaterializeResult[Any]:
    """The towers and every baseline on the held-out future: tables, plots, recommendations, and how to read them."""
    from loopback_core.evaluation.beyond_accuracy import BEYOND_ACCURACY
    from loopback_core.evaluation.evaluation_json import read_evaluation
    from loopback_core.evaluation.outcome import against_rivals
    from loopback_core.recommenders.lists import SERVED
    from loopback_core.reporting.report import metric_rows
    from loopback_core.tasks.metrics import MAIN_METRIC

    artifact, reused = _evaluate(step)
    evaluation = read_evaluation(artifact.folder)
    log.info("The report: %s", artifact.folder / "report.html")
    ks = evaluation["settings"]["evaluation"]["ks"]
    names = [f"{metric}@{k}" for metric in ("ndcg", "recall", "hit_rate", "precision") for k in ks]
    drawn_over_runs = [*names, *(f"{metric}@{ks[0]}" for metric in BEYOND_ACCURACY)]
    numbers = {
        f"{task}/{metric}": float(mean["value"])
        for task, measured in evaluation["tasks"].items()
        for metric, mean in (measured["recommenders"][SERVED] or {}).items()
        if metric in drawn_over_runs and mean["value"] is not None
    }
    against_rival = {
        f"{one.task}/{MAIN_METRIC} above rival": one.comparison["difference"]
        for one in against_rivals(evaluation)
        if one.comparison is not None
    }
    pictures = sorted(artifact.folder.glob("*.png"))
    return result(
        artifact,
        reused=reused,
        report=dg.MetadataValue.path(artifact.folder / "report.html"),
        **{f"{task} table": table(metric_rows(measured, names)) for task, measured in evaluation["tasks"].items()},
        **{path.stem: picture(path) for path in pictures},
        **numbers,
        **against_rival,
        text=dg.MetadataValue.md(_without_pictures((artifact.folder / "report.md").read_text("utf-8"))),
    )


def _evaluate(step: Step) -> tuple[Artifact, bool]:
    from loopback_core.evaluation.measuring import Trained
    from loopback_core.recommenders.baselines.baseline_lists import BaselineLists
    from loopback_core.recommenders.bundle import Bundle
    from loopback_core.reporting.run_evaluation import run_evaluation
    from loopback_core.splits import Splits

    # The manifest of the newest index leads to the versions upstream: two sources or presets in a home do not mix.
    index = step.sound("faiss_index")
    beside = ("trained_ranker", "baselines")
    above = [asset for asset in CHAIN if asset not in (*beside, "faiss_index", "evaluation")]
    chain = {asset: step.upstream(index, asset) for asset in above} | {"faiss_index": index}
    chain["trained_ranker"] = step.sibling("trained_ranker", chain["trained_towers"])
    chain["baselines"] = step.sibling("baselines", chain["temporal_splits"])
    presets, ablation, settings = _other_presets(step, chain), _ablation(step, chain), step.settings

    def make(folder: Path) -> dict[str, int]:
        splits = Splits(chain["temporal_splits"].folder)
        parts = ("trained_towers", "trained_ranker", "track_embeddings", "faiss_index")
        bundle = Bundle.load(splits, *(chain[asset].folder for asset in parts))
        trained = Trained(
            bundle,
            index.summary["recall@100"],
            json.loads((chain["trained_towers"].folder / "history.json").read_text("utf-8"))["epochs"],
            {name: (towers.folder, ranker.folder) for name, (towers, ranker) in presets.items()},
        )
        return run_evaluation(
            splits,
            trained,
            BaselineLists(chain["baselines"].folder),
            settings,
            _provenance(chain, presets, settings),
            folder,
            ablation.folder if ablation else None,
        )

    extra_settings = {
        "presets": {name: [towers.version, ranker.version] for name, (towers, ranker) in presets.items()},
        "ablation": ablation.version if ablation else None,
    }
    return step.publish(
        "evaluation", make, upstream=[index, *(chain[asset] for asset in beside)], extra_settings=extra_settings
    )


def _ablation(step: Step, chain: dict[str, Artifact]) -> Artifact | None:
    """The newest ablation on the same splits whose checks passed, if there is one."""
    for artifact in reversed(step.store.all_made_from("ablation", chain["temporal_splits"])):
        return artifact if _are_sound(step, artifact) else None
    return None


def _are_sound(step: Step, *artifacts: Artifact) -> bool:
    """Whether they are whole and passed their checks; otherwise the log names the first that is not."""
    try:
        for artifact in artifacts:
            step.require(artifact)
    except ArtifactError as error:
        log.warning("left out of the report: %s", error)
        return False
    return True


def _other_presets(step: Step, chain: dict[str, Artifact]) -> dict[str, tuple[Artifact, Artifact]]:
    """The newest towers of every other preset from the same splits, with their ranker.

    Those with a failed check are left out and logged, and those without a ranker.
    """
    from loopback_core.reporting.safe_text import preset_ids

    newest = {
        one.summary["preset"]: one for one in step.store.all_made_from("trained_towers", chain["temporal_splits"])
    }
    newest.pop(chain["trained_towers"].summary["preset"], None)
    found = {}
    for preset, name in sorted(preset_ids(newest).items(), key=lambda pair: pair[1]):
        towers = newest[preset]
        rankers = step.store.all_made_from("trained_ranker", towers)
        if not rankers:
            log.warning("left out of the report: %s has no trained_ranker; materialize it with its preset", towers)
        elif _are_sound(step, towers, rankers[-1]):
            found[name] = (towers, rankers[-1])
    return found


def _provenance(
    chain: dict[str, Artifact], presets: dict[str, tuple[Artifact, Artifact]], settings: Settings
) -> "Provenance":
    """The provenance of the numbers in `evaluation.json`; `settings` fills in what no artifact depends on."""
    listens, splits, towers = (chain[asset].summary for asset in ("interactions", "temporal_splits", "trained_towers"))
    used = {asset: _without_threads(artifact.manifest["settings"]) for asset, artifact in chain.items()}
    return {
        "source": {
            "name": chain["raw_listens"].summary["name"],
            "events": listens["kept"],
            "users": listens["users"],
            "tracks": listens["tracks"],
            "artists": listens["artists"],
        },
        "split": {
            "strategy": splits["strategy"],
            "train": splits["events"]["train"],
            "validation": splits["events"]["validation"],
            "test": splits["events"]["test"],
        },
        "preset": towers["preset"],
        "seed": towers["seed"],
        "search": towers["search"],
        "refining": chain["trained_ranker"].summary["refining"],
        "correctors": chain["trained_ranker"].summary["correctors"],
        "presets": {
            name: {"version": towers.version, "seed": towers.summary["seed"]} for name, (towers, _) in presets.items()
        },
        "settings": {
            "source": {
                **settings.source.model_dump(mode="json"),
                **used["raw_listens"],
                **used["interactions"],
            },
            "split": used["temporal_splits"],
            **towers["settings"],  # with what a search chose
            **chain["trained_ranker"].summary["settings"],
            "index": used["faiss_index"],
            "evaluation": {**settings.evaluation.model_dump(mode="json"), **used["baselines"]},
        },
        "versions": {asset: artifact.version for asset, artifact in chain.items()},
        "seconds": {asset: artifact.manifest["seconds"] for asset, artifact in chain.items()},
        "peak_rss_mb": {asset: artifact.manifest["peak_rss_mb"] for asset, artifact in chain.items()},
    }


def _without_threads(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a stage that a user can set."""
    return {key: value for key, value in settings.items() if key != "threads"}


def _without_pictures(report: str) -> str:
    """The report without its pictures: the UI shows those as separate metadata."""
    return "\n".join(line for line in report.splitlines() if not line.startswith("!["))
