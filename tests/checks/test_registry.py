import errno
import shutil

import pytest

from loopback_core.checks import CHECKS, Check, Verdict, judge, refuse_failed
from loopback_core.checks import registry as module
from loopback_core.errors import ArtifactError
from loopback_core.settings import ChecksSettings, Settings
from loopback_core.store.artifacts import Artifact


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
        "trained_ranker",
        "track_embeddings",
        "faiss_index",
        "evaluation",
        "bundle",
        "drift",
        "promotion",
        "served_quality",
        "ablation",
        "lineage",
    ]
    assert {asset: [check.name for check in checks] for asset, checks in CHECKS.items()} == {
        "raw_listens": ["files_intact", "source_unchanged"],
        "interactions": ["files_intact", "reject_share", "listens_valid"],
        "temporal_splits": ["files_intact", "split_counts", "no_time_leakage", "ids_in_catalog"],
        "baselines": ["files_intact", "lists_valid", "baselines_tuned"],
        "trained_towers": ["files_intact", "loss_falls", "weights_load"],
        "trained_ranker": ["files_intact", "rankers_load"],
        "track_embeddings": ["files_intact", "embeddings_healthy"],
        "faiss_index": ["files_intact", "index_size", "index_recall"],
        "evaluation": [
            "files_intact",
            "recall_floor",
            "beats_popularity",
            "evaluation_users",
            "metrics_sane",
            "random_agrees",
            "features_cost",
            "beats_rival_discovery",
            "beats_rival_next_listen",
            "beats_rival_cold_start",
            "beats_rival_new_users",
        ],
        "bundle": ["files_intact", "canaries_answered", "ranked_as_evaluated", "refit_agrees"],
        "drift": ["files_intact", "data_is_alike", "past_is_the_same", "models_are_alike"],
        "promotion": ["files_intact", "challenger_promoted", "costs_as_before"],
        "served_quality": ["files_intact", "served_as_evaluated"],
        "ablation": ["files_intact", "losses_finite", "recipe_holds"],
        "lineage": ["files_intact"],
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


def test_a_verdict_is_recorded_with_the_bytes_and_the_thresholds_that_it_is_about(chain, listens, monkeypatch):
    check = Check("interactions", "fails", fails, ("max_reject_share",))
    judge(check, listens, chain.store, with_checks(max_reject_share=0.5))
    recorded = listens.verdicts()["fails"]
    assert recorded["basis"] == {"digest": listens.digest, "thresholds": {"max_reject_share": 0.5}}
    assert (recorded["passed"], recorded["sentence"], recorded["facts"]) == (False, "it is not so", {"offenders": 3})


def test_a_check_of_damaged_files_has_failed_and_is_run_again_once_they_are_whole(chain, listens, settings):
    path = listens.folder / "rejects.parquet"
    sound = path.read_bytes()
    path.unlink()
    verdict = chain.verdict("reject_share", listens)
    assert not verdict.passed
    assert verdict.sentence.startswith(f"{listens} is damaged (rejects.parquet: missing); delete the folder ")
    assert listens.verdicts() == {}
    path.write_bytes(sound)
    refuse_failed(listens, chain.store, settings)


@pytest.mark.parametrize("error", [MemoryError("0 bytes left"), OSError(5, "Input/output error"), KeyError("rows")])
def test_a_check_that_could_not_be_run_has_failed_this_time_only(chain, listens, settings, monkeypatch, error):
    errors = [error]

    def flaky(artifact, store, settings):
        if errors:
            raise errors.pop()
        return Verdict(True, "it is so")

    checks_of_interactions(monkeypatch, flaky)
    with pytest.raises(ArtifactError, match=f"flaky could not be run on {listens}: {type(error).__name__}: "):
        refuse_failed(listens, chain.store, settings)
    assert listens.verdicts() == {}
    refuse_failed(listens, chain.store, settings)


def test_checks_without_a_verdict_are_run_before_anything_is_built(chain, listens, settings):
    assert listens.verdicts() == {}
    refuse_failed(listens, chain.store, settings)
    assert {name: verdict["passed"] for name, verdict in listens.verdicts().items()} == {
        "reject_share": True,
        "listens_valid": True,
    }


def test_a_home_that_cannot_be_written_to_only_costs_the_record(chain, listens, settings, monkeypatch):
    def read_only(self, check, verdict):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Artifact, "record_verdict", read_only)
    refuse_failed(listens, chain.store, settings)
    assert listens.verdicts() == {}


