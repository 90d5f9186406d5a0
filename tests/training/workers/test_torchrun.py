"""The launcher itself: processes that are watched, started again when one is killed, and gone when nobody waits for them."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from loopback_core.errors import WorkersError
from loopback_core.runtime.parent import PARENT
from loopback_core.settings import TrainingSettings
from loopback_core.training.workers import launching
from loopback_core.training.workers.group import current_group
from loopback_core.training.workers.launching import on_workers

TWO = TrainingSettings(objective="sampled", workers=2)

SECONDS = 60


@dataclass(frozen=True)
class KillsTheOther:
    """A step during whose first call another worker is killed while it waits."""

    mark: Path
    written: Path

    def __call__(self) -> tuple[int, int]:
        (self.written / "tuned").mkdir()
        calls = int(self.mark.read_text()) + 1 if self.mark.exists() else 1
        self.mark.write_text(str(calls))
        group = current_group()
        assert group is not None
        if calls == 1:
            [other] = [child for child in psutil.Process().parent().children() if child.pid != os.getpid()]
            other.kill()
            time.sleep(SECONDS)  # the launcher ends this worker too
        return calls, group.size


def test_after_a_worker_is_killed_all_begin_again_with_an_empty_folder(tmp_path):
    written = tmp_path / "written"
    written.mkdir()
    step = KillsTheOther(tmp_path / "calls", written)
    assert on_workers(step, (), TWO, tmp_path / "folder", writes=written) == (2, 2)
    assert not list((tmp_path / "folder").iterdir())
    assert [path.name for path in written.iterdir()] == ["tuned"]


def fails():
    raise ValueError("a fault in the step")


def test_the_error_says_why_the_first_worker_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(launching, "RESTARTS", 0)
    with pytest.raises(
        WorkersError, match=r"failed 1 times\. The first worker failed in attempt 0: ValueError: a fault in the step"
    ):
        on_workers(fails, (), TWO, tmp_path)


@dataclass(frozen=True)
class FailsAlike:
    """A step that fails in each call, in the first one with other words."""

    calls: Path

    def __call__(self) -> None:
        number = len(list(self.calls.iterdir()))
        (self.calls / str(number)).touch()
        raise ValueError("a fault of its own" if number else "an accident")


def test_a_step_that_fails_twice_in_the_same_way_is_not_begun_again(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    with pytest.raises(WorkersError, match=r"failed twice with ValueError: a fault of its own\. Where"):
        on_workers(FailsAlike(calls), (), TWO, tmp_path / "folder")
    assert len(list(calls.iterdir())) == 3
    assert not list((tmp_path / "folder").iterdir())


def test_workers_whose_launcher_cannot_start_end_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkersError, match="Start the step again"):
        on_workers(int, (), TWO, tmp_path)


def test_a_worker_ends_when_the_process_that_waits_for_it_is_killed():
    waits = subprocess.Popen(["sleep", str(SECONDS)])
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from loopback_core.runtime.parent import end_with_parent; "
            f"end_with_parent(); print('ready', flush=True); time.sleep({SECONDS})",
        ],
        env={**os.environ, PARENT: str(waits.pid)},
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    waits.send_signal(signal.SIGKILL)
    waits.wait()
    assert worker.wait(timeout=SECONDS / 2) == 1
