"""What a tower reads of some rows: tensors and other parts, of which any may be missing."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inputs:
    """Every field is a tensor with a row for each request or track, or has methods `to` and `rows`; or is None."""

    def to(self, device: torch.device) -> Self:
        """The same rows on `device`."""
        return self._each(lambda part: part.to(device))

    def rows(self, start: int, stop: int) -> Self:
        """What is read of rows start to stop."""
        return self._each(lambda part: part[start:stop] if isinstance(part, Tensor) else part.rows(start, stop))

    def _each(self, change: Callable[[Any], Any]) -> Self:
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(part) for name, part in parts.items() if part is not None})
