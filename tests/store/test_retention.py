import os

import pytest
from filelock import FileLock

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.deployments import deploy, end_challenge, start_challenge
from loopback_core.store.retention import delete_unneeded, unneeded


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")


def publish(store, asset, week, upstream=(), text="", made_from=()):
    def make(folder):
        (folder / "data").write_text(text or f"{asset} {week} " * 100)
        return {}

    names = {above.asset: above.version for above in upstream}
    read = {str(one): one.digest for one in made_from}
    return store.build(asset, make, upstream=names, made_from=read, settings={"week": week}, code="")[0]


def retrain(store, week):
    """The artifacts of a week: listens, splits, towers, bundle."""
    listens = publish(store, "interactions", week)
    splits = publish(store, "temporal_splits", week, [listens])
    towers = publish(store, "trained_towers", week, [splits])
    return [listens, splits, towers, publish(store, "bundle", week, [towers], made_from=[splits])]


def names(found):
    return {str(one.artifact) for one in found}


def test_what_newest_and_served_bundles_were_made_from_is_kept_and_the_rest_is_deleted(store):
    weeks = [retrain(store, week) for week in range(6)]
    deploy(store, weeks[1][-1], "first", "")
    deploy(store, weeks[3][-1], "promotion", "")  # week 1 is where a rollback leads
    found = unneeded(store, keep_bundles=1)
    assert names(found) == {str(one) for week in (0, 2, 4) for one in weeks[week]}
    sizes = [sum(path.stat().st_size for path in one.artifact.folder.rglob("*")) for one in found]
    assert [one.bytes for one in found] == sizes
    assert names(delete_unneeded(store, keep_bundles=1)) == names(found)
    assert unneeded(store, keep_bundles=1) == []
    for week in (1, 3, 5):
        for artifact in weeks[week]:
            artifact.verify()
    assert not any(artifact.folder.exists() for week in (0, 2, 4) for artifact in weeks[week])


def test_what_a_training_began_with_is_kept_and_not_what_that_one_began_with(store):
    weeks = [retrain(store, 0)]
    for week in (1, 2, 3):
        listens = publish(store, "interactions", week)
        splits = publish(store, "temporal_splits", week, [listens])
        towers = publish(store, "trained_towers", week, [splits], made_from=[splits, weeks[-1][2]])
        weeks.append([listens, splits, towers, publish(store, "bundle", week, [towers])])
    gone = names(unneeded(store, keep_bundles=1))
    assert gone == {str(one) for week in (0, 1, 2) for one in weeks[week]} - {str(weeks[2][2])}


def test_towers_of_another_preset_on_the_newest_splits_are_kept(store):
    _, splits, _, _ = retrain(store, 0)
    other = publish(store, "trained_towers", "reference", [splits])
    publish(store, "trained_towers", "default again", [splits])  # the newest
    assert str(other) not in names(unneeded(store, 1))


def test_a_linked_file_is_freed_with_its_last_link(store):
    weeks = [retrain(store, week) for week in range(2)]
    kept, gone = weeks[1][0].folder / "data", weeks[0][0].folder / "linked"
    os.link(kept, gone)
    os.link(weeks[0][0].folder / "data", weeks[0][1].folder / "linked")
    found = {str(one.artifact): one.bytes for one in unneeded(store, 1)}
    alone = {str(one): sum(path.stat().st_size for path in one.folder.iterdir()) for one in weeks[0]}
    data = (weeks[0][0].folder / "data").stat().st_size
    assert found[str(weeks[0][0])] == alone[str(weeks[0][0])] - kept.stat().st_size - data
    assert sum(found.values()) == sum(alone.values()) - kept.stat().st_size - data


def test_a_version_that_a_run_is_writing_and_a_folder_of_others_are_left(store):
    weeks = [retrain(store, week) for week in range(2)]
    (store.home / "trained_towers" / "my notes").mkdir()
    with FileLock(store.home / ".locks" / f"{weeks[0][2].asset}-{weeks[0][2].version}.lock"):
        deleted = delete_unneeded(store, 1)
    assert names(deleted) == {str(one) for one in weeks[0]} - {str(weeks[0][2])}
    assert weeks[0][2].folder.is_dir() and (store.home / "trained_towers" / "my notes").is_dir()


def test_nothing_is_deleted_where_what_is_kept_cannot_be_read(store):
    weeks = [retrain(store, week) for week in range(3)]
    deploy(store, weeks[1][-1], "first", "")
    (weeks[1][2].folder / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        delete_unneeded(store, 1)
    (store.home / "bundle" / "SERVED").write_text("\x00")
    with pytest.raises(ArtifactError, match="SERVED"):
        delete_unneeded(store, 1)
    assert all(artifact.folder.is_dir() for week in weeks for artifact in week)


def test_an_empty_home_has_nothing_to_delete(store):
    assert unneeded(store, 3) == [] and delete_unneeded(store, 3) == []


def test_the_challenger_is_kept_while_the_test_runs(store):
    weeks = [retrain(store, week) for week in range(4)]
    deploy(store, weeks[2][-1], "first", "")
    start_challenge(store, weeks[1][-1], 0.5)
    assert names(unneeded(store, keep_bundles=1)) == {str(one) for one in weeks[0]}
    end_challenge(store)
    assert names(unneeded(store, keep_bundles=1)) == {str(one) for week in (0, 1) for one in weeks[week]}
