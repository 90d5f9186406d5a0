"""Questions to answers, by one bundle. Many questions take one pass of the tower."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Ids
from loopback_core.serving.blocked_tracks import NOTHING_BLOCKED, BlockedTracks
from loopback_core.serving.listener import Unknown, histories_of
from loopback_core.serving.listing import Lister, tasks_of
from loopback_core.serving.prepared import Asked, Prepared, PreparedListeners
from loopback_core.serving.question import Question, TaskName
from loopback_core.serving.score_parts import score_parts

ANSWER_STAGES = ("lookup", "encode", "rank", "describe")

POPULAR = "popular"
"""The fallback for someone of whom nothing is known: what most people listen to."""


@dataclass(frozen=True)
class Item:
    """A recommended track."""

    track: int
    artist: int
    score: float
    reason: str
    parts: dict[str, float] | None = None  # where they were asked for


@dataclass(frozen=True)
class Answer:
    """A list, best first, and how it came about."""

    question: Question
    items: tuple[Item, ...]
    unknown: tuple[Unknown, ...]
    fallback: str | None
    milliseconds: dict[str, float]  # by stage, of all questions that were answered together
    served: ServedBundle = field(repr=False)


def answer(
    listeners: PreparedListeners, asked: Sequence[Asked], blocked: BlockedTracks = NOTHING_BLOCKED
) -> list[Answer]:
    """The answer to each question. blocked: what no list holds, whatever is asked.

    Raises:
        RequestError: a question contradicts itself.
    """
    served, clock = listeners.served, _Clock()
    lister = Lister(served, blocked)
    prepared = [listeners.looked_up(one) for one in asked]
    clock.lap("lookup")
    encoded: dict[tuple[TaskName, ...], list[Prepared]] = {}
    for one, p in zip(asked, prepared, strict=True):
        if p.listener.is_known and not lister.is_kept(one.question, p):
            encoded.setdefault(tasks_of(one.question), []).append(p)
    for tasks, those in encoded.items():
        listeners.encode(those, tasks)
    clock.lap("encode")
    lists = [lister.list_for(one.question, p) for one, p in zip(asked, prepared, strict=True)]
    clock.lap("rank")
    items = [_described(served, one.question, p, *best) for one, p, best in zip(asked, prepared, lists, strict=True)]
    clock.lap("describe")
    return [
        Answer(
            one.question,
            described,
            p.listener.unknown,
            None if p.listener.is_known else POPULAR,
            clock.milliseconds,
            served,
        )
        for one, p, described in zip(asked, prepared, items, strict=True)
    ]


def _described(
    served: ServedBundle, question: Question, prepared: Prepared, tracks: Ids, scores: np.ndarray
) -> tuple[Item, ...]:
    reasons = prepared.reasons.of(tracks)
    parts: Sequence[dict[str, float] | None] = [None] * len(tracks)
    if question.explain and prepared.listener.is_known and len(tracks):
        parts = _parts(served, question, prepared, tracks, scores)
    artist = served.bundle.catalog.artist[tracks]
    rows = zip(tracks.tolist(), artist.tolist(), scores.tolist(), reasons, parts, strict=True)
    return tuple(Item(track, by, score, reason, part) for track, by, score, reason, part in rows)


def _parts(
    served: ServedBundle, question: Question, prepared: Prepared, tracks: Ids, scores: np.ndarray
) -> list[dict[str, float]]:
    """What each score is made of, by the task that it was given in."""
    histories = histories_of(served, [prepared.listener])
    of_task = {task: score_parts(served.bundle.scorer(task), histories, tracks, scores) for task in tasks_of(question)}
    if question.familiarity is None:
        return of_task[question.task]
    known = np.isin(tracks, prepared.listener.tracks)
    return [of_task["next_listen" if is_known else "discovery"][place] for place, is_known in enumerate(known)]


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.milliseconds = dict.fromkeys(ANSWER_STAGES, 0.0)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What has passed since the lap before belongs to `stage`."""
        now = time.perf_counter()
        self.milliseconds[stage] += (now - self._last) * 1e3
        self._last = now
