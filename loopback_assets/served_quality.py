"""What was heard of what the service showed."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import picture, result, table
from loopback_core.errors import ArtifactError
from loopback_core.listens.listen_store import ListenStore
from loopback_core.store.block_list import ever_blocked
from loopback_core.store.served_pointer import ASSET


@stage_asset("served_quality", retrained=False, group_name="serving", kinds={"polars"})
def served_quality(step: Step) -> dg.MaterializeResult[Any]:
    """The log of answers joined with the listens that came afterwards: hit rates by task, bundle, place and day.

    Listens are those of the newest interactions and those that the service received since. A sample of the answers is made once
    more as the evaluation makes lists, so that a service that shows something else is noticed.
    """
    from loopback_core.served_quality.answer_log import AnswerLog
    from loopback_core.served_quality.measure_served import HITS_PICTURE
    from loopback_core.served_quality.served_quality_json import read_served_quality
    from loopback_core.serving.replaying import measure_answers

    interactions, blocks = step.sound("interactions"), ever_blocked(step.store)
    with ExitStack() as opened:
        if (log := AnswerLog.existing(step.store.home)) is not None:
            opened.callback(log.close)
        if (store := ListenStore.existing(step.store.home)) is not None:
            opened.callback(store.close)
        bundles = {} if log is None else _readable(step, log.bundles())
        seen = {
            "answers": None if log is None else log.version(),
            "listens": None if store is None else store.version(),
            "bundles": sorted(bundles),
            "blocked": [asdict(one) for one in blocks],
        }

        def make(folder: Path) -> dict[str, Any]:
            listens = interactions.folder / "interactions.parquet"
            return {**measure_answers(log, bundles, listens, store, blocks, step.settings, folder)}

        artifact, reused = step.publish("served_quality", make, upstream=[interactions], extra_settings=seen)
    quality, drawn = read_served_quality(artifact.folder), artifact.folder / HITS_PICTURE
    return result(
        artifact,
        reused=reused,
        sentences=dg.MetadataValue.md("\n\n".join(quality["sentences"])),
        **quality["answers"],
        **({"rates": table([dict(one) for one in quality["rates"]])} if quality["rates"] else {}),
        **({"positions": table([dict(one) for one in quality["positions"]])} if quality["positions"] else {}),
        **({"splits": table([dict(one) for one in quality["splits"]])} if quality["splits"] else {}),
        **({"picture": picture(drawn)} if drawn.exists() else {}),
    )


def _readable(step: Step, versions: list[str]) -> dict[str, Path]:
    """The folders of those bundles that are still there and whole.

    They are verified and not kept among what the artifact was made from: for its sake no bundle has to stay in the home.
    """
    folders = {}
    for version in versions:
        try:
            bundle = step.store.get(ASSET, version)
            bundle.verify()
        except ArtifactError:
            continue
        folders[version] = bundle.folder
    return folders
