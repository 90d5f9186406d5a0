import errno
import json
import multiprocessing
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from filelock import FileLock

from loopback_core.errors import ArtifactError, BadLogError
from loopback_core.store import artifacts as module
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.digests import digest

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")


def writes(text, name="data.txt"):
    def make(folder):
        (folder / name).write_text(text)
        return {"rows": len(text)}

    return make


def never(folder):
    raise AssertionError("a published version is not built again")


def build(store, make, asset="interactions", upstream=(), settings=(), code="1", version=None):
    return store.build(asset, make, upstream=dict(upstream), settings=dict(settings), code=code, version=version)


def files(folder):
    """Every file below a folder but the locks, which stay."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if path.parts[0] != ".locks"}


def test_a_published_version_has_its_files_its_manifest_and_is_the_latest(store):
    artifact, reused = build(store, writes("abc"), upstream={"raw_listens": "v7"}, settings={"limit": 3})
    assert not reused
    assert store.latest("interactions") == artifact
    assert (artifact.folder / "data.txt").read_text() == "abc"
    assert artifact.summary == {"rows": 3}
    manifest = artifact.manifest
    assert (manifest["asset"], manifest["version"]) == ("interactions", artifact.version)
    assert (manifest["upstream"], manifest["settings"], manifest["code"]) == ({"raw_listens": "v7"}, {"limit": 3}, "1")
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    xxh3_of_abc = "06b05ab6733a618578af5f94892f3950"  # of the reference implementation, `xxhsum -H2`
    assert manifest["files"] == {"data.txt": {"bytes": 3, "sha256": sha256_of_abc, "xxh3": xxh3_of_abc}}
    published = f"interactions/{artifact.version}"
    assert files(store.home) == {f"{published}/data.txt", f"{published}/manifest.json", "interactions/LATEST"}


def test_a_version_that_exists_is_reused_and_becomes_the_latest_again(store):
    first, _ = build(store, writes("old"), settings={"limit": 1})
    second, _ = build(store, writes("new"), settings={"limit": 2})
    assert store.latest("interactions") == second
    again, reused = build(store, never, settings={"limit": 1})
    assert reused
    assert again == first == store.latest("interactions")


def test_the_version_depends_on_asset_upstream_settings_and_code(store):
    changes = [
        {},
        {"asset": "temporal_splits"},
        {"upstream": {"raw_listens": "v2"}},
        {"settings": {"limit": 2}},
        {"code": "2"},
    ]
    base = {"upstream": {"raw_listens": "v1"}, "settings": {"limit": 1}}
    versions = [build(store, writes(""), **{**base, **change})[0].version for change in changes]
    assert len(set(versions)) == len(changes)


def test_the_order_of_keys_does_not_count(store):
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    build(store, writes(""), settings={"a": 1, "b": 2})
    assert build(store, never, settings={"b": 2, "a": 1})[1]


def test_a_source_may_bring_its_own_version(store):
    artifact, _ = build(store, writes("abc"), "raw_listens", version="v1")
    assert artifact.version == "v1"
    assert build(store, never, "raw_listens", version="v1", code="2") == (artifact, True)


def test_a_build_that_fails_leaves_what_was_there(store):
    old, _ = build(store, writes("old"))
    before = files(store.home)

    def fails(folder):
        (folder / "half.txt").write_text("half")
        raise BadLogError("bring another log")

    with pytest.raises(BadLogError, match="bring another log"):
        build(store, fails, code="2")
    assert store.latest("interactions") == old
    assert files(store.home) == before


def test_the_next_build_sweeps_what_a_killed_one_left(store):
    artifact, _ = build(store, writes("abc"))
    shutil.rmtree(artifact.folder)
    left = store.home / ".building" / f"interactions-{artifact.version}"
    left.mkdir(parents=True)
    (left / "half.txt").write_text("half")
    artifact, reused = build(store, writes("abc"))
    assert not reused
    assert list(artifact.manifest["files"]) == ["data.txt"]
    assert not left.exists()


def test_a_version_without_a_manifest_is_built_again(store):
    artifact, _ = build(store, writes("abc"))
    (artifact.folder / "manifest.json").unlink()
    (artifact.folder / "stray.txt").write_text("from before")
    with pytest.raises(ArtifactError, match=f"{artifact.folder}/manifest.json is missing; delete the folder"):
        store.get("interactions", artifact.version)
    artifact, reused = build(store, writes("abc"))
    assert not reused
    assert not (artifact.folder / "stray.txt").exists()


def change(path, text):
    path.write_text(text)


def replace_by_folder(path, text):
    path.unlink()
    path.mkdir()
    (path / "file").write_text(text)


@pytest.mark.parametrize("damage", [change, replace_by_folder])
def test_a_damaged_version_is_made_again_and_the_log_says_why(store, damage, caplog):
    artifact, _ = build(store, writes("abc"))
    damage(artifact.folder / "data.txt", "xbc")
    what = {"change": "other bytes than were published", "replace_by_folder": "missing"}[damage.__name__]
    again, reused = build(store, writes("abc"))
    assert (again, reused) == (artifact, False)
    assert (artifact.folder / "data.txt").read_text() == "abc"
    assert caplog.messages == [f"{artifact} is made again: {artifact} is damaged (data.txt: {what})"]
    assert build(store, never)[1]


def test_a_version_made_from_other_bytes_is_made_again_and_the_log_says_from_what(store, caplog):
    raw, _ = build(store, writes("1"), "raw_listens", version="r1")
    made = {"upstream": {"raw_listens": "r1"}, "settings": {}, "code": "1"}
    first, _ = store.build("interactions", writes("of 1"), made_from={"raw_listens/r1": raw.digest}, **made)
    assert first.manifest["made_from"] == {"raw_listens/r1": raw.digest}
    assert store.build("interactions", never, made_from={"raw_listens/r1": raw.digest}, **made)[1]

    shutil.rmtree(raw.folder)
    raw, _ = build(store, writes("2"), "raw_listens", version="r1")
    with pytest.raises(ArtifactError, match="was made from other files of raw_listens/r1 than are on disk now; build"):
        store.upstream(first, "raw_listens")
    again, reused = store.build("interactions", writes("of 2"), made_from={"raw_listens/r1": raw.digest}, **made)
    assert not reused and (again.folder / "data.txt").read_text() == "of 2"
    assert caplog.messages == [
        f"{first} is made again: it was made from other files of raw_listens/r1 than are on disk now"
    ]
    assert store.upstream(again, "raw_listens") == raw


def test_a_damaged_version_stays_until_it_has_been_made_again(store):
    artifact, _ = build(store, writes("abc"))
    (artifact.folder / "data.txt").write_text("cut")

    def fails(folder):
        raise BadLogError("bring another log")

    with pytest.raises(BadLogError):
        build(store, fails)
    assert (artifact.folder / "data.txt").read_text() == "cut"
    assert files(store.home / ".building") == set()


def test_upstream_is_verified_as_it_is_handed_out(store):
    raw, _ = build(store, writes("1"), "raw_listens", version="r1")
    listens, _ = build(store, writes("2"), upstream={"raw_listens": "r1"})
    (raw.folder / "data.txt").write_text("3")
    with pytest.raises(ArtifactError, match=r"raw_listens/r1 is damaged \(data.txt: other bytes than were published\)"):
        store.upstream(listens, "raw_listens")


def test_missing_cut_and_changed_files_are_damaged(store):
    def make(folder):
        (folder / "deep").mkdir()
        for name in ("whole", "missing", "cut", "deep/changed"):
            (folder / name).write_text("0123456789")
        return {}

    artifact, _ = build(store, make)
    assert artifact.damaged_files() == {}
    (artifact.folder / "missing").unlink()
    (artifact.folder / "cut").write_text("0123")
    (artifact.folder / "deep/changed").write_text("0123456780")
    assert artifact.damaged_files() == {
        "missing": "missing",
        "cut": "4 bytes instead of 10",
        "deep/changed": "other bytes than were published",
    }


@pytest.mark.parametrize(
    "damage",
    [
        b'{"asset": "inter',
        b"",
        b"[]",
        b"null",
        b'{"asset": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"seal": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_damaged_manifest_is_reported_with_the_remedy_and_made_again(store, damage):
    artifact, _ = build(store, writes("abc"))
    (artifact.folder / "manifest.json").write_bytes(damage)
    with pytest.raises(
        ArtifactError, match=f"delete the folder {artifact.folder} and build it again: uv run dagster asset"
    ) as told:
        store.latest("interactions")
    assert str(told.value).startswith(f"{artifact.folder}/manifest.json ")
    assert build(store, writes("abc")) == (artifact, False)
    assert store.latest("interactions") == artifact


def test_a_manifest_changed_by_hand_is_reported(store):
    artifact, _ = build(store, writes("abc"), settings={"limit": 3})
    path = artifact.folder / "manifest.json"
    path.write_text(path.read_text().replace('"limit": 3', '"limit": 4'))
    with pytest.raises(ArtifactError, match=r"manifest\.json was changed after it was written"):
        store.latest("interactions")


def test_the_manifest_of_another_version_is_reported(store):
    one, _ = build(store, writes("abc"))
    other, _ = build(store, writes("abc"), code="2")
    shutil.copyfile(one.folder / "manifest.json", other.folder / "manifest.json")
    with pytest.raises(
        ArtifactError, match=f"manifest.json is not the manifest of {other}; delete the folder {other.folder}"
    ):
        store.get("interactions", other.version)


def test_verdicts_in_place_of_the_manifest_are_told(store):
    artifact, _ = build(store, writes("abc"))
    artifact.record_verdict("size", {"passed": True})
    shutil.copyfile(artifact.folder / "checks.json", artifact.folder / "manifest.json")
    with pytest.raises(ArtifactError, match=r"manifest\.json is not the manifest of interactions/"):
        store.latest("interactions")


def test_a_file_that_was_not_published_is_refused_and_not_deleted(store):
    artifact, _ = build(store, writes("abc"))
    artifact.record_verdict("size", {"passed": True})
    (artifact.folder / ".DS_Store").write_text("")
    artifact.verify()
    (artifact.folder / "held_out").mkdir()
    (artifact.folder / "held_out" / "events.parquet").write_text("of another split")
    with pytest.raises(ArtifactError, match=r"not published \(held_out/events\.parquet\): move them elsewhere"):
        artifact.verify()
    build(store, never)
    assert (artifact.folder / "held_out" / "events.parquet").exists()


@pytest.mark.parametrize("home", ["a\0b", "~nobody-of-this-name/home", "a" * 300])
def test_a_path_that_no_folder_can_have_is_told(home):
    with pytest.raises(ArtifactError, match=r"cannot be the folder of artifacts \(.*: correct LOOPBACK_HOME"):
        ArtifactStore(Path(home))


def test_a_manifest_that_leads_back_to_itself_is_reported(store):
    artifact, _ = build(store, writes("abc"), upstream={"interactions": "v1"}, version="v1")
    with pytest.raises(ArtifactError, match="The manifest of interactions/v1 leads back to itself; delete the folder"):
        store.upstream(artifact, "raw_listens")


def test_a_run_killed_before_the_first_latest_left_one_version_which_is_the_newest(store):
    artifact, _ = build(store, writes("abc"))
    (store.home / "interactions" / "LATEST").unlink()
    assert store.latest("interactions") == artifact
    build(store, writes("abc"), code="2")
    (store.home / "interactions" / "LATEST").unlink()
    with pytest.raises(ArtifactError, match="interactions/LATEST is missing; build it again: uv run dagster asset"):
        store.latest("interactions")


@pytest.mark.parametrize("damage", [b"", b"\xff", b"deadbeef\n", b"../raw_listens/r1\n", b"..", b"a\x00b"])
def test_a_damaged_latest_is_reported_with_the_remedy_and_written_again(store, damage):
    build(store, writes("raw"), "raw_listens", version="r1")
    artifact, _ = build(store, writes("abc"))
    pointer = store.home / "interactions" / "LATEST"
    pointer.write_bytes(damage)
    with pytest.raises(ArtifactError, match=f"{pointer} .*; build it again: uv run dagster asset"):
        store.latest("interactions")
    assert build(store, never) == (artifact, True)
    assert store.latest("interactions") == artifact


def test_a_latest_that_is_a_folder_is_reported_and_written_again(store):
    artifact, _ = build(store, writes("abc"))
    replace_by_folder(store.home / "interactions" / "LATEST", "")
    with pytest.raises(ArtifactError, match=r"LATEST cannot be read .*; build it again: uv run dagster asset"):
        store.latest("interactions")
    assert build(store, never) == (artifact, True)
    assert store.latest("interactions") == artifact


@pytest.mark.parametrize("home", ["file", "file/below", "/dev/null", "/dev/null/home", "/proc/home"])
def test_a_home_that_is_no_folder_is_a_sentence(tmp_path, home):
    (tmp_path / "file").write_text("")
    store = ArtifactStore(tmp_path / home)
    with pytest.raises(ArtifactError, match=r"There is no interactions in .*; build it first"):
        store.latest("interactions")
    with pytest.raises(
        ArtifactError, match=f"{store.home} cannot be written to .* point LOOPBACK_HOME at another folder"
    ):
        build(store, writes("abc"))


def test_on_a_home_that_cannot_be_written_to_what_is_there_is_reused_and_the_rest_is_a_sentence(store, monkeypatch):
    artifact, _ = build(store, writes("abc"))

    def read_only(*arguments, **settings):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), ".locks")

    monkeypatch.setattr(Path, "mkdir", read_only)
    monkeypatch.setattr(module, "write_latest", read_only)
    assert build(store, never) == (artifact, True)
    with pytest.raises(
        ArtifactError, match=r"cannot be written to \(Read-only file system: .locks\): make it writable"
    ):
        build(store, writes("abc"), code="2")


def test_upstream_follows_the_manifests_and_not_the_newest(store):
    raw, _ = build(store, writes("1"), "raw_listens", version="r1")
    listens, _ = build(store, writes("2"), "interactions", upstream={"raw_listens": raw.version})
    splits, _ = build(store, writes("3"), "temporal_splits", upstream={"interactions": listens.version})
    towers, _ = build(store, writes("4"), "trained_towers", upstream={"temporal_splits": splits.version})
    vectors, _ = build(
        store,
        writes("5"),
        "track_embeddings",
        upstream={"trained_towers": towers.version, "temporal_splits": splits.version},
    )
    build(store, writes("another"), "raw_listens", version="r2")
    assert store.upstream(vectors, "trained_towers") == towers
    assert store.upstream(vectors, "interactions") == listens
    assert store.upstream(vectors, "raw_listens") == raw
    with pytest.raises(KeyError, match="faiss_index"):
        store.upstream(vectors, "faiss_index")


def test_an_upstream_version_that_is_gone_is_named(store):
    splits, _ = build(store, writes("3"), "temporal_splits", upstream={"interactions": "deadbeef"})
    with pytest.raises(ArtifactError, match="There is no interactions/deadbeef in"):
        store.upstream(splits, "interactions")


def test_a_missing_artifact_is_reported_with_the_command_that_builds_it(store):
    with pytest.raises(ArtifactError) as missing:
        store.latest("faiss_index")
    assert str(missing.value) == (
        f"There is no faiss_index in {store.home}; build it first: "
        "uv run dagster asset materialize --select '*evaluation' -m loopback_assets.definitions"
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError("parquet: underlying IO error: No space left on device (os error 28)"),  # as polars says it
    ],
)
def test_a_full_disk_is_a_sentence_and_the_old_version_stays(store, error):
    old, _ = build(store, writes("old"))
    before = files(store.home)

    def fails(folder):
        (folder / "half.txt").write_text("half")
        raise error

    with pytest.raises(ArtifactError, match=f"The disk of {store.home} is full: interactions was not written"):
        build(store, fails, code="2")
    assert store.latest("interactions") == old
    assert files(store.home) == before


def test_a_short_write_on_a_disk_without_space_is_a_full_disk(store, monkeypatch):
    def fails(folder):
        raise OSError("2000000 requested and 524272 written")  # as NumPy says it

    with pytest.raises(OSError, match="2000000 requested"):
        build(store, fails)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage(4_000_000, 4_000_000, 0))
    with pytest.raises(ArtifactError, match="is full: interactions was not written"):
        build(store, fails)


def test_scratch_survives_a_failing_build_and_is_gone_after_publishing(store):
    found = []

    def trains(folder):
        scratch = store.scratch(folder, {"raw_listens/v7": "a digest"})
        found.append(sorted(path.name for path in scratch.iterdir()))
        (scratch / f"epoch {len(found)}").write_text("")
        if len(found) == 1:
            raise KeyboardInterrupt
        return {"scratch": str(scratch)}

    with pytest.raises(KeyboardInterrupt):
        build(store, trains)
    artifact, _ = build(store, trains)
    assert found == [[], ["epoch 1"]]
    assert not Path(artifact.summary["scratch"]).exists()


def test_scratch_is_of_the_bytes_that_it_was_made_from_and_can_be_forgotten(store):
    building = store.home / ".building" / "trained_towers-v1"
    scratch = store.scratch(building, {"temporal_splits/v1": "a digest"})
    (scratch / "epoch 1").write_text("")
    assert not list(store.scratch(building, {"temporal_splits/v1": "another digest"}).iterdir())
    store.forget_scratch(building)
    assert not list(store.scratch(building, {"temporal_splits/v1": "a digest"}).iterdir())


def test_a_verdict_is_stored_with_the_artifact_and_a_later_one_replaces_it(store):
    artifact, _ = build(store, writes("abc"))
    assert artifact.verdicts() == {}
    artifact.record_verdict("size", {"passed": False})
    artifact.record_verdict("names", {"passed": True})
    artifact.record_verdict("size", {"passed": True})
    assert store.latest("interactions").verdicts() == {"size": {"passed": True}, "names": {"passed": True}}
    assert artifact.damaged_files() == {}


def test_damaged_verdicts_are_as_good_as_none(store):
    artifact, _ = build(store, writes("abc"))
    (artifact.folder / "checks.json").write_text('{"size": {"pass')
    assert artifact.verdicts() == {}
    artifact.record_verdict("size", {"passed": True})
    assert artifact.verdicts() == {"size": {"passed": True}}


def test_a_summary_that_is_no_json_is_not_published(store):
    with pytest.raises(ValueError, match="JSON"):
        build(store, lambda folder: {"loss": float("nan")})
    with pytest.raises(ArtifactError, match="There is no interactions in"):
        store.latest("interactions")


def build_at_once(home, barrier, results):
    store = ArtifactStore(home)

    def make(folder):
        (folder / "data.txt").write_text(str(os.getpid()))
        (folder / f"{os.getpid()}.txt").write_text("")
        return {}

    barrier.wait()
    artifact, reused = build(store, make)
    results.put((artifact.version, reused, json.dumps(sorted(artifact.manifest["files"]))))


def test_two_processes_that_build_the_same_version_build_it_once(store):
    processes = multiprocessing.get_context("spawn")
    barrier, results = processes.Barrier(2), processes.Queue()
    both = [processes.Process(target=build_at_once, args=(store.home, barrier, results)) for _ in range(2)]
    for process in both:
        process.start()
    (version, one, files_of_one), (same, other, files_of_other) = results.get(timeout=60), results.get(timeout=60)
    for process in both:
        process.join()
    assert version == same
    assert {one, other} == {True, False}
    assert files_of_one == files_of_other
    assert store.latest("interactions").damaged_files() == {}


def test_what_a_killed_run_left_is_swept_by_the_next_build_of_anything(tmp_path):
    store = ArtifactStore(tmp_path)
    left = tmp_path / ".building" / "trained_towers-0123"
    left.mkdir(parents=True)
    (left / "half.bin").write_bytes(b"half")
    build(store, lambda folder: {})
    assert not left.exists()


def test_what_another_run_is_building_is_not_swept(tmp_path):
    store = ArtifactStore(tmp_path)
    at_work = tmp_path / ".building" / "trained_towers-0123"
    at_work.mkdir(parents=True)
    (tmp_path / ".locks").mkdir()
    with FileLock(tmp_path / ".locks" / "trained_towers-0123.lock"):
        build(store, lambda folder: {})
        assert at_work.exists()


def test_an_artifact_that_is_not_good_any_more_is_made_again(tmp_path):
    store = ArtifactStore(tmp_path)
    settings = {"upstream": {}, "settings": {}, "code": ""}
    store.build("raw_listens", lambda folder: {"file": "here"}, **settings)
    again, reused = store.build(
        "raw_listens",
        lambda folder: {"file": "there"},
        still_good=lambda old: old.summary["file"] == "there",
        **settings,
    )
    assert (reused, again.summary) == (False, {"file": "there"})


def test_where_the_version_that_was_made_from_it_may_be_a_damaged_one_that_is_named(store):
    splits, _ = build(store, writes("3"), "temporal_splits")
    scores, _ = build(store, writes("4"), "baselines", upstream={"temporal_splits": splits.version})
    (scores.folder / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match=f"{scores.version}/manifest.json"):
        store.made_from("baselines", splits)


def test_the_newest_version_that_was_made_from_a_given_one_is_found(tmp_path):
    store = ArtifactStore(tmp_path)
    above = {
        name: store.build("splits", lambda folder: {}, upstream={}, settings={"n": name}, code="")[0] for name in "ab"
    }

    def lists(name, code):
        upstream = {"splits": above[name].version}
        return store.build("baselines", lambda folder: {}, upstream=upstream, settings={}, code=code)[0]

    of_a, of_b = lists("a", "1"), lists("b", "1")
    assert store.made_from("baselines", above["a"]) == of_a  # although LATEST is the other
    assert store.made_from("baselines", above["b"]) == of_b
    newer = lists("b", "2")
    assert store.made_from("baselines", above["b"]) == newer
    stranger = store.build("splits", lambda folder: {}, upstream={}, settings={"n": "c"}, code="")[0]
    with pytest.raises(
        ArtifactError, match=f"There is no baselines of splits/{stranger.version} in .*; build it first: "
    ):
        store.made_from("baselines", stranger)
