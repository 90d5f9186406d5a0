"""Listens that the service received, and users who were erased, in the graph."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.received import ReceivedListen
from loopback_core.store.artifacts import ArtifactStore

Materialize = Callable[..., dg.ExecuteInProcessResult]

MAY = datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC)
LOG = "".join(f"{user}\t2009-05-0{day}T23:08:57Z\t\tAir\t\tMer\n" for user in ("ann", "bob") for day in range(1, 6))


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_the_next_run_reads_what_was_received_and_leaves_out_who_was_erased(
    tmp_path: Path, materialize: Materialize
) -> None:
    home, source = tmp_path / "home", {"name": str(tmp_path / "log.tsv")}
    (tmp_path / "log.tsv").write_text(LOG)
    first = materialize(home, "*interactions", source=source)
    assert first.success and "served_listens" not in shown(first, "raw_listens")
    before = {asset: ArtifactStore(home).latest(asset) for asset in ("raw_listens", "interactions")}
    with ListenStore.open(home) as listens:
        listens.add([ReceivedListen("cyd", "Can", "Vitamin C", MAY)])
        assert listens.erase("ann") == 0  # half of the log, far above checks.max_reject_share
    second = materialize(home, "*interactions", source=source)
    assert second.success
    assert (shown(second, "raw_listens")["served_listens"], shown(second, "raw_listens")["erased_users"]) == (1, 1)
    made = ArtifactStore(home).latest("interactions")
    assert set(pl.read_parquet(made.folder / "interactions.parquet")["user_id"]) == {"bob", "cyd"}
    assert (made.summary["rows"], made.summary["kept"], made.summary["reject_share"]) == (11, 6, 0.0)
    assert {reason: rows for reason, rows in made.summary["rejected"].items() if rows} == {"erased user": 5}
    assert made.version != before["interactions"].version
    third = materialize(home, "*interactions", source=source)
    assert third.success and ArtifactStore(home).latest("interactions").version == made.version
    assert shown(third, "interactions")["reused"]
