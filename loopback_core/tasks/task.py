"""What a recommender is asked on the held-out future: whose lists, which candidates, which positives."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import Events, FitData, Histories, Ids, Ragged

if TYPE_CHECKING:
    from loopback_core.splits.dataset import Splits

Phase = Literal["tuning", "testing"]
"""tuning: measured on validation. testing: measured on test."""


@dataclass(frozen=True)
class Task:
    """One question, the same for every recommender. Row i of every ragged array belongs to `users[i]`.

    Candidates, positives and excluded tracks are numbered from `first_candidate`, so that a list of candidates starts
    at 0 for whoever ranks it; histories keep the ids of the log.
    """

    name: str
    users: Ids  # (users,) dense ids of the scored users
    histories: Histories
    positives: Ragged  # distinct candidates, at least one per row
    exclude: Ragged | None  # candidates that are none for that user; None: every candidate stands
    fit: FitData
    candidate_artist: NDArray[np.int32]  # (n_candidates,)
    unreachable: float  # share of the pooled positives that lie outside the catalog of the fit data
    first_candidate: int = 0  # id of the first candidate; all that follow it are candidates

    @property
    def n_candidates(self) -> int:
        """Candidates before anything is excluded: the catalog; in the reference protocol the whole log."""
        return len(self.candidate_artist)

    @property
    def only_new(self) -> bool:
        """Whether nothing that the user played is a candidate."""
        return self.exclude is not None or self.first_candidate > 0

    @property
    def n_candidates_per_user(self) -> Ids:
        """Candidates of each user after exclusion, (users,)."""
        n_excluded = np.zeros(len(self.users), np.int64) if self.exclude is None else self.exclude.lengths
        return self.n_candidates - n_excluded

    def sampled(self, n_users: int, seed: int) -> "Task":
        """The same task for at most `n_users` of its users, chosen by seed."""
        if len(self.users) <= n_users:
            return self
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.users))[:n_users])
        exclude = None if self.exclude is None else self.exclude.take(rows)
        histories, positives = self.histories.take(rows), self.positives.take(rows)
        return replace(self, users=self.users[rows], histories=histories, positives=positives, exclude=exclude)


def discovery(splits: "Splits", phase: Phase) -> Task:
    """New tracks: candidates are the catalog minus what the user played; positives the tracks first played then."""
    fit, held_out = _parts(splits, phase)
    return _build("discovery", splits, fit, held_out, only_new=True)


def next_listen(splits: "Splits", phase: Phase) -> Task:
    """Whatever comes next, repeats too: candidates are the whole catalog; positives the tracks played then."""
    fit, held_out = _parts(splits, phase)
    return _build("next_listen", splits, fit, held_out, only_new=False)


def cold_start(splits: "Splits", phase: Phase) -> Task:
    """New releases: candidates are only the tracks first heard, by anyone, in the held-out part."""
    fit, held_out = _parts(splits, phase)
    start, stop = fit.catalog.n_tracks, int(held_out.track.max(initial=-1)) + 1
    return _build("cold_start", splits, fit, held_out, only_new=False, candidates=(start, max(start, stop)))


def new_users(splits: "Splits", phase: Phase) -> Task:
    """Users with no event in the fit data: the first half of what they play then is their history.

    Candidates are the catalog, nothing filtered; positives the distinct catalog tracks in the second half. Each asks
    at the moment of the last listen of the history.
    """
    fit, held_out = _parts(splits, phase)
    strangers = held_out.where(held_out.user >= fit.catalog.n_users)
    everyone = np.unique(strangers.user).astype(np.int64)
    whole = Histories.of(strangers, everyone, fit.now, fit.demographics)
    place = np.arange(len(strangers)) - np.repeat(whole.tracks.offsets[:-1], whole.tracks.lengths)
    early = place < np.repeat(whole.tracks.lengths // 2, whole.tracks.lengths)

    n_tracks, user = len(splits.log_artist), np.repeat(everyone, whole.tracks.lengths)
    pairs = _distinct(user[~early] * n_tracks + whole.tracks.values[~early])
    positives = pairs[pairs % n_tracks < fit.catalog.n_tracks]
    users = _distinct(positives // n_tracks)
    kept = early & np.isin(user, users)
    tracks = Ragged.from_pairs(np.searchsorted(users, user[kept]), whole.tracks.values[kept], len(users))
    timestamps = whole.timestamps[kept]
    now = np.full(len(users), fit.now, np.int64)  # of those who have no history at all
    now[tracks.lengths > 0] = timestamps[tracks.offsets[1:][tracks.lengths > 0] - 1]
    return Task(
        "new_users",
        users,
        Histories(users, tracks, timestamps, now, None if fit.demographics is None else fit.demographics[users]),
        _tracks_of(users, positives, n_tracks),
        None,
        fit,
        fit.catalog.artist,
        _share_lost(pairs, positives),
    )


def reference_protocol(splits: "Splits", phase: Phase) -> Task:
    """As the reference implementation measures, leak included: fitted on train, candidates are the whole log.

    Tracks that only the held-out future plays are candidates: they have no plays and no trained id, only an artist.
    """
    _, held_out = _parts(splits, phase)
    everything = (0, len(splits.log_artist))
    return _build("reference_protocol", splits, splits.tuning, held_out, only_new=True, candidates=everything)


TASKS = {
    "discovery": discovery,
    "next_listen": next_listen,
    "cold_start": cold_start,
    "new_users": new_users,
    "reference_protocol": reference_protocol,
}
"""Name -> builder."""

LIKE = {"new_users": "next_listen", "reference_protocol": "discovery"}
"""Task -> the one whose settings it takes. Validation has hardly any new user to tune on, and the candidates are alike."""

IN_CATALOG = ("discovery", "next_listen", "new_users")
"""The tasks whose candidates are the catalog of the fit data."""


def _parts(splits: "Splits", phase: Phase) -> tuple[FitData, Events]:
    return (splits.tuning, splits.validation) if phase == "tuning" else (splits.testing, splits.test)


def _build(
    name: str,
    splits: "Splits",
    fit: FitData,
    held_out: Events,
    *,
    only_new: bool,
    candidates: tuple[int, int] | None = None,
) -> Task:
    """The task of users whom train knows. candidates: first track and one past the last; None: the catalog."""
    start, stop = candidates or (0, fit.catalog.n_tracks)
    n_tracks = len(splits.log_artist)
    played = _pairs(fit.events, n_tracks) if only_new else None
    pairs = _pairs(held_out, n_tracks)
    pairs = pairs[np.isin(pairs // n_tracks, splits.train.user)]
    if played is not None:
        pairs = pairs[~_among(pairs, played)]
    track = pairs % n_tracks
    positives = pairs[(track >= start) & (track < stop)]
    users = _distinct(positives // n_tracks)
    return Task(
        name,
        users,
        fit.histories(users),
        _tracks_of(users, positives, n_tracks, start),
        None if played is None else _tracks_of(users, played, n_tracks),
        fit,
        splits.log_artist[start:stop],
        0.0 if start else _share_lost(pairs, pairs[track < fit.catalog.n_tracks]),
        start,
    )


def _share_lost(pairs: Ids, reachable: Ids) -> float:
    return 1 - len(reachable) / len(pairs) if len(pairs) else 0.0


def _pairs(events: Events, n_tracks: int) -> Ids:
    """The distinct (user, track) pairs as user * n_tracks + track, ascending."""
    pairs = events.user.astype(np.int64)
    pairs *= n_tracks
    pairs += events.track
    return _distinct(pairs)


def _distinct(values: Ids) -> Ids:
    """The distinct values, none negative, ascending. `values` is sorted in place: there may be millions.

    np.unique hashes, fifty times slower on 13.5M listens.
    """
    values.sort()
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values[first]


def _among(values: Ids, known: Ids) -> NDArray[np.bool_]:
    """Which values are known, (values,). known: ascending, so that millions of them need not be sorted with the values."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def _tracks_of(users: Ids, pairs: Ids, n_tracks: int, first: int = 0) -> Ragged:
    """Row i: the tracks paired with users[i], numbered from `first`. users and pairs are ascending."""
    starts, stops = (np.searchsorted(pairs, bound * n_tracks) for bound in (users, users + 1))
    lengths = stops - starts
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = [pairs[start:stop] - user * n_tracks - first for user, start, stop in zip(users, starts, stops, strict=True)]
    return Ragged(offsets, np.concatenate([np.zeros(0, np.int64), *rows]))
