"""The processes that train together, and what they send each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

WORKERS_WAIT = timedelta(days=7)
"""How long a worker waits for the others. The first one validates between the epochs; one that dies ends all at once."""

LEADER = 0
"""The rank of the worker that runs the step: it validates, writes checkpoints, and says what the others do."""


@dataclass(frozen=True)
class WorkerGroup:
    """The workers of one training, as one of them sees it."""

    rank: int
    size: int

    @property
    def leads(self) -> bool:
        """Whether this is the worker that runs the step."""
        return self.rank == LEADER

    def exchange(self, rows: Tensor, counts: list[int], received: list[int]) -> Tensor:
        """Send rows to every worker and receive theirs, in the order of the workers.

        rows: (n, ...), those for worker 0 first. counts: how many for each worker. received: how many come from each.
        """
        answer = rows.new_empty(sum(received), *rows.shape[1:])
        dist.all_to_all_single(answer, rows.contiguous(), received, counts)
        return answer

    def counts_from(self, counts: list[int], device: torch.device) -> list[int]:
        """How many rows each worker has for this one. counts: how many this one has for each."""
        received = torch.empty(self.size, dtype=torch.int64, device=device)
        dist.all_to_all_single(received, torch.tensor(counts, device=device))
        return received.tolist()

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over the workers, in place."""
        dist.all_reduce(values)
        return values

    def send(self, message: Any = None) -> Any:
        """What the leader passes, on every worker; the others pass nothing."""
        box = [message]
        dist.broadcast_object_list(box, LEADER)
        return box[0]


def current_group() -> WorkerGroup | None:
    """The group that this process trains in; None where it trains alone."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return None
    return WorkerGroup(dist.get_rank(), dist.get_world_size())


@contextmanager
def joined_group() -> Iterator[WorkerGroup]:
    """Join the group that the launcher's environment names (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT), and leave it.

    A launcher that has joined already, as Ray Train does, is left as it is. Tensors on GPUs go by NCCL, others by gloo.
    """
    if joined := not dist.is_initialized():
        backend = "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
            backend = "cpu:gloo,cuda:nccl"
        dist.init_process_group(backend, timeout=WORKERS_WAIT)
    try:
        yield WorkerGroup(dist.get_rank(), dist.get_world_size())
    finally:
        if joined:
            dist.destroy_process_group()
