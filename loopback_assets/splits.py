"""The asset of train, validation, test and their catalogs."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import columns, result, table


@stage_asset(
    "temporal_splits",
    group_name="splits",
    kinds={"polars", "parquet"},
    metadata={
        "dagster/column_schema": columns(
            user="int32: Dense id of the user; users.parquet has the name.",
            track="int32: Dense id of the track; those of train come first, then those of validation, then of test.",
            timestamp="datetime[us, UTC]: When the listen began.",
        )
    },
)
def temporal_splits(step: Step) -> dg.MaterializeResult[Any]:
    """The log cut by time into train, validation and test, with the catalogs known at the end of train and of both."""
    from loopback_core.splits import SplitSummary, split_listens

    listens, settings = step.sound("interactions"), step.settings.split

    def make(folder: Path) -> dict[str, Any]:
        return asdict(split_listens(listens.folder, folder, settings))

    artifact, reused = step.publish("temporal_splits", make, upstream=[listens])
    summary = SplitSummary(**artifact.summary)
    rows = [
        {
            "part": part,
            "events": summary.events[part],
            "users": summary.users[part],
            "tracks first heard": summary.tracks[part],
            "artists first heard": summary.artists[part],
            "from": _minute(summary.first[part]),
            "to": _minute(summary.last[part]),
        }
        for part in summary.events
    ]
    return result(
        artifact,
        reused=reused,
        **{"dagster/row_count": sum(summary.events.values())},
        strategy=summary.strategy,
        parts=table(rows),
        **{f"{part}_events": events for part, events in summary.events.items()},
        held_out_events=summary.held_out,
    )


def _minute(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
