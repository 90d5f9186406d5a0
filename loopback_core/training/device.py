"""Which device trains."""

import torch

from loopback_core.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """The device of the setting `training.device`; auto takes CUDA, else MPS, else the CPU.

    Raises:
        SettingsError: this machine does not have the device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, usable in available.items() if usable))
    if not available[name]:
        raise SettingsError(f"training.device is {name!r}, but this machine has none: use 'auto' or 'cpu'.")
    return torch.device(name)
