"""What a step on several workers gives back to the process that started them."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback_core.errors import LoopbackError
from loopback_core.store.atomic import replacing


@dataclass(frozen=True)
class StepOutcome:
    """What the step returned, or the error for the user that it raised. Of a file of its own, since it is pickled."""

    result: Any = None
    error: LoopbackError | None = None

    def write(self, file: Path) -> None:
        """Put it where the process that waits looks for it."""
        with replacing(file) as new:
            new.write_bytes(pickle.dumps(self))
