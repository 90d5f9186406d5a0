"""The program of one worker: `python -m loopback_core.training.workers.worker CALL OUTCOME`, started by a launcher."""

import logging
import os
import pickle
import sys
from pathlib import Path

from loopback_core.errors import LoopbackError, WorkersError
from loopback_core.runtime.parent import end_with_parent
from loopback_core.store.atomic import replacing
from loopback_core.store.disk_errors import remove
from loopback_core.training.workers.crew import dismiss, follow
from loopback_core.training.workers.group import joined_group
from loopback_core.training.workers.step_outcome import StepOutcome

log = logging.getLogger("loopback")

RESTARTS = 3
"""How often the workers are started again after one of them died; each time they go on from the last checkpoint."""

ATTEMPT = "TORCHELASTIC_RESTART_COUNT"
"""The environment variable in which torchrun says how often the workers were started again."""

FAILED = "The first worker failed in attempt "
"""How the line begins that says why."""


def failure_file(answer: Path) -> Path:
    """Where the first worker writes, beside the outcome, why its last attempt failed."""
    return answer.with_name("failure.txt")


def lead_or_follow(call: Path, answer: Path) -> None:
    """Run the step, on the first worker, and write its outcome; on the others take part in its trainings.

    call: a pickled function with its arguments and the folder that it fills, written by the process that waits for the outcome.
    Any error ends the worker, and its launcher starts all of them again: a worker that is gone makes the others fail too. One for the
    user, or one of the step that says the same twice, is the outcome: those that are started after it end with it.
    """
    with joined_group() as group:
        if not group.leads:
            follow(group)
            return
        if answer.exists():  # a worker was ended after that
            dismiss(group)
            return
        step, arguments, writes = pickle.loads(call.read_bytes())
        for left in writes.iterdir() if writes is not None else ():
            remove(left)  # of a call that was ended
        try:
            outcome = StepOutcome(step(*arguments))
        except LoopbackError as error:
            outcome = StepOutcome(error=error)
        except Exception as error:  # said before the others notice that this one is gone
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
            log.error("%s%s: %s", FAILED, os.environ.get(ATTEMPT, "0"), said, exc_info=True)
            before = failure_file(answer)
            if not before.exists() or before.read_text("utf-8") != said:
                with replacing(before) as new:
                    new.write_text(said, "utf-8")
                raise
            outcome = StepOutcome(error=WorkersError(f"The step failed twice with {said}. Where it did is in the log."))
        outcome.write(answer)
        if outcome.error is not None:
            raise outcome.error  # in the middle of an epoch the others wait for something else than a dismissal
        dismiss(group)


def main() -> None:
    """Read the places of the call and of its outcome from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    end_with_parent()
    call, answer = map(Path, sys.argv[1:])
    try:
        lead_or_follow(call, answer)
    except LoopbackError:
        sys.exit(1)  # it is the outcome; its sentence is said by the process that waits


if __name__ == "__main__":
    main()
