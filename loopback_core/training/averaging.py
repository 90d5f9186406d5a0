"""The mean of the weights after each epoch (Izmailov et al. 2018, stochastic weight averaging)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from loopback_core.towers.two_tower import TwoTower


@contextmanager
def averaged(model: TwoTower, mean: dict[str, torch.Tensor], epochs: int) -> Iterator[None]:
    """Inside, the model has the mean of its weights after this and the `epochs` epochs before; after it, its own again.

    mean: that of the epochs before, empty at first; brought up to date.
    """
    own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    for name, tensor in own.items():
        mean[name] = torch.lerp(mean[name].to(tensor.device), tensor, 1 / (epochs + 1)) if epochs else tensor.clone()
    model.load_state_dict(mean)
    try:
        yield
    finally:
        model.load_state_dict(own)
