"""Baselines of tracks played in the same session, and of tracks played next."""

from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array

from loopback_core.data import SESSION_GAP, FitData, Histories, Ids, Ragged, Ranking, stable_order
from loopback_core.recommenders.baselines.baseline import Baseline, decay
from loopback_core.recommenders.baselines.matrices import CoOccurrence, history_plays, rank_positive
from loopback_core.retrieval.top_k import tie_order


class SessionItemKNN(Baseline):
    """Tracks that share sessions with what the user played lately (Hidasi et al. 2016; Ludewig & Jannach 2018).

    Score of j = sum over the tracks i of the history of their decayed plays × sessions with both / (sessions of i **
    asymmetry × sessions of j ** (1 - asymmetry)).
    """

    id = "session_itemknn"
    colour = "#cf3f6b"
    ranking_only = frozenset({"half_life_days"})
    grid: ClassVar = {"half_life_days": (30, 3, 7, 14, 60, 120), "asymmetry": (0.5, 0.25, 0.75)}

    def __init__(self, half_life_days: float = 30, asymmetry: float = 0.5, seed: int = 0) -> None:
        super().__init__(seed)
        self.half_life_days, self.asymmetry = half_life_days, asymmetry

    def fit(self, data: FitData) -> Self:
        """Cut the log into sessions."""
        n_tracks = data.catalog.n_tracks
        self._tie_rank = tie_order(n_tracks, self.seed)
        session, track, n_sessions = sessions_of(data)
        together = csr_array((np.ones(len(track), np.float32), (session, track)), (n_sessions, n_tracks))
        together.sum_duplicates()
        together.data[:] = 1
        self._similarity = CoOccurrence(together, self.asymmetry)
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k tracks that most often share a session with the user's recent ones."""
        recent = history_plays(histories, len(self._tie_rank), decay(histories.ages, self.half_life_days))
        return rank_positive(self._similarity.score(recent), k, self._tie_rank, exclude)


def sessions_of(data: FitData) -> tuple[Ids, Ids, int]:
    """Session and track of every listen, (listens,) each, and the number of sessions."""
    events = data.events
    order = stable_order(events.user, data.catalog.n_users)  # events are sorted by time, so each user's are too
    user, time = events.user[order], events.timestamp[order]
    begins = (np.diff(user, prepend=-1) != 0) | (np.diff(time, prepend=0) > SESSION_GAP)
    session = np.cumsum(begins) - 1
    return session, events.track[order].astype(np.int64), int(session[-1]) + 1


class SequentialRules(Baseline):
    """Tracks that followed, within a few plays and for any user, the tracks that the user played last.

    Score of b = sum over the tracks a of the history of weight(a) × sum of 1 / distance over the times when b came at
    most `window` plays after a, divided by plays of a ** confidence. The weight of a play halves every
    `half_life_plays` plays. (Kamehkhosh et al. 2017; Ludewig & Jannach 2018, there with the last track alone.)
    """

    id = "sequential_rules"
    colour = "#c2527f"
    ranking_only = frozenset({"half_life_plays", "confidence"})
    grid: ClassVar = {"half_life_plays": (100, 10, 30, 300, 1000), "window": (10, 3, 20), "confidence": (1.0, 0.5)}

    def __init__(self, half_life_plays: float = 100, window: int = 10, confidence: float = 1.0, seed: int = 0) -> None:
        super().__init__(seed)
        self.half_life_plays, self.window, self.confidence = half_life_plays, window, confidence

    def fit(self, data: FitData) -> Self:
        """Count the rules, one distance at a time: most pairs come back, and only distinct ones take memory."""
        n_tracks = data.catalog.n_tracks
        self._tie_rank = tie_order(n_tracks, self.seed)
        self._n_plays = np.maximum(data.catalog.plays, 1).astype(np.float32)
        order = stable_order(data.events.user, data.catalog.n_users)  # each user's by time, as events are
        user, track = data.events.user[order], data.events.track[order]
        self._rules = csr_array((n_tracks, n_tracks), dtype=np.float32)
        for distance in range(1, self.window + 1):
            before, after = track[:-distance], track[distance:]
            is_pair = (user[:-distance] == user[distance:]) & (before != after)
            weight = np.full(int(is_pair.sum()), 1 / distance, np.float32)
            self._rules += csr_array((weight, (before[is_pair], after[is_pair])), (n_tracks, n_tracks))
        return self

    def rank(self, histories: Histories, k: int, exclude: Ragged | None) -> Ranking:
        """The k tracks with the strongest rules."""
        lengths = histories.tracks.lengths
        plays_later = np.repeat(histories.tracks.offsets[1:], lengths) - np.arange(int(lengths.sum())) - 1
        weight = np.exp2(-plays_later / self.half_life_plays)
        recent = history_plays(histories, len(self._tie_rank), weight)
        recent.data *= self._n_plays[recent.indices] ** -self.confidence
        return rank_positive(csr_array(recent @ self._rules), k, self._tie_rank, exclude)
