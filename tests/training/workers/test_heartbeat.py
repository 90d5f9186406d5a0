"""A program that ends when the process that waits for it is gone, with nothing between the two but a file."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopback_core.training.workers.heartbeat import heartbeat

SECONDS = 60

PROGRAM = """
import sys, time
from pathlib import Path
from loopback_core.training.workers import heartbeat
heartbeat.SECONDS_BETWEEN_BEATS = 0.5
heartbeat.SECONDS_OF_SILENCE = float(sys.argv[3])
heartbeat.end_without_heartbeat(Path(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
time.sleep(60)
"""

Listen = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "waits"


@pytest.fixture
def listen(file: Path) -> Iterator[Listen]:
    """listen(mark, silence=SECONDS) -> a program that listens to the file."""
    started: list[subprocess.Popen[bytes]] = []

    def start(mark: str, silence: float = SECONDS) -> subprocess.Popen[bytes]:
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(file), mark, str(silence)], stdout=subprocess.PIPE
        )
        started.append(program)
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        return program

    yield start
    for program in started:
        program.kill()
        program.wait()


def test_it_ends_when_the_waiting_process_is_done(file, listen):
    with heartbeat(file) as mark:
        program = listen(mark)
        time.sleep(1)
        assert program.poll() is None
    assert not file.exists()
    assert program.wait(SECONDS / 2) == 1


def test_it_ends_when_another_process_waits_for_another_program(file, listen):
    with heartbeat(file) as first:
        program = listen(first)
        with heartbeat(file):
            assert program.wait(SECONDS / 2) == 1


def test_it_ends_when_the_file_is_not_touched_any_more(file, listen):
    file.write_text("mark")
    assert listen("mark", silence=2).wait(SECONDS / 2) == 1


def test_it_goes_on_as_long_as_the_file_is_touched(file, listen):
    file.write_text("mark")
    program = listen("mark", silence=3)
    for _ in range(10):
        time.sleep(0.5)
        os.utime(file)
    assert program.poll() is None
