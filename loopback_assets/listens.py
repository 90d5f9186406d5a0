"""The assets of the raw log and of the clean listens."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.stage_asset import stage_asset
from loopback_assets.step import Step
from loopback_assets.ui import column_schema, columns, result, table
from loopback_core.listens.schema import Listen

LISTED_LEFT_OUT = 100


@stage_asset(
    "raw_listens",
    group_name="listens",
    kinds={"file"},
    retry_policy=dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL),
    metadata={
        "dagster/column_schema": columns(
            user_id="string: Who listened.",
            timestamp="string: When, ISO 8601.",
            artist_mbid="string: MusicBrainz id of the artist, often missing.",
            artist_name="string: Artist as written in the log.",
            track_mbid="string: MusicBrainz id of the recording, often missing.",
            track_name="string: Title as written in the log.",
        )
    },
)
def raw_listens(step: Step) -> dg.MaterializeResult[Any]:
    """The raw log: generated, downloaded, or found at the path or the address in LOOPBACK_SOURCE; and what was served since."""
    from loopback_core.listens.raw import publish_raw, raw_summary

    artifact, reused = publish_raw(step.store, step.settings.source)
    summary = raw_summary(artifact)
    return result(
        artifact,
        reused=reused,
        source=summary.name,
        files=table([{"file": file.path, "bytes": file.bytes} for file in summary.files]),
        bytes=sum(file.bytes for file in summary.files),
        **({"left_out": table(_left_out(summary.left_out))} if summary.left_out else {}),
        **({"served_listens": served.listens, "erased_users": served.erased} if (served := summary.served) else {}),
    )


def _left_out(reasons: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"file": name, "reason": reason} for name, reason in list(reasons.items())[:LISTED_LEFT_OUT]]


@stage_asset(
    "interactions",
    group_name="listens",
    kinds={"polars", "parquet"},
    metadata={"dagster/column_schema": column_schema(Listen)},
)
def interactions(step: Step) -> dg.MaterializeResult[Any]:
    """Clean, typed, validated listens; every rejected row is kept with its line number and the reason.

    Of the rows of erased users only line number and reason are kept.
    """
    from loopback_core.listens.ingest import ingest
    from loopback_core.listens.raw import log_of

    raw, source = step.sound("raw_listens"), step.settings.source
    log = log_of(raw)

    def make(folder: Path) -> dict[str, Any]:
        return asdict(ingest(log, folder, source, kept=step.store.kept("interactions")))

    last_moment = {} if source.latest else {"last_moment": log.last_moment.isoformat()}
    artifact, reused = step.publish("interactions", make, upstream=[raw], extra_settings=last_moment)
    summary = artifact.summary
    return result(
        artifact,
        reused=reused,
        **{"dagster/row_count": summary["kept"]},
        rows_read=summary["rows"],
        reject_share=float(summary["reject_share"]),
        rejected=table([{"reason": reason, "rows": rows} for reason, rows in summary["rejected"].items()]),
        users=summary["users"],
        tracks=summary["tracks"],
        artists=summary["artists"],
        first_listen=summary["first_timestamp"],
        last_listen=summary["last_timestamp"],
        users_with_profile=summary["profiles"],
        odd_profile_values=summary["odd_profile_values"],
    )
