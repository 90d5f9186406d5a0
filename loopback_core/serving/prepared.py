"""Listeners with what was computed of their histories; those of known users are kept for their next request."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from threading import Lock

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Ranking
from loopback_core.ranking.scorer import EncodedUsers
from loopback_core.ranking.terms import Listened
from loopback_core.serving.listener import ListenerHistory, Received, histories_of, listener_of
from loopback_core.serving.question import Question, TaskName
from loopback_core.serving.reasons import Reasons

KEPT_LISTENS = 2_000_000
"""Listens of the listeners who are kept, together: each takes some 50 bytes."""

FOR_CORRECTION = 8
"""How many times as much a listen takes where a corrector reads all features of a history."""

LISTENS_AT_ONCE = 200_000
"""Of histories that are encoded together: some kilobytes are held for each of them."""

OF_A_LISTENER = 1_000
"""Listens that a listener counts for besides their own."""


@dataclass(frozen=True)
class Asked:
    """A question, with what the service received of its user."""

    question: Question
    received: Callable[[], Received] = Received  # read where the listener is not kept
    version: int = 0  # of what was received: with the user and the moment it tells a history from another

    @property
    def is_as_known(self) -> bool:
        """Whether the history is that of the bundle, and the moment too."""
        return not self.question.history and self.version == 0 and self.question.at is None

    @property
    def key(self) -> Hashable:
        """The same for the same history; None where the history came with the request."""
        question = self.question
        return None if question.history else (question.user_id, self.version, question.at)


@dataclass(frozen=True)
class Prepared:
    """A listener, how each task reads their history, and their lists where nothing else is wished."""

    listener: ListenerHistory
    reasons: Reasons
    encoded: dict[TaskName, EncodedUsers] = field(default_factory=dict)  # of one row each
    lists: dict[str, Ranking] = field(default_factory=dict)  # the longest of each task, of one row


class PreparedListeners:
    """The listeners of one bundle who asked last. Used by many threads."""

    def __init__(self, served: ServedBundle) -> None:
        self.served = served
        self._kept: OrderedDict[Hashable, Prepared] = OrderedDict()
        self._listens = 0  # of those
        self._lock = Lock()

    def looked_up(self, asked: Asked) -> Prepared:
        """The listener of a question, perhaps encoded before.

        Raises:
            RequestError: the question contradicts itself.
        """
        key = asked.key
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        listener = listener_of(self.served, asked.question, asked.received())
        prepared = Prepared(listener, Reasons(self.served, listener))
        if asked.is_as_known:
            known = {task: lists.of(listener.user, listener.n_tracks) for task, lists in self.served.lists.items()}
            prepared.lists.update({task: of_user for task, of_user in known.items() if of_user is not None})
        if key is not None:
            self._keep(key, prepared)
        return prepared

    def _keep(self, key: Hashable, prepared: Prepared) -> None:
        with self._lock:
            before = self._kept.pop(key, None)  # another thread may have been first
            self._kept[key] = prepared
            self._listens += self._cost(prepared) - (0 if before is None else self._cost(before))
            while self._listens > KEPT_LISTENS:
                self._listens -= self._cost(self._kept.popitem(last=False)[1])

    def forget(self, user_id: str) -> None:
        """Keep nothing of a user any more."""
        with self._lock:
            for key in [key for key in self._kept if isinstance(key, tuple) and key[0] == user_id]:
                self._listens -= self._cost(self._kept.pop(key))

    def _cost(self, prepared: Prepared) -> int:
        return OF_A_LISTENER + len(prepared.listener.ids) * (
            FOR_CORRECTION if self.served.bundle.towers.correctors else 1
        )

    def encode(self, prepared: Sequence[Prepared], tasks: Sequence[TaskName]) -> None:
        """Encode those that are not yet for these tasks, many in one pass of the tower."""
        for block in _blocks([one for one in prepared if any(task not in one.encoded for task in tasks)]):
            self._encode(block, tasks)

    def _encode(self, missing: Sequence[Prepared], tasks: Sequence[TaskName]) -> None:
        histories = histories_of(self.served, [one.listener for one in missing])
        listened = Listened(histories, self.served.bundle.knowledge)  # what both tasks read is read once
        for task in tasks:
            encoded = self.served.bundle.scorer(task).encode(histories, listened)
            for row, one in enumerate(missing):
                one.encoded[task] = encoded.of_row(row)


def _blocks(prepared: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    """Some after the other, with about LISTENS_AT_ONCE listens each."""
    number = np.cumsum([len(one.listener.ids) for one in prepared]) // LISTENS_AT_ONCE
    for _, block in groupby(zip(number.tolist(), prepared, strict=True), lambda pair: pair[0]):
        yield [one for _, one in block]
