"""What a tower reads of some rows: tensors and other parts, of which any may be missing."""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch


@dataclass(frozen=True)
class Inputs:
    """Every field is a tensor with a row for each request or track, or has a method `to`; or is None."""

    def to(self, device: torch.device) -> Self:
        """The same rows on `device`."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: part.to(device) for name, part in parts.items() if part is not None})
