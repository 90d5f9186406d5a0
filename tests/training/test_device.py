import pytest
import torch

from loopback_core.errors import SettingsError
from loopback_core.training.device import choose_device


@pytest.fixture
def machine(monkeypatch):
    def has(*kinds):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    return has


@pytest.mark.parametrize(
    ("kinds", "chosen"), [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("cuda", "mps"), "cuda")]
)
def test_auto_takes_the_gpu_that_is_there(machine, kinds, chosen):
    machine(*kinds)
    assert choose_device("auto").type == chosen


def test_the_cpu_can_be_chosen_on_a_machine_with_a_gpu(machine):
    machine("cuda")
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize(("kinds", "missing"), [(("mps",), "cuda"), (("cuda",), "mps")])
def test_a_device_that_is_not_there_ends_in_a_sentence(machine, kinds, missing):
    machine(*kinds)
    with pytest.raises(SettingsError, match=f"'{missing}', but this machine has none: use 'auto' or 'cpu'"):
        choose_device(missing)
