import json

import pytest

from loopback_core.checks import CHECKS, Check, Verdict, judge, refuse_failed
from loopback_core.checks import registry as module
from loopback_core.errors import ArtifactError
from loopback_core.settings import ChecksSettings, Settings


def with_checks(**checks):
    return Settings(checks=ChecksSettings(**checks))


@pytest.fixture
def listens(chain):
    return chain.copy("interactions")


def checks_of_interactions(monkeypatch, *predicates):
    checks = tuple(Check("interactions", predicate.__name__, predicate) for predicate in predicates)
    monkeypatch.setitem(module.CHECKS, "interactions", checks)
    return checks


def passes(artifact, store, settings):
    """Always right."""
    return Verdict(True, "it is so")


def fails(artifact, store, settings):
    """Never right."""
    return Verdict(False, "it is not so", {"offenders": 3})


def test_every_asset_has_checks_and_every_check_a_description():
    assert list(CHECKS) == [
        "raw_listens",
        "interactions",
        "temporal_splits",
        "baselines",
        "trained_towers",
        "track_embeddings",
        "faiss_index",
        "evaluation",
        "ablation",
    ]
    assert {asset: [check.name for check in checks] for asset, checks in CHECKS.items()} == {
        "raw_listens": ["files_intact", "source_unchanged"],
        "interactions": ["files_intact", "reject_share", "listens_valid"],
        "temporal_splits": ["files_intact", "split_counts", "no_time_leakage", "ids_in_catalog"],
        "baselines": ["files_intact", "lists_valid", "baselines_tuned"],
        "trained_towers": ["files_intact", "loss_falls", "weights_load"],
        "track_embeddings": ["files_intact", "embeddings_healthy"],
        "faiss_index": ["files_intact", "index_size", "index_recall"],
        "evaluation": [
            "files_intact",
            "recall_floor",
            "beats_popularity",
            "evaluation_users",
            "metrics_sane",
            "random_agrees",
            "beats_rival_discovery",
            "beats_rival_next_listen",
            "beats_rival_cold_start",
            "beats_rival_new_users",
        ],
        "ablation": ["files_intact", "losses_finite", "recipe_holds"],
    }
    assert all(check.description and check.asset == asset for asset, checks in CHECKS.items() for check in checks)


def test_every_check_passes_on_a_sound_chain(trained, settings):
    failed = [
        (asset, check.name, verdict.sentence)
        for asset, checks in CHECKS.items()
        for check in checks
        if not (verdict := judge(check, trained.sound[asset], trained.store, settings)).passed
    ]
    assert failed == []


def test_a_verdict_is_recorded_with_its_thresholds(chain, listens, monkeypatch):
    (check,) = checks_of_interactions(monkeypatch, fails)
    judge(check, listens, chain.store, with_checks(max_reject_share=0.5))
    recorded = listens.verdicts()["fails"]
    assert recorded["thresholds"]["max_reject_share"] == 0.5
    assert (recorded["passed"], recorded["sentence"], recorded["facts"]) == (False, "it is not so", {"offenders": 3})


def test_a_check_that_cannot_read_its_files_has_failed(chain, listens, settings):
    (listens.folder / "rejects.parquet").unlink()
    verdict = chain.verdict("reject_share", listens)
    assert not verdict.passed
    assert verdict.sentence.startswith(f"{listens} cannot be read: ")
    assert not listens.verdicts()["reject_share"]["passed"]


def test_checks_without_a_verdict_are_run_before_anything_is_built(chain, listens, settings):
    assert listens.verdicts() == {}
    refuse_failed(listens, chain.store, settings)
    assert {name: verdict["passed"] for name, verdict in listens.verdicts().items()} == {
        "files_intact": True,
        "reject_share": True,
        "listens_valid": True,
    }


def test_an_artifact_that_failed_a_check_is_refused_with_the_reason(chain, listens, settings, monkeypatch):
    check, _ = checks_of_interactions(monkeypatch, fails, passes)
    judge(check, listens, chain.store, settings)
    with pytest.raises(ArtifactError) as refused:
        refuse_failed(listens, chain.store, settings)
    assert str(refused.value) == (
        f"{listens} failed its check fails, so nothing is built on it: it is not so. "
        "Put that right and materialize interactions again, or change the threshold in [checks]."
    )


def test_a_warning_refuses_nothing(chain, listens, settings, monkeypatch):
    warning = Check("interactions", "fails", fails, blocking=False)
    monkeypatch.setitem(module.CHECKS, "interactions", (warning,))
    assert not judge(warning, listens, chain.store, settings).passed
    refuse_failed(listens, chain.store, settings)


def test_an_artifact_never_checked_that_would_fail_is_refused(chain, listens, settings):
    (listens.folder / "rejects.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError, match="failed its check files_intact"):
        refuse_failed(listens, chain.store, settings)


def test_a_recorded_verdict_counts_while_its_thresholds_hold(chain, listens, settings, monkeypatch):
    (check,) = checks_of_interactions(monkeypatch, passes)
    judge(check, listens, chain.store, settings)

    def asked_again(artifact, store, settings):
        raise AssertionError("a recorded verdict is not judged again")

    monkeypatch.setitem(module.CHECKS, "interactions", (Check("interactions", "passes", asked_again),))
    refuse_failed(listens, chain.store, settings)
    with pytest.raises(ArtifactError, match="not judged again"):
        refuse_failed(listens, chain.store, with_checks(max_reject_share=0.9))


def test_other_thresholds_are_judged_anew_both_ways(chain, listens):
    strict, lax = with_checks(max_reject_share=0.01), with_checks(max_reject_share=0.5)
    refuse_failed(listens, chain.store, lax)
    with pytest.raises(ArtifactError, match="reject_share"):
        refuse_failed(listens, chain.store, strict)
    refuse_failed(listens, chain.store, lax)


def test_damaged_verdicts_are_judged_anew(chain, listens, settings):
    (listens.folder / "checks.json").write_text('{"files_intact": {"pas')
    refuse_failed(listens, chain.store, settings)
    assert set(json.loads((listens.folder / "checks.json").read_text())) == {
        "files_intact",
        "reject_share",
        "listens_valid",
    }
