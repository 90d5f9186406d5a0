"""Track vectors and the index over them."""

from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import columns, result


@stage_asset("track_embeddings", group_name="retrieval", kinds={"pytorch", "numpy"})
def track_embeddings(step: Step) -> dg.MaterializeResult[Any]:
    """One L2-normalised float32 vector per catalog track, row i for track i."""
    from loopback_core.recommenders.build_retrieval import embed_catalog
    from loopback_core.splits import Splits

    towers = step.sound("trained_towers")
    splits = Splits(step.upstream(towers, "temporal_splits").folder)

    def make(folder: Path) -> dict[str, Any]:
        return embed_catalog(splits, towers.folder, folder, step.settings.index.shards, step.scratch(folder))

    artifact, reused = step.publish("track_embeddings", make, upstream=[towers])
    summary = artifact.summary
    return result(
        artifact,
        reused=reused,
        **{"dagster/row_count": summary["tracks"]},
        dimension=summary["dimension"],
        unknown_tracks=summary["unknown_tracks"],
    )


@stage_asset(
    "faiss_index",
    group_name="retrieval",
    kinds={"faiss"},
    metadata={
        "dagster/column_schema": columns(
            track="int32: Position in the index and dense id of the track.",
            artist_name="string: Artist of the track.",
            track_name="string: Title of the track.",
        )
    },
)
def faiss_index(step: Step) -> dg.MaterializeResult[Any]:
    """The nearest-neighbour index over the track vectors, its recall measured on real user vectors, and its id map."""
    from loopback_core.recommenders.build_retrieval import index_catalog
    from loopback_core.splits import Splits

    vectors, settings = step.sound("track_embeddings"), step.settings.index
    splits = Splits(step.upstream(vectors, "temporal_splits").folder)
    towers = step.upstream(vectors, "trained_towers")

    def make(folder: Path) -> dict[str, Any]:
        checkpoints = step.scratch(folder)
        return index_catalog(splits, towers.folder, vectors.folder, settings, folder, checkpoints)

    artifact, reused = step.publish("faiss_index", make, upstream=[vectors])
    summary = artifact.summary
    return result(
        artifact,
        reused=reused,
        **{"dagster/row_count": summary["tracks"], "recall@100": float(summary["recall@100"])},
        kind=summary["kind"],
        index_bytes=summary["bytes"],
        why=" ".join(summary["reasons"]),
    )
