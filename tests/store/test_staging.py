import errno
import os

import pytest

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


def make_nothing(folder):
    return {}


def test_what_was_staged_moves_into_the_artifact_and_nothing_is_left(store):
    with store.staging("raw_listens") as folder:
        (folder / "rows").write_text("a")

        def make(target):
            (folder / "rows").rename(target / "rows")
            return {}

        raw, _ = store.build("raw_listens", make, upstream={}, settings={}, code="", version="1")
    assert (raw.folder / "rows").read_text() == "a"
    assert list((store.home / ".building").iterdir()) == []
    assert [path.name for path in (store.home / ".locks").iterdir()] == ["raw_listens-1.lock"]


def test_a_folder_in_use_is_not_swept_by_another_step_and_one_of_a_killed_run_is(store):
    killed = store.home / ".building" / "raw_listens-of-a-killed-run"
    killed.mkdir(parents=True)
    with store.staging("raw_listens") as folder, store.staging("raw_listens") as other:
        assert not killed.exists() and folder != other
        store.build("interactions", make_nothing, upstream={}, settings={}, code="")
        assert folder.exists() and other.exists()


def test_a_failure_removes_the_folder_and_a_full_disk_is_named(store):
    with pytest.raises(KeyError), store.staging("raw_listens") as folder:
        raise KeyError
    assert not folder.exists()
    with pytest.raises(ArtifactError, match=r"disk of .* is full: raw_listens was not written"):  # noqa: SIM117
        with store.staging("raw_listens") as folder:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not folder.exists()
