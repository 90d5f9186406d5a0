"""Questions to answers, by one bundle. Many questions take one pass of the tower."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Ids, Ragged, Ranking
from loopback_core.reranking.reranker import LONGEST, Reranker
from loopback_core.serving.listener import Unknown, histories_of
from loopback_core.serving.prepared import Asked, Prepared, PreparedListeners
from loopback_core.serving.question import MOST_TRACKS, Question, TaskName
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


def answer(listeners: PreparedListeners, asked: Sequence[Asked]) -> list[Answer]:
    """The answer to each question.

    Raises:
        RequestError: a question contradicts itself.
    """
    served, clock = listeners.served, _Clock()
    prepared = [listeners.looked_up(one) for one in asked]
    clock.lap("lookup")
    encoded: dict[tuple[TaskName, ...], list[Prepared]] = {}
    for one, p in zip(asked, prepared, strict=True):
        if p.listener.is_known and not (_has_no_wish(one.question) and one.question.task in p.lists):
            encoded.setdefault(_tasks(one.question), []).append(p)
    for tasks, those in encoded.items():
        listeners.encode(those, tasks)
    clock.lap("encode")
    lists = [_list_for(served, one.question, p) for one, p in zip(asked, prepared, strict=True)]
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


def _tasks(question: Question) -> tuple[TaskName, ...]:
    return (question.task,) if question.familiarity is None else ("discovery", "next_listen")


def _has_no_wish(question: Question) -> bool:
    """Whether the answer is the head of the list that everybody with this history gets."""
    given = (question.only_artists, question.first_heard_after, question.familiarity, question.diversity)
    excluded = question.exclude_tracks or question.exclude_artists
    return question.rank and not excluded and all(wish is None for wish in given)


def _list_for(served: ServedBundle, question: Question, prepared: Prepared) -> tuple[Ids, np.ndarray]:
    """The tracks of a list and their scores, best first."""
    if not prepared.listener.is_known:
        return _popular(served, question, prepared)
    if _has_no_wish(question):
        return _without_wishes(served, question, prepared)
    if question.familiarity is None:
        return _ranked(served, question, prepared, question.task)
    known = _ranked(served, question, prepared, "next_listen", only_known=True)
    new = _ranked(served, question, prepared, "discovery")
    mixed = _mixed(known, new, question)
    if (reranker := served.bundle.reranker("discovery", question.diversity)) is None:
        return mixed
    return _reordered(replace(reranker, diversity=0.0), mixed, served, prepared)  # the rules hold across both halves


def _without_wishes(served: ServedBundle, question: Question, prepared: Prepared) -> tuple[Ids, np.ndarray]:
    """The head of the longest list, which is kept for the next request with this history."""
    if question.task not in prepared.lists:
        whole = replace(question, k=MOST_TRACKS)
        tracks, scores = _ranked(served, whole, prepared, question.task)
        prepared.lists[question.task] = Ranking(tracks[None], scores[None])
    best = prepared.lists[question.task]
    tracks, scores = best.tracks[0, : question.k], best.scores[0, : question.k]
    return tracks[tracks != NOTHING], scores[tracks != NOTHING]


def _ranked(
    served: ServedBundle, question: Question, prepared: Prepared, task: TaskName, only_known: bool = False
) -> tuple[Ids, np.ndarray]:
    bundle = served.bundle
    recommender = bundle.recommender(task) if question.rank else bundle.retriever(task)
    users = prepared.encoded[task]
    played = prepared.listener.tracks
    exclude = _excluded(served, question, played if task == "discovery" else played[:0])
    reranker = bundle.reranker(task, question.diversity)
    k = min(question.k if reranker is None else LONGEST, len(bundle.vectors))
    rows = Ragged(np.array([0, len(exclude)]), exclude)
    candidates = _candidates(served, question, played if only_known else None)
    if candidates is None:
        best = recommender.rank(users, k, rows)
    else:
        best = recommender.rank_among(users, Ragged(np.array([0, len(candidates)]), candidates), k, rows)
    given = best.tracks[0] != NOTHING
    tracks, scores = best.tracks[0][given], best.scores[0][given]
    if reranker is not None:
        tracks, scores = _reordered(reranker, (tracks, scores), served, prepared)
    return tracks[: question.k], scores[: question.k]


def _reordered(
    reranker: Reranker, best: tuple[Ids, np.ndarray], served: ServedBundle, prepared: Prepared
) -> tuple[Ids, np.ndarray]:
    """A list in the order in which it is shown."""
    shown = reranker.rerank(Ranking(best[0][None], best[1][None]), histories_of(served, [prepared.listener]))
    return shown.tracks[0], shown.scores[0]


def _popular(served: ServedBundle, question: Question, prepared: Prepared) -> tuple[Ids, np.ndarray]:
    """The tracks with the most listeners, and their numbers."""
    reranker = served.bundle.reranker(question.task, question.diversity)
    k = question.k if reranker is None else LONGEST
    listeners = served.bundle.catalog.listeners
    candidates = _candidates(served, question, None)
    order = served.by_popularity if candidates is None else candidates[np.lexsort((candidates, -listeners[candidates]))]
    excluded = _excluded(served, question, np.zeros(0, np.int64))
    head = order[: k + len(excluded)]
    tracks = head[~np.isin(head, excluded)][:k]
    scores = listeners[tracks].astype(np.float32)
    if reranker is not None:
        tracks, scores = _reordered(reranker, (tracks, scores), served, prepared)
    return tracks[: question.k], scores[: question.k]


def _excluded(served: ServedBundle, question: Question, played: Ids) -> Ids:
    """Tracks that must not be recommended, ascending."""
    if not question.exclude_artists and not question.exclude_tracks:
        return played
    of_artists = served.bundle.catalog.tracks_of_artist.take(np.array(question.exclude_artists, np.int64)).values
    return np.unique(np.concatenate([played, np.array(question.exclude_tracks, np.int64), of_artists]))


def _candidates(served: ServedBundle, question: Question, among: Ids | None) -> Ids | None:
    """The tracks that the question allows, ascending; None: all of them."""
    catalog = served.bundle.catalog
    if question.only_artists is not None:
        of_artists = np.unique(catalog.tracks_of_artist.take(np.array(question.only_artists, np.int64)).values)
        among = of_artists if among is None else np.intersect1d(among, of_artists)
    if question.first_heard_after is not None:
        if among is None:
            return np.flatnonzero(catalog.first_seen > question.first_heard_after)
        among = among[catalog.first_seen[among] > question.first_heard_after]
    return among


def _mixed(known: tuple[Ids, np.ndarray], new: tuple[Ids, np.ndarray], question: Question) -> tuple[Ids, np.ndarray]:
    """Known and new tracks, evenly mixed, in the share that was asked for; the rest where one of them is short."""
    assert question.familiarity is not None
    n_known = min(round(question.familiarity * question.k), len(known[0]))
    n_new = min(question.k - n_known, len(new[0]))
    n_known = min(question.k - n_new, len(known[0]))
    place = np.concatenate([(np.arange(n) + 0.5) / max(n, 1) for n in (n_known, n_new)])
    order = np.argsort(place, kind="stable")
    tracks, scores = (np.concatenate([known[i][:n_known], new[i][:n_new]]) for i in (0, 1))
    return tracks[order], scores[order]


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
    of_task = {task: score_parts(served.bundle.scorer(task), histories, tracks, scores) for task in _tasks(question)}
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
