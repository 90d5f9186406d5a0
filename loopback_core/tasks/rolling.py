"""The same users of a task, asked at several moments of its period: each request more makes a comparison surer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import SECONDS_PER_DAY, Histories, Ids, Ragged, stable_order
from loopback_core.tasks.pairs import Pairs
from loopback_core.tasks.period import Period
from loopback_core.tasks.task import Task

ROLLING_TASKS = ("discovery", "next_listen")
"""The tasks that are asked at several moments: those of known users, whose candidates are the catalog."""


@dataclass(frozen=True)
class RollingRequests:
    """Who was asked when: those of the first moment come first, users ascending within a moment."""

    users: Ids  # (requests,) dense ids
    moments: Ids  # (requests,)


class AskedListens:
    """What the users of a task played, before a period and in it: sorted once, for all tasks and moments."""

    def __init__(self, task: Task, period: Period) -> None:
        """task: made from `period`, one of ROLLING_TASKS."""
        self.users, self.demographics = task.users, task.histories.demographics
        n_tracks, held_out = task.n_candidates, period.held_out
        in_catalog = held_out.track < n_tracks
        place = np.flatnonzero(np.isin(held_out.user, self.users) & in_catalog)
        known = task.histories.tracks
        row = np.concatenate([known.row_numbers(), np.searchsorted(self.users, held_out.user[place])])
        order = stable_order(row, len(self.users))
        self.row = row = row[order]
        self.track = np.concatenate([known.values, held_out.track[place]])[order]
        self.timestamp = np.concatenate([task.histories.timestamps, held_out.timestamp[place]])[order]
        self.place = np.concatenate([np.full(len(known.values), -1), place])[order]  # in held_out; -1: known before it
        self.begins = np.searchsorted(row, np.arange(len(self.users)))

        by_pair = np.argsort(row * n_tracks + self.track, kind="stable")
        pair_row, pair_track = row[by_pair], self.track[by_pair]
        first_of_pair = np.ones(len(by_pair), np.bool_)
        first_of_pair[1:] = (pair_row[1:] != pair_row[:-1]) | (pair_track[1:] != pair_track[:-1])
        last_of_pair = np.append(first_of_pair[1:], True)[: len(by_pair)]
        self._pair_row, self._pair_track = pair_row[first_of_pair], pair_track[first_of_pair]
        self.first_place = self.place[by_pair][first_of_pair]  # of each pair of a user and a track
        self.last_place = self.place[by_pair][last_of_pair]

    def histories(self, start: int, now: int) -> Histories:
        """What was played before a place in the period. now: the moment of the request."""
        stops = self.begins + np.bincount(self.row[self.place < start], minlength=len(self.users))
        return Histories(
            self.users,
            Ragged.between(self.track, self.begins, stops),
            Ragged.between(self.timestamp, self.begins, stops).values,
            np.full(len(self.users), now, np.int64),
            self.demographics,
        )

    def pairs(self, keep: NDArray[np.bool_]) -> Ragged:
        """Row i: the tracks of some pairs of the i-th user, ascending."""
        lengths = np.bincount(self._pair_row[keep], minlength=len(self.users))
        return Ragged(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), self._pair_track[keep])


class RollingTask:
    """A task at evenly spread moments of its period: histories grow, models and the catalog stay those of the beginning.

    Moment i stands after the share i / moments of the listens. The listens of the users asked are sorted once for all
    moments, and no others are read.
    """

    def __init__(self, task: Task, period: Period, moments: int, asked: AskedListens | None = None) -> None:
        """task: made from `period`, one of ROLLING_TASKS. asked: of those who are asked; None: of the users of the task."""
        self._first, self._asked = task, asked or AskedListens(task, period)
        held_out = period.held_out
        self._held_out_times = held_out.timestamp
        self.starts = [int(share * len(held_out)) for share in np.arange(moments) / moments]
        in_catalog = held_out.track < task.n_candidates
        self.now = [_now(held_out.timestamp[:start][in_catalog[:start]], period.fit.now) for start in self.starts]

    @property
    def name(self) -> str:
        """That of the task."""
        return self._first.name

    def __len__(self) -> int:
        """The number of moments."""
        return len(self.starts)

    @cached_property
    def requests(self) -> RollingRequests:
        """Every request of every moment."""
        rows = [np.flatnonzero(self._positives(start).lengths) for start in self.starts]
        moments = np.repeat(np.arange(len(rows)), [len(of_moment) for of_moment in rows])
        return RollingRequests(self._asked.users[np.concatenate(rows)], moments)

    def at(self, moment: int) -> Task:
        """The task at a moment: of the users asked those who have a positive in the rest of the period."""
        start, first, asked = self.starts[moment], self._first, self._asked
        positives = self._positives(start)
        rows = np.flatnonzero(positives.lengths)
        return replace(
            first,
            users=asked.users[rows],
            histories=asked.histories(start, self.now[moment]).take(rows),
            positives=positives.take(rows),
            exclude=asked.pairs(asked.first_place < start).take(rows) if first.only_new else None,
        )

    def near(self, moment: int, users: Ids, days: float) -> Ragged:
        """The positives of the next `days`, or of the rest of the period where that is shorter; a row may be empty.

        users: (rows,) of the task at that moment.
        """
        start, asked = self.starts[moment], self._asked
        stop = int(np.searchsorted(self._held_out_times, self.now[moment] + days * SECONDS_PER_DAY, side="right"))
        rows = np.searchsorted(asked.users, users)
        if self._first.only_new:
            return asked.pairs((asked.first_place >= start) & (asked.first_place < stop)).take(rows)
        listens = (asked.place >= start) & (asked.place < stop)
        return Pairs.of(asked.row[listens], asked.track[listens], self._first.n_candidates).by_user(rows)

    def _positives(self, start: int) -> Ragged:
        """Row i: what the i-th user asked plays in the rest of the period."""
        asked = self._asked
        return asked.pairs((asked.first_place if self._first.only_new else asked.last_place) >= start)


def rolling_tasks(
    tasks: Mapping[str, Task], period: Period, moments: int, most_users: int, seed: int
) -> dict[str, RollingTask]:
    """Those of `tasks` that are asked at several moments; none where moments of the log mean nothing, or one is enough.

    The same users are asked in all of them, at most `most_users`, drawn by seed.
    """
    if moments < 2 or not period.begins_at_once:
        return {}
    asked = [tasks[name] for name in ROLLING_TASKS if len(tasks[name].users)]
    if not asked:
        return {}
    listens = AskedListens(max(asked, key=lambda task: len(task.users)).sampled(most_users, seed), period)
    theirs = [task for task in asked if np.isin(task.users, listens.users).any()]
    return {task.name: RollingTask(task, period, moments, listens) for task in theirs}


def _now(known: Ids, beginning: int) -> int:
    """The time of the last listen that is known at a moment."""
    return int(known[-1]) if len(known) else beginning
