"""The mean of the weights after each epoch (Izmailov et al. 2018, stochastic weight averaging)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from loopback_core.towers.two_tower import TwoTower


@contextmanager
def averaged(model: TwoTower, mean: dict[str, torch.Tensor], epochs: int) -> Iterator[None]:
    """Inside, the model has the mean of its weights after this and the `epochs` epochs before; after it, its own again.

    mean: that of the epochs before, empty at first; brought up to date, and read after the block.
    """
    for name, tensor in model.state_dict().items():
        if epochs and tensor.is_floating_point():  # what is counted or looked up does not change
            mean[name] = mean[name].to(tensor.device).lerp_(tensor, 1 / (epochs + 1))
        else:
            mean[name] = tensor.clone()
    _exchange(model, mean)
    try:
        yield
    finally:
        _exchange(model, mean)


def _exchange(model: TwoTower, weights: dict[str, torch.Tensor]) -> None:
    """Swap both in place; nothing is copied, since the tables are most of the memory."""
    for name, own in model.state_dict(keep_vars=True).items():
        own.data, weights[name] = weights[name], own.data
