"""The list of one question: its candidates, what is left out of it, its order."""

from dataclasses import dataclass, replace

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Ids, Ragged, Ranking
from loopback_core.reranking.reranker import LONGEST, Reranker
from loopback_core.serving.blocked_tracks import NOTHING_BLOCKED, BlockedTracks
from loopback_core.serving.listener import histories_of
from loopback_core.serving.prepared import Prepared
from loopback_core.serving.question import MOST_TRACKS, Question, TaskName

ScoredTracks = tuple[Ids, np.ndarray]
"""Tracks, best first, and their scores."""


def tasks_of(question: Question) -> tuple[TaskName, ...]:
    """The tasks whose scores make the list."""
    return (question.task,) if question.familiarity is None else ("discovery", "next_listen")


def has_no_wish(question: Question) -> bool:
    """Whether the answer is the head of the list that everybody with this history gets."""
    given = (question.only_artists, question.first_heard_after, question.familiarity, question.diversity)
    excluded = question.exclude_tracks or question.exclude_artists
    return question.rank and not excluded and all(wish is None for wish in given)


@dataclass(frozen=True)
class Lister:
    """Makes the lists of one bundle."""

    served: ServedBundle
    blocked: BlockedTracks = NOTHING_BLOCKED

    def list_for(self, question: Question, prepared: Prepared) -> ScoredTracks:
        """At most k tracks. prepared: encoded for `tasks_of` the question where its list is not kept."""
        if not prepared.listener.is_known:
            return self._popular(question, prepared)
        if has_no_wish(question):
            if question.task not in prepared.lists:
                self._keep_longest(question, prepared)
            if self.is_kept(question, prepared):
                return self._head(question, prepared)
        if question.familiarity is None:
            return self._ranked(question, prepared, question.task)
        known = self._ranked(question, prepared, "next_listen", only_known=True)
        new = self._ranked(question, prepared, "discovery")
        mixed = _mixed(known, new, question)
        if (reranker := self.served.bundle.reranker("discovery", question.diversity)) is None:
            return mixed
        return self._reordered(replace(reranker, diversity=0.0), mixed, prepared)  # the rules hold across both halves

    def is_kept(self, question: Question, prepared: Prepared) -> bool:
        """Whether a list was made before of which enough tracks may be shown: nothing has to be scored."""
        if not has_no_wish(question) or question.task not in prepared.lists:
            return False
        tracks = prepared.lists[question.task].tracks[0]
        tracks = tracks[tracks != NOTHING]
        return int(self.blocked.allows(tracks).sum()) >= min(question.k, len(tracks))

    def _keep_longest(self, question: Question, prepared: Prepared) -> None:
        """The longest list, for the next request with this history; with what is blocked, as that may change meanwhile."""
        whole = replace(question, k=MOST_TRACKS)
        tracks, scores = Lister(self.served)._ranked(whole, prepared, question.task)
        prepared.lists[question.task] = Ranking(tracks[None], scores[None])

    def _head(self, question: Question, prepared: Prepared) -> ScoredTracks:
        best = prepared.lists[question.task]
        given = (best.tracks[0] != NOTHING) & self.blocked.allows(best.tracks[0])
        return best.tracks[0][given][: question.k], best.scores[0][given][: question.k]

    def _ranked(self, question: Question, prepared: Prepared, task: TaskName, only_known: bool = False) -> ScoredTracks:
        bundle = self.served.bundle
        recommender = bundle.recommender(task) if question.rank else bundle.retriever(task)
        users = prepared.encoded[task]
        played = prepared.listener.tracks
        exclude = self._excluded(question, played if task == "discovery" else played[:0])
        reranker = bundle.reranker(task, question.diversity)
        k = min(question.k if reranker is None else LONGEST, len(bundle.vectors))
        rows = Ragged(np.array([0, len(exclude)]), exclude)
        candidates = self._candidates(question, played if only_known else None)
        if candidates is None:
            best = recommender.rank(users, k, rows)
        else:
            best = recommender.rank_among(users, Ragged(np.array([0, len(candidates)]), candidates), k, rows)
        given = best.tracks[0] != NOTHING
        tracks, scores = best.tracks[0][given], best.scores[0][given]
        if reranker is not None:
            tracks, scores = self._reordered(reranker, (tracks, scores), prepared)
        return tracks[: question.k], scores[: question.k]

    def _reordered(self, reranker: Reranker, best: ScoredTracks, prepared: Prepared) -> ScoredTracks:
        """A list in the order in which it is shown."""
        histories = histories_of(self.served, [prepared.listener])
        shown = reranker.rerank(Ranking(best[0][None], best[1][None]), histories)
        return shown.tracks[0], shown.scores[0]

    def _popular(self, question: Question, prepared: Prepared) -> ScoredTracks:
        """The tracks with the most listeners, and their numbers."""
        reranker = self.served.bundle.reranker(question.task, question.diversity)
        k = question.k if reranker is None else LONGEST
        listeners = self.served.bundle.catalog.listeners
        order = self.served.by_popularity
        if (candidates := self._candidates(question, None)) is not None:
            order = candidates[np.lexsort((candidates, -listeners[candidates]))]
        excluded = self._excluded(question, np.zeros(0, np.int64))
        head = order[: k + len(excluded)]
        tracks = head[~np.isin(head, excluded)][:k]
        scores = listeners[tracks].astype(np.float32)
        if reranker is not None:
            tracks, scores = self._reordered(reranker, (tracks, scores), prepared)
        return tracks[: question.k], scores[: question.k]

    def _excluded(self, question: Question, played: Ids) -> Ids:
        """Tracks that must not be recommended, ascending."""
        if not question.exclude_artists and not question.exclude_tracks and not len(self.blocked.tracks):
            return played
        of_artists = self.served.bundle.catalog.tracks_of_artist.take(np.array(question.exclude_artists, np.int64))
        tracks = np.array(question.exclude_tracks, np.int64)
        return np.unique(np.concatenate([played, tracks, of_artists.values, self.blocked.tracks]))

    def _candidates(self, question: Question, among: Ids | None) -> Ids | None:
        """The tracks that the question allows, ascending; None: all of them."""
        catalog = self.served.bundle.catalog
        if question.only_artists is not None:
            of_artists = np.unique(catalog.tracks_of_artist.take(np.array(question.only_artists, np.int64)).values)
            among = of_artists if among is None else np.intersect1d(among, of_artists)
        if question.first_heard_after is not None:
            if among is None:
                return np.flatnonzero(catalog.first_seen > question.first_heard_after)
            among = among[catalog.first_seen[among] > question.first_heard_after]
        return among


def _mixed(known: ScoredTracks, new: ScoredTracks, question: Question) -> ScoredTracks:
    """Known and new tracks, evenly mixed, in the share that was asked for; the rest where one of them is short."""
    assert question.familiarity is not None
    n_known = min(round(question.familiarity * question.k), len(known[0]))
    n_new = min(question.k - n_known, len(new[0]))
    n_known = min(question.k - n_new, len(known[0]))
    place = np.concatenate([(np.arange(n) + 0.5) / max(n, 1) for n in (n_known, n_new)])
    order = np.argsort(place, kind="stable")
    tracks, scores = (np.concatenate([known[i][:n_known], new[i][:n_new]]) for i in (0, 1))
    return tracks[order], scores[order]
