"""Listeners whose histories are encoded, and the ones of known users that are kept for their next request."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.ranking.scorer import EncodedUsers
from loopback_core.serving.listener import ListenerHistory, Received, histories_of, listener_of
from loopback_core.serving.question import Question, TaskName

KEPT_LISTENERS = 256
"""Listeners of one bundle that are kept; each takes up to some hundred kilobytes."""


@dataclass(frozen=True)
class Asked:
    """A question, with what the service received of its user."""

    question: Question
    received: Callable[[], Received] = Received  # read where the listener is not kept
    version: int = 0  # of what was received: with the user and the moment it tells a history from another

    @property
    def key(self) -> Hashable:
        """The same for the same history; None where the history came with the request."""
        question = self.question
        return None if question.history else (question.user_id, self.version, question.at)


@dataclass(frozen=True)
class Prepared:
    """A listener, and how each task reads their history."""

    listener: ListenerHistory
    encoded: dict[TaskName, EncodedUsers] = field(default_factory=dict)  # of one row each


class PreparedListeners:
    """The listeners of one bundle who asked last. Used by many threads."""

    def __init__(self, served: ServedBundle) -> None:
        self.served = served
        self._kept: OrderedDict[Hashable, Prepared] = OrderedDict()
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
        prepared = Prepared(listener_of(self.served, asked.question, asked.received()))
        if key is not None:
            with self._lock:
                self._kept[key] = prepared
                if len(self._kept) > KEPT_LISTENERS:
                    self._kept.popitem(last=False)
        return prepared

    def encode(self, prepared: Sequence[Prepared], task: TaskName) -> None:
        """Encode those that are not yet, in one pass of the tower."""
        missing = [one for one in prepared if task not in one.encoded]
        if missing:
            scorer = self.served.bundle.scorer(task)
            encoded = scorer.encode(histories_of(self.served, [one.listener for one in missing]))
            for row, one in enumerate(missing):
                one.encoded[task] = encoded.of_row(row)
