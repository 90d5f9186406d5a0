"""What a step on several workers gives back to the process that started them."""

from dataclasses import dataclass
from typing import Any

from loopback_core.errors import LoopbackError


@dataclass(frozen=True)
class StepOutcome:
    """What the step returned, or the error for the user that it raised. Of a file of its own, since it is pickled."""

    result: Any = None
    error: LoopbackError | None = None