def test_an_artifact_that_failed_a_check_is_refused_with_the_reason(chain, listens, settings, monkeypatch):
    check, _ = checks_of_interactions(monkeypatch, fails, passes)
    judge(check, listens, chain.store, settings)
    with pytest.raises(ArtifactError) as refused:
        refuse_failed(listens, chain.store, settings)
    assert str(refused.value) == (
        f"{listens} failed its check fails, so nothing is built on it: it is not so. "
        "Correct the cause and materialize interactions again, or change the threshold in [checks]."
    )


def test_a_warning_refuses_nothing(chain, listens, settings, monkeypatch):
    warning = Check("interactions", "fails", fails, blocking=False)
    monkeypatch.setitem(module.CHECKS, "interactions", (warning,))
    assert not judge(warning, listens, chain.store, settings).passed
    refuse_failed(listens, chain.store, settings)


def test_damaged_files_are_refused_whatever_was_recorded(chain, listens, settings):
    refuse_failed(listens, chain.store, settings)
    (listens.folder / "rejects.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"is damaged \(rejects.parquet: 0 bytes instead of "):
        refuse_failed(listens, chain.store, settings)


def test_a_recorded_verdict_holds_for_the_thresholds_that_its_check_reads(chain, listens, monkeypatch):
    times = []

    def counted(artifact, store, settings):
        times.append(settings.checks.max_reject_share)
        return Verdict(True, "it is so")

    check = Check("interactions", "counted", counted, ("max_reject_share",))
    monkeypatch.setitem(module.CHECKS, "interactions", (check,))
    refuse_failed(listens, chain.store, with_checks(max_reject_share=0.5))
    refuse_failed(listens, chain.store, with_checks(max_reject_share=0.5, min_test_events=7))
    assert times == [0.5]
    refuse_failed(listens, chain.store, with_checks(max_reject_share=0.9))
    assert times == [0.5, 0.9]


def test_a_recorded_verdict_holds_for_the_bytes_that_were_judged(chain, listens, settings, monkeypatch):
    (check,) = checks_of_interactions(monkeypatch, passes)
    judge(check, listens, chain.store, settings)
    other = chain.spoiled("interactions", lambda folder: (folder / "rejects.parquet").write_bytes(b"other"))
    shutil.copyfile(listens.folder / "checks.json", other.folder / "checks.json")
    assert check.verdict_on_record(listens, settings).passed
    assert check.verdict_on_record(other, settings) is None


class Recorder:
    """The thresholds of a test; remembers which of them were read."""

    def __init__(self, checks):
        self._checks, self.read = checks, set()

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self._checks, name)


def test_every_check_declares_the_thresholds_that_it_reads(trained, settings):
    for check in (check for checks in CHECKS.values() for check in checks):
        recorder = Recorder(settings.checks)
        check.predicate(trained.sound[check.asset], trained.store, settings.model_copy(update={"checks": recorder}))
        assert recorder.read == set(check.thresholds), check.name


def test_other_thresholds_are_judged_anew_both_ways(chain, listens):
    strict, lax = with_checks(max_reject_share=0.01), with_checks(max_reject_share=0.5)
    refuse_failed(listens, chain.store, lax)
    with pytest.raises(ArtifactError, match="reject_share"):
        refuse_failed(listens, chain.store, strict)
    refuse_failed(listens, chain.store, lax)


@pytest.mark.parametrize("damage", ['{"reject_share": {"pas', "[]", "{}", '{"reject_share": 1}', "[" * 100_000])
def test_damaged_verdicts_are_judged_anew(chain, listens, settings, damage):
    (listens.folder / "checks.json").write_text(damage)
    refuse_failed(listens, chain.store, settings)
    assert set(listens.verdicts()) == {"reject_share", "listens_valid"}


def test_verdicts_that_are_a_folder_are_judged_anew(chain, listens, settings):
    (listens.folder / "checks.json").mkdir()
    refuse_failed(listens, chain.store, settings)
    assert set(listens.verdicts()) == {"reject_share", "listens_valid"}
