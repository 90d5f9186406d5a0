"""The five tasks, each made from a period."""

from collections.abc import Callable, Mapping

import numpy as np

from loopback_core.data import FitData, Histories, Ragged
from loopback_core.tasks.pairs import Pairs
from loopback_core.tasks.period import Period
from loopback_core.tasks.task import Task


def discovery(period: Period) -> Task:
    """New tracks. Candidates: the catalog without what the user played. Positives: the tracks first played then."""
    return _of_known_users("discovery", period, period.fit, only_new=True)


def next_listen(period: Period) -> Task:
    """Any next track, repeats included. Candidates: the whole catalog. Positives: the tracks played then."""
    return _of_known_users("next_listen", period, period.fit, only_new=False)


def cold_start(period: Period) -> Task:
    """New releases. Candidates: the tracks first heard, by anyone, in the period. Positives: those played then."""
    start, stop = period.fit.catalog.n_tracks, int(period.held_out.track.max(initial=-1)) + 1
    return _of_known_users("cold_start", period, period.fit, only_new=False, candidates=(start, max(start, stop)))


def new_users(period: Period) -> Task:
    """Users with no event in the fit data: the first half of what they play in the period is their history.

    Candidates: the catalog, nothing excluded. Positives: the distinct catalog tracks of the second half. The moment of
    each request is that of the last listen of the history.
    """
    fit, n_tracks = period.fit, len(period.log_artist)
    listens = period.held_out.where(period.held_out.user >= fit.catalog.n_users)
    everyone = np.unique(listens.user).astype(np.int64)
    whole = Histories.of(listens, everyone, fit.now, fit.demographics)
    starts, stops = whole.tracks.offsets[:-1], whole.tracks.offsets[1:]
    halves = starts + whole.tracks.lengths // 2

    later = Ragged.between(whole.tracks.values, halves, stops)
    pairs = Pairs.of(everyone[later.row_numbers()], later.values, n_tracks)
    positives = pairs.where(pairs.track < fit.catalog.n_tracks)
    users = positives.users
    rows = np.searchsorted(everyone, users)
    tracks, timestamps = (
        Ragged.between(of_whole, starts[rows], halves[rows]) for of_whole in (whole.tracks.values, whole.timestamps)
    )
    now = np.full(len(users), fit.now, np.int64)  # where the history is empty
    now[tracks.lengths > 0] = timestamps.values[tracks.offsets[1:][tracks.lengths > 0] - 1]
    return Task(
        name="new_users",
        users=users,
        histories=Histories(
            users, tracks, timestamps.values, now, None if fit.demographics is None else fit.demographics[users]
        ),
        positives=positives.by_user(users),
        exclude=None,
        fit=fit,
        candidate_artist=fit.catalog.artist,
        unreachable=_share_lost(pairs, positives),
    )


def reference_protocol(period: Period) -> Task:
    """As the reference implementation measures, leak included: fitted on train, candidates are the whole log.

    Tracks that are first heard in the held-out period are candidates: they have no plays and no trained id, only an
    artist.
    """
    everything = (0, len(period.log_artist))
    fit = period.early_fit or period.fit
    return _of_known_users("reference_protocol", period, fit, only_new=True, candidates=everything)


TASKS: Mapping[str, Callable[[Period], Task]] = {
    "discovery": discovery,
    "next_listen": next_listen,
    "cold_start": cold_start,
    "new_users": new_users,
    "reference_protocol": reference_protocol,
}
"""Name -> builder."""


def official_task(name: str, period: Period, most_users: int, seed: int) -> Task:
    """The task as the report asks it at the cut: of all users with listens in the period, or of `most_users`, drawn by seed.

    Every track is scored for every one of them, so that without a bound the time would grow with users × tracks.
    """
    return TASKS[name](period.drawn(most_users, seed)).sampled(most_users, seed)  # new users are drawn by themselves


LIKE = {"new_users": "next_listen", "reference_protocol": "discovery"}
"""Task -> the one whose tuned settings it takes: its candidates are alike, and validation has hardly any new users."""

IN_CATALOG = ("discovery", "next_listen", "new_users")
"""The tasks whose candidates are the catalog of the fit data."""


def _of_known_users(
    name: str, period: Period, fit: FitData, *, only_new: bool, candidates: tuple[int, int] | None = None
) -> Task:
    """The task of `period.users`. candidates: the first track and one past the last; None: the catalog."""
    start, stop = candidates or (0, fit.catalog.n_tracks)
    n_tracks, held_out = len(period.log_artist), period.held_out
    played = None
    if only_new:
        theirs = np.isin(fit.events.user, period.users)
        played = Pairs.of(fit.events.user[theirs], fit.events.track[theirs], n_tracks)
    pairs = Pairs.of(held_out.user, held_out.track, n_tracks)
    pairs = pairs.where(np.isin(pairs.user, period.users))
    if played is not None:
        pairs = pairs.without(played)
    track = pairs.track
    positives = pairs.where((track >= start) & (track < stop))
    users = positives.users
    return Task(
        name=name,
        users=users,
        histories=fit.histories(users),
        positives=positives.by_user(users, start),
        exclude=None if played is None else played.by_user(users),
        fit=fit,
        candidate_artist=period.log_artist[start:stop],
        unreachable=0.0 if start else _share_lost(pairs, pairs.where(track < fit.catalog.n_tracks)),
        first_candidate=start,
    )


def _share_lost(pairs: Pairs, reachable: Pairs) -> float:
    return 1 - len(reachable) / len(pairs) if len(pairs) else 0.0
