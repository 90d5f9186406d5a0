"""Weeks of a log that grows, one of them poisoned: each is trained on from the bundle in service, and judged against it."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from loopback_core.drift.drift_json import read_drift
from loopback_core.listens.sample.sample_writing import EVENTS_FILE, write_sample
from loopback_core.promotion.promotion_json import PromotionJson, read_promotion
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.deployments import deployments
from loopback_core.store.served_pointer import served_version

LISTENS = 10_000

COLUMNS = ["user", "time", "artist_mbid", "artist", "track_mbid", "track"]


def test_a_poisoned_week_is_kept_back_and_the_sound_ones_are_promoted(
    tmp_path: Path, materialize: Callable[..., dg.ExecuteInProcessResult], caplog: pytest.LogCaptureFixture
) -> None:
    write_sample(tmp_path / "log", events=LISTENS, users=60, seed=0)
    path = tmp_path / "log" / EVENTS_FILE
    log = pl.read_csv(path, separator="\t", quote_char=None, has_header=False, new_columns=COLUMNS).sort("time")
    source, home = tmp_path / "plays.tsv", tmp_path / "home"
    store = ArtifactStore(home)

    def week(listens: pl.DataFrame) -> PromotionJson:
        listens.write_csv(source, separator="\t", include_header=False, quote_style="never")
        run = materialize(
            home,
            "*promotion",
            source={"name": str(source)},
            training={"warm_start": True},
            promotion={"margin": 0.5},
            ranking={"ranker": "none", "requests": 100},
            evaluation={"baselines": ["recent_artist"], "moments": 0},
        )
        assert run.success
        return read_promotion(store.latest("promotion").folder)

    week(log.head(LISTENS - 600))
    first, towers = served_version(store), store.latest("trained_towers")
    assert first is not None and not towers.summary["is_warm"]

    users = log["user"].head(LISTENS - 300).sample(fraction=1, shuffle=True, seed=0)
    poisoned = week(log.head(LISTENS - 300).with_columns(user=users))
    assert (poisoned["decision"], served_version(store)) == ("quarantine", first)
    assert "the data cannot be trusted" in poisoned["sentence"] and "--reason TEXT" in poisoned["sentence"]

    sound = week(log)
    assert (sound["decision"], sound["champion"]) == ("promote", first), sound["sentence"]
    drift = read_drift(store.latest("drift").folder)
    assert drift["past"] == [] and drift["models"] is not None  # the poisoned week says nothing of others
    assert [one["version"] for one in deployments(store)] == [first, store.latest("bundle").version]
    warm = store.latest("trained_towers")
    assert warm.summary["is_warm"] and warm.manifest["settings"]["begins_with"] == first
    assert store.latest("trained_ranker").summary["is_warm"]  # the linear score begins with the champion's too
    assert "around the earlier weights" in caplog.text
    assert warm.summary["epochs"] == 1 and towers.summary["epochs"] == 3
    assert warm.summary["vocabulary"]["n_tracks"] >= towers.summary["vocabulary"]["n_tracks"]

    again = week(log)
    assert again["sentence"] == "This bundle is served already." and store.latest("trained_towers") == warm
