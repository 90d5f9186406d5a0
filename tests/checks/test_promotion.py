import json

import pytest

from loopback_core.checks.promotion_checks import challenger_promoted, costs_as_before
from loopback_core.promotion.judging import unjudged
from loopback_core.promotion.promotion_json import write_promotion
from loopback_core.settings import Settings
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.sealed_json import read_sealed, write_sealed


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")


def publish(store, asset, week, upstream, make=lambda folder: {}, **costs):
    artifact, _ = store.build(asset, make, upstream=upstream, settings={"week": week}, code="")
    path = artifact.folder / "manifest.json"
    write_sealed(path, {**read_sealed(path), **costs})
    return artifact


def retrain(store, week, seconds, megabytes):
    """A bundle whose towers took so long."""
    towers = publish(store, "trained_towers", week, {}, seconds=seconds, peak_rss_mb=megabytes)
    return publish(store, "bundle", week, {"trained_towers": towers.version}, seconds=1.0, peak_rss_mb=10.0)


def judged(store, champion, challenger, decision="promote"):
    def make(folder):
        write_promotion(unjudged(decision, "Because.", challenger.version, champion and champion.version), folder)
        return {}

    return publish(store, "promotion", challenger.version, {"bundle": challenger.version}, make)


def test_a_stage_that_took_much_more_than_before_is_named(store):
    before = retrain(store, 0, 100.0, 1000.0)
    same, slow, large = (
        retrain(store, 1, 290.0, 1490.0),
        retrain(store, 2, 310.0, 900.0),
        retrain(store, 3, 90.0, 1600.0),
    )
    verdict = costs_as_before(judged(store, before, same), store, Settings())
    assert verdict.passed and verdict.facts["trained_towers seconds"] == 290.0
    verdict = costs_as_before(judged(store, before, slow), store, Settings())
    assert not verdict.passed and verdict.sentence == "trained_towers: 310 seconds instead of 100"
    verdict = costs_as_before(judged(store, before, large), store, Settings())
    assert not verdict.passed and verdict.sentence == "trained_towers: 1,600 peak_rss_mb instead of 1,000"


def test_what_takes_little_may_grow_and_the_first_bundle_is_compared_with_nothing(store):
    before, after = retrain(store, 0, 1.0, 10.0), retrain(store, 1, 80.0, 700.0)
    assert costs_as_before(judged(store, before, after), store, Settings()).passed
    assert costs_as_before(judged(store, None, after), store, Settings()).passed


@pytest.mark.parametrize(("decision", "passed"), [("promote", True), ("keep", False), ("quarantine", False)])
def test_the_verdict_is_the_check(store, decision, passed):
    before, after = retrain(store, 0, 1.0, 10.0), retrain(store, 1, 1.0, 10.0)
    verdict = challenger_promoted(judged(store, before, after, decision), store, Settings())
    assert (verdict.passed, verdict.sentence) == (passed, "Because.")
    assert json.dumps(dict(verdict.facts))
