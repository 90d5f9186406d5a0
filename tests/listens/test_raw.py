import copy
import hashlib
import os
from datetime import UTC, date, datetime

import pytest

from loopback_core.errors import ArtifactError, BadLogError
from loopback_core.listens import raw as module
from loopback_core.listens.log_rules import LAST_TIME
from loopback_core.listens.raw import log_of, publish_raw, raw_summary, refuse_changed
from loopback_core.settings import SourceSettings
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.sealed_json import write_sealed

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
    refuse_changed(raw)
    log_at(tmp_path / "listens.tsv", LINE + LINE)
    with pytest.raises(BadLogError, match=r"listens\.tsv was changed after raw_listens was materialized"):
        refuse_changed(raw)
    (tmp_path / "listens.tsv").unlink()
    with pytest.raises(BadLogError, match=r"There is no file .*listens\.tsv"):
        refuse_changed(raw)


def test_other_bytes_of_the_same_size_and_time_are_another_version(store, tmp_path):
    path = tmp_path / "listens.tsv"
    first, _ = publish_raw(store, log_at(path))
    status = path.stat()
    log_at(path, LINE.replace("Hello", "Hallo"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(BadLogError, match="was changed after raw_listens"):
        refuse_changed(first)
    assert publish_raw(store, SourceSettings(name=str(path)))[0].version != first.version


def test_the_manifest_names_the_digest_of_every_file(store, tmp_path):
    path = tmp_path / "listens.tsv"
    (tmp_path / "userid-profile.tsv").write_bytes(b"abc")
    raw, _ = publish_raw(store, log_at(path))
    assert raw.summary["files"] == [
        {"path": str(path), "bytes": len(LINE), "sha256": hashlib.sha256(LINE.encode()).hexdigest()}
    ]
    assert raw.summary["profiles_sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert log_of(raw).sha256 == {
        path: raw.summary["files"][0]["sha256"],
        tmp_path / "userid-profile.tsv": raw.summary["profiles_sha256"],
    }


def on_day(monkeypatch, day):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2020, 1, day, 23, tzinfo=tz)

    monkeypatch.setattr(module, "datetime", Clock)


def test_the_last_moment_of_a_log_stays_that_of_its_first_publication(store, tmp_path, monkeypatch):
    on_day(monkeypatch, 1)
    raw, _ = publish_raw(store, log_at(tmp_path / "here" / "listens.tsv"))
    on_day(monkeypatch, 9)
    (tmp_path / "here").rename(tmp_path / "there")
    moved, _ = publish_raw(store, SourceSettings(name=str(tmp_path / "there" / "listens.tsv")))
    other, _ = publish_raw(store, log_at(tmp_path / "more.tsv", LINE + LINE))
    assert [raw_summary(one).first_seen for one in (raw, moved, other)] == [
        date(2020, 1, 1),
        date(2020, 1, 1),
        date(2020, 1, 9),
    ]
    assert log_of(moved).last_moment == datetime(2020, 1, 3, tzinfo=UTC)


def test_the_generated_log_has_no_last_moment(store):
    raw, _ = publish_raw(store, SourceSettings(sample_events=5, sample_users=1))
    assert (raw_summary(raw).first_seen, log_of(raw).last_moment) == (None, LAST_TIME)


@pytest.mark.parametrize(
    "change",
    [
        lambda summary: summary["files"][0].pop("sha256"),  # as versions of before wrote it
        lambda summary: summary.pop("name"),
        lambda summary: summary.update(files="listens.tsv"),
    ],
)
def test_a_manifest_of_another_form_is_refused_by_readers_and_written_again(store, tmp_path, change):
    source = log_at(tmp_path / "listens.tsv")
    raw, _ = publish_raw(store, source)
    sound = raw.summary
    manifest = copy.deepcopy(raw.manifest)
    change(manifest["summary"])
    write_sealed(raw.folder / "manifest.json", manifest)
    with pytest.raises(ArtifactError, match=r"is of another form \(.*: materialize raw_listens again"):
        log_of(store.latest("raw_listens"))
    again, reused = publish_raw(store, source)
    assert (again.version, again.summary, reused) == (raw.version, sound, False)


def test_the_sample_is_generated_inside_its_artifact_as_the_settings_say(store):
    raw, _ = publish_raw(store, SourceSettings(sample_events=50, sample_users=3, sample_seed=1))
    log = log_of(raw)
    assert all(path.is_relative_to(raw.folder) for path in (*log.files, log.profiles))
    assert len(log.files[0].read_bytes().splitlines()) == 50
    other, _ = publish_raw(store, SourceSettings(sample_events=50, sample_users=3, sample_seed=2))
    assert other.version != raw.version


def test_users_who_are_named_after_files_are_a_part_of_the_version_and_of_the_manifest(store, tmp_path):
    text = "timestamp,artist_name,track_name\n2009-05-04,Deep Dish,Say Hello\n"
    versions = {}
    for name, user in (("anna.csv", "file"), ("ben.csv", "file"), ("ben.csv", "Ben K.")):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        raw, _ = publish_raw(store, SourceSettings(name=str(path), user=user))
        versions[raw.version] = log_of(raw).users[path]
    assert sorted(versions.values()) == ["Ben K.", "anna", "ben"]


def test_the_manifest_names_what_is_left_out(store, tmp_path):
    log_at(tmp_path / "logs" / "a.tsv")
    log_at(tmp_path / "logs" / "README")
    raw, _ = publish_raw(store, SourceSettings(name=str(tmp_path / "logs")))
    assert raw.summary["left_out"] == {"README": "about the log"}
    assert log_of(raw).left_out == {"README": "about the log"}
