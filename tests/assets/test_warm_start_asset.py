from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl

from loopback_core.listens.sample.sample_writing import EVENTS_FILE, write_sample
from loopback_core.store.artifacts import ArtifactStore

WARM = {"warm_start": True}


def test_a_retrain_on_a_grown_log_begins_with_the_bundle_in_service_and_an_unchanged_one_is_reused(
    tmp_path: Path, materialize: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    write_sample(tmp_path / "log", events=10_000, users=60, seed=0)
    log = pl.read_csv(tmp_path / "log" / EVENTS_FILE, separator="\t", quote_char=None, has_header=False)
    log = log.sort("column_2")
    source, home = tmp_path / "plays.tsv", tmp_path / "home"
    store = ArtifactStore(home)

    def retrain(listens: int) -> bool:
        log.head(listens).write_csv(source, separator="\t", include_header=False, quote_style="never")
        return materialize(home, "*bundle", source={"name": str(source)}, training=WARM).success

    assert retrain(9_800)
    first, bundle = store.latest("trained_towers"), store.latest("bundle")
    assert not first.summary["is_warm"]

    assert retrain(10_000)
    second = store.latest("trained_towers")
    assert second.summary["is_warm"] and second.manifest["settings"]["begins_with"] == bundle.version
    assert second.summary["epochs"] == 1 and first.summary["epochs"] == 3
    assert second.summary["vocabulary"]["n_tracks"] >= first.summary["vocabulary"]["n_tracks"]

    assert retrain(10_000)
    assert store.latest("trained_towers") == second
