import pytest

from loopback_core.errors import BadLogError
from loopback_core.listens.raw import log_of, publish_raw, refuse_changed
from loopback_core.settings import SourceSettings
from loopback_core.store.artifacts import ArtifactStore

LINE = "user_1\t2009-05-04T23:08:57Z\t\tDeep Dish\t\tSay Hello\n"


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")


def log_at(path, text=LINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return SourceSettings(name=str(path))


def test_a_log_is_not_copied_but_read_where_it_lies(store, tmp_path):
    raw, reused = publish_raw(store, log_at(tmp_path / "listens.tsv"))
    assert not reused
    assert log_of(raw).files == (tmp_path / "listens.tsv",)
    assert list(raw.manifest["files"]) == []


def test_the_same_bytes_have_the_same_version_and_are_read_from_where_they_are_now(store, tmp_path):
    first, _ = publish_raw(store, log_at(tmp_path / "here" / "listens.tsv"))
    (tmp_path / "here").rename(tmp_path / "there")
    second, reused = publish_raw(store, SourceSettings(name=str(tmp_path / "there" / "listens.tsv")))
    assert (second.version, reused) == (first.version, False)
    assert log_of(second).files == (tmp_path / "there" / "listens.tsv",)
    assert publish_raw(store, SourceSettings(name=str(tmp_path / "there" / "listens.tsv")))[1]


def test_another_byte_is_another_version(store, tmp_path):
    first, _ = publish_raw(store, log_at(tmp_path / "listens.tsv"))
    second, _ = publish_raw(store, log_at(tmp_path / "listens.tsv", LINE.replace("Hello", "Hallo")))
    assert first.version != second.version


def test_a_log_that_changed_or_went_after_it_was_published_is_refused(store, tmp_path):
    raw, _ = publish_raw(store, log_at(tmp_path / "listens.tsv"))
    refuse_changed(raw, store)
    log_at(tmp_path / "listens.tsv", LINE + LINE)
    with pytest.raises(BadLogError, match="was changed after raw_listens was materialized"):
        refuse_changed(raw, store)
    (tmp_path / "listens.tsv").unlink()
    with pytest.raises(BadLogError):
        refuse_changed(raw, store)


def test_the_sample_is_generated_inside_its_artifact_as_the_settings_say(store):
    raw, _ = publish_raw(store, SourceSettings(sample_events=50, sample_users=3, sample_seed=1))
    log = log_of(raw)
    assert all(path.is_relative_to(raw.folder) for path in (*log.files, log.profiles))
    assert len(log.files[0].read_bytes().splitlines()) == 50
    other, _ = publish_raw(store, SourceSettings(sample_events=50, sample_users=3, sample_seed=2))
    assert other.version != raw.version
