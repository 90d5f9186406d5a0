import shutil
from collections import namedtuple

import pytest

from loopback_core.errors import RoomError
from loopback_core.runtime import capacity

Usage = namedtuple("Usage", "total used free")
Memory = namedtuple("Memory", "available")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with 8 GB free, and a container of it."""
    monkeypatch.setattr(capacity.psutil, "virtual_memory", lambda: Memory(8_000_000_000))
    monkeypatch.setattr(capacity, "CGROUP", tmp_path)
    return tmp_path


def contain(folder, limit, used, cached):
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used - cached}\ninactive_file {cached}\n")


def test_without_a_container_what_the_machine_has_counts(machine):
    assert capacity.available_memory() == 8_000_000_000
    contain(machine, "max", 1, 0)
    assert capacity.available_memory() == 8_000_000_000


def test_a_container_has_what_its_limit_leaves_and_can_drop_its_cache(machine):
    contain(machine, 4_000_000_000, 3_000_000_000, 1_500_000_000)
    assert capacity.available_memory() == 2_500_000_000
    contain(machine, 1_000_000_000, 3_000_000_000, 0)
    assert capacity.available_memory() == 0
    contain(machine, 64_000_000_000, 3_000_000_000, 0)
    assert capacity.available_memory() == 8_000_000_000


def test_too_little_memory_ends_in_a_sentence_that_says_what_to_do(machine):
    capacity.need_memory(7_900_000_000, "Training", "lower towers.output_dim")
    with pytest.raises(RoomError, match=r"Training takes about 9\.0 GB of memory and 8\.0 GB are free.*output_dim"):
        capacity.need_memory(9_000_000_000, "Training", "lower towers.output_dim")


def test_too_little_disk_ends_in_a_sentence_that_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 9, 1_000_000_000))
    capacity.need_disk(tmp_path, 900_000_000, "Training")
    with pytest.raises(RoomError, match=r"writes about 2\.0 GB .* has 1\.0 GB left.*LOOPBACK_HOME"):
        capacity.need_disk(tmp_path, 2_000_000_000, "Training")
