import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from shared_run import Run

from loopback_core.promotion.promotion_json import PromotionJson, read_promotion
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.store.deployments import deploy, deployments
from loopback_core.store.served_pointer import served_bundle

Materialize = Callable[..., dg.ExecuteInProcessResult]

AS_EVALUATED = {"refit": "none"}


@pytest.fixture(scope="module")
def two_bundles(
    finished: tuple[Path, Run],
    other_seed: tuple[Path, Run],
    materialize: Materialize,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A home whose first bundle is served, and in which the chain ran again with another seed, up to a second bundle."""
    home = Path(shutil.copytree(finished[0], tmp_path_factory.mktemp("two") / "home"))
    assert materialize(home, "bundle*", bundle=AS_EVALUATED).success
    shutil.copytree(other_seed[0], home, dirs_exist_ok=True)
    assert materialize(home, "bundle", bundle=AS_EVALUATED, training={"seed": 1}).success
    return home


@pytest.fixture
def home(tmp_path: Path, two_bundles: Path) -> Path:
    return Path(shutil.copytree(two_bundles, tmp_path / "home"))


def verdict(home: Path) -> PromotionJson:
    return read_promotion(ArtifactStore(home).latest("promotion").folder)


def bundles(home: Path) -> tuple[Artifact, Artifact]:
    """The champion and the challenger."""
    store = ArtifactStore(home)
    return served_bundle(store), store.latest("bundle")


def test_the_first_sound_bundle_is_served_and_a_second_one_only_when_it_was_judged(home: Path) -> None:
    champion, challenger = bundles(home)
    assert champion != challenger
    (entry,) = deployments(ArtifactStore(home))
    assert entry["version"] == champion.version and entry["cause"] == "first"
    assert verdict(home)["sentence"] == "This bundle is served already."


def test_a_challenger_that_is_not_worse_is_served_once_and_not_brought_back_after_a_rollback(
    home: Path, materialize: Materialize
) -> None:
    champion, challenger = bundles(home)
    store = ArtifactStore(home)
    run = materialize(home, "drift*", promotion={"margin": 0.9})
    assert run.success and served_bundle(store) == challenger
    promotion = verdict(home)
    assert (promotion["decision"], promotion["champion"]) == ("promote", champion.version)
    assert {one["task"] for one in promotion["differences"]} == {"discovery", "next_listen"}
    assert deployments(store)[-1]["reason"] == promotion["sentence"]
    (check,) = [one for one in run.get_asset_check_evaluations() if one.check_name == "challenger_promoted"]
    assert check.passed

    deploy(store, champion, "rollback", "it plays one song")
    assert materialize(home, "drift*", promotion={"margin": 0.9}).success
    assert served_bundle(store) == champion
    kept = verdict(home)
    assert kept["decision"] == "keep" and "it plays one song" in kept["sentence"]


def test_what_cannot_be_judged_goes_into_quarantine(home: Path, materialize: Materialize) -> None:
    champion, challenger = bundles(home)
    store = ArtifactStore(home)
    towers = store.lineage(champion, "trained_towers")
    shutil.rmtree(towers.folder)
    assert materialize(home, "drift*").success
    promotion = verdict(home)
    assert promotion["decision"] == "quarantine" and served_bundle(store) == champion
    assert "The champion cannot be asked" in promotion["sentence"]
    assert f"loopback promote {challenger.version} --reason TEXT" in promotion["sentence"]

    names = challenger.folder / "names.arrow"
    names.write_bytes(names.read_bytes()[:-1])
    assert materialize(home, "promotion").success
    promotion = verdict(home)
    assert promotion["decision"] == "quarantine" and "names.arrow" in promotion["faults"][0]
    assert served_bundle(store) == champion


def test_what_nothing_needs_is_deleted_after_a_promotion_where_the_settings_say_so(
    home: Path, materialize: Materialize
) -> None:
    store = ArtifactStore(home)
    _, challenger = bundles(home)
    left = store.home / "interactions" / "of-an-earlier-week"
    shutil.copytree(store.latest("interactions").folder, left)
    assert materialize(home, "drift*", promotion={"margin": 0.9, "clean": True}).success
    assert not left.exists()
    challenger.verify()
    assert served_bundle(store) == challenger
