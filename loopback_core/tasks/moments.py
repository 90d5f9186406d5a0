"""A task at several moments of its period."""

from loopback_core.tasks.period import Period
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import TASKS

MOMENTS_OF_VALIDATION = (0.0, 1 / 4, 1 / 2)
"""Shares of validation that are history at the moment of a request. At most half of it: the rest is the horizon,
and over a short one recent plays predict more than over one as long as test."""


def moments_of_validation(period: Period, task: str, enough: int) -> list[Task]:
    """The task at moments of validation: what was played by then is history, what is played after is to be predicted.

    A choice on few users is noisy, and the same users at a later moment reduce the noise: there are as many moments as
    it takes to have `enough` users to score; the first is the one most like test, and the only one where the parts of
    the split overlap in time, so that a moment of the log means nothing.
    """
    moments: list[Task] = []
    for share in MOMENTS_OF_VALIDATION if period.begins_at_once else MOMENTS_OF_VALIDATION[:1]:
        if sum(len(moment.users) for moment in moments) >= enough:
            break
        moments.append(TASKS[task](period.after(share)))
    return moments
