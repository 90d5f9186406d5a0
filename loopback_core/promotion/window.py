"""The questions that both are asked: requests in the newest part of the log, which neither was trained on."""

from dataclasses import dataclass

import numpy as np

from loopback_core.data import Ids, Ragged
from loopback_core.promotion.contender import Contender
from loopback_core.settings import EvaluationSettings
from loopback_core.tasks.rolling import ROLLING_TASKS, rolling_tasks
from loopback_core.tasks.task import Task
from loopback_core.tasks.task_builders import TASKS


@dataclass(frozen=True)
class AskedTask:
    """A task at the moments at which it is asked, each a task of its own."""

    name: str
    at: list[Task]

    @property
    def users(self) -> Ids:
        """Whose each request is, (requests,)."""
        return np.concatenate([task.users for task in self.at])

    @property
    def positives(self) -> Ragged:
        """The positives of every request."""
        lengths = np.concatenate([task.positives.lengths for task in self.at])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Ragged(offsets, np.concatenate([task.positives.values for task in self.at]))


def asked_tasks(challenger: Contender, champion: Contender, settings: EvaluationSettings) -> list[AskedTask]:
    """Both tasks in the test part of the challenger's log, after all that the champion's evaluated model was trained on.

    Empty where there is no such moment, or no user has a positive after it.
    """
    period = challenger.splits.testing_period
    seen = champion.splits.testing
    tasks = {name: TASKS[name](period) for name in ROLLING_TASKS}
    if not period.begins_at_once:
        same_cut = seen.own_moments  # each user was held back from their own moment on, in both
        return [AskedTask(name, [task]) for name, task in tasks.items() if same_cut and len(task.users)]
    if seen.own_moments:
        return []  # the champion has seen some users up to their last listen but one
    rolling = rolling_tasks(tasks, period, max(settings.moments, 2), settings.moment_users, settings.seed)
    found = []
    for name, of in rolling.items():
        at = [of.at(moment) for moment in range(len(of)) if of.now[moment] >= seen.now]
        at = [task for task in at if len(task.users)]
        if at:
            found.append(AskedTask(name, at))
    return found
