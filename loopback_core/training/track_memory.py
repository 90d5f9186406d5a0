"""Cross-batch memory: the targets of the steps before, as they were then, are negatives of the next ones."""

import numpy as np
import torch
from torch import Tensor

from loopback_core.data import Ids


class TrackMemory:
    """The last `size` targets of an epoch: more negatives at the price of a product, for vectors drift slowly.

    (Wang et al. 2020, "Cross-Batch Memory for Embedding Learning".) A batch is put together, with the masks that need
    the ids, a few steps before the loss makes the vectors. So the memory has two sides, which a thread each reads:
    `tracks` runs ahead, the vectors follow in the same order.
    """

    def __init__(self, size: int) -> None:
        self.size, self.tracks, self.steps = size, np.zeros(0, np.int64), 0
        self._vectors: Tensor | None = None
        self._steps = 0  # whose vectors came in

    def expect(self, targets: Ids) -> None:
        """The tracks whose vectors the next step will bring, (T,)."""
        self.tracks, self.steps = np.concatenate([self.tracks, targets])[-self.size :], self.steps + 1

    def exchange(self, step: int, vectors: Tensor) -> Tensor:
        """Leave the vectors of the targets of a step, (T, D), and take those of the steps before, (N, D), no gradient.

        step: how many were expected before it; what comes back are the vectors of what `tracks` was then.

        Raises:
            RuntimeError: the losses are not asked for in the order in which the batches were made, each once.
        """
        if step != self._steps:
            raise RuntimeError(f"Step {step} of the epoch is out of turn: the memory is at step {self._steps}.")
        fresh = vectors.detach()
        before = fresh[:0] if self._vectors is None else self._vectors
        self._vectors, self._steps = torch.cat([before, fresh])[-self.size :], step + 1
        return before
