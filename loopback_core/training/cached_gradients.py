"""Cached gradients: towers that read a batch in parts, so that its size is not bounded by what their graph holds."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Inputs(Protocol):
    """What a tower reads of many requests or tracks."""

    def __len__(self) -> int:
        """How many."""

    def rows(self, start: int, stop: int) -> Any:
        """What it reads of some of them."""


Read = TypeVar("Read", bound=Inputs)


def encode(tower: Callable[[Read], Tensor], inputs: Read, size: int, device: torch.device) -> Tensor:
    """tower(inputs), (rows, D), of `size` rows at a time; 0: of all at once.

    (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup".) The parts are read
    without a graph; when the gradient of all vectors is known, each part is read again, with one, and takes its share.
    Both readings of a part leave out the same: the state of the random generators is kept for each.
    """
    if not size:
        return tower(inputs)
    parts = [inputs.rows(start, min(start + size, len(inputs))) for start in range(0, len(inputs), size)]
    vectors: Tensor = _InParts.apply(torch.zeros((), device=device, requires_grad=True), tower, parts)
    return vectors


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchor: Tensor, tower: Callable[[Any], Tensor], parts: list[Any]) -> Tensor:
        """anchor: a scalar that wants a gradient, and gets none: for autograd to ask for that of the vectors."""
        ctx.tower, ctx.parts, ctx.device, ctx.states, vectors = tower, parts, anchor.device, [], []
        ctx.bf16 = torch.is_autocast_enabled(anchor.device.type)  # backward runs outside of what forward ran in
        for part in parts:
            ctx.states.append(_random_state(anchor.device))
            vectors.append(tower(part))  # autograd records nothing in here
        return torch.cat(vectors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, None, None]:
        """upstream: (rows, D)."""
        gradients = torch.split(upstream, [len(part) for part in ctx.parts])
        device: torch.device = ctx.device
        precision = torch.autocast(device.type, torch.bfloat16, enabled=ctx.bf16)
        with torch.random.fork_rng([device] if device.type == "cuda" else []), precision, torch.enable_grad():
            for part, state, gradient in zip(ctx.parts, ctx.states, gradients, strict=True):
                _set_random_state(device, state)
                torch.autograd.backward(ctx.tower(part), gradient)
        return None, None, None


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _set_random_state(device: torch.device, state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
