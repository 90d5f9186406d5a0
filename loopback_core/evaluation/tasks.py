"""What a recommender is asked on the held-out future: whose lists, which candidates, which positives."""

from dataclasses import dataclass
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
    """One question, the same for every recommender. Row i of every ragged array belongs to `users[i]`."""

    name: str
    users: Ids  # (users,) dense ids of the scored users
    histories: Histories
    positives: Ragged  # distinct tracks, at least one per row
    exclude: Ragged | None  # tracks that are no candidates; None: every candidate stands
    fit: FitData
    candidate_artist: NDArray[np.int32]  # (n_candidates,) candidates are the tracks 0 to n_candidates
    unreachable: float  # share of the pooled positives that lie outside the catalog of the fit data

    @property
    def n_candidates(self) -> int:
        """Candidates before anything is excluded: the catalog; in the reference protocol the whole log."""
        return len(self.candidate_artist)

    @property
    def n_candidates_per_user(self) -> Ids:
        """Candidates of each user after exclusion, (users,)."""
        n_excluded = np.zeros(len(self.users), np.int64) if self.exclude is None else self.exclude.lengths
        return self.n_candidates - n_excluded


def discovery(splits: "Splits", phase: Phase) -> Task:
    """New tracks: candidates are the catalog minus what the user played; positives the tracks first played then."""
    fit, held_out = _parts(splits, phase)
    return _build("discovery", splits, fit, held_out, fit.catalog.artist, only_new=True)


def next_listen(splits: "Splits", phase: Phase) -> Task:
    """Whatever comes next, repeats too: candidates are the whole catalog; positives the tracks played then."""
    fit, held_out = _parts(splits, phase)
    return _build("next_listen", splits, fit, held_out, fit.catalog.artist, only_new=False)


def reference_protocol(splits: "Splits", phase: Phase) -> Task:
    """As the reference implementation measures, leak included: fitted on train, candidates are the whole log.

    Tracks that only the held-out future plays are candidates: they have no plays and no trained id, only an artist.
    """
    _, held_out = _parts(splits, phase)
    return _build("reference_protocol", splits, splits.tuning, held_out, splits.log_artist, only_new=True)


TASKS = {"discovery": discovery, "next_listen": next_listen, "reference_protocol": reference_protocol}
"""Name -> builder."""


def _parts(splits: "Splits", phase: Phase) -> tuple[FitData, Events]:
    return (splits.tuning, splits.validation) if phase == "tuning" else (splits.testing, splits.test)


def _build(
    name: str,
    splits: "Splits",
    fit: FitData,
    held_out: Events,
    candidate_artist: NDArray[np.int32],
    *,
    only_new: bool,
) -> Task:
    n_tracks = len(splits.log_artist)
    played = _pairs(fit.events, n_tracks)
    pairs = _pairs(held_out, n_tracks)
    pairs = pairs[np.isin(pairs // n_tracks, splits.train.user)]  # users whom train knows
    if only_new:
        pairs = pairs[~np.isin(pairs, played, assume_unique=True)]
    reachable = pairs % n_tracks < fit.catalog.n_tracks
    unreachable = 1 - float(np.mean(reachable)) if len(pairs) else 0.0

    positives = pairs[pairs % n_tracks < len(candidate_artist)]
    users = np.unique(positives // n_tracks)
    return Task(
        name,
        users,
        Histories.of(fit.events, users, fit.now),
        _tracks_of(users, positives, n_tracks),
        _tracks_of(users, played, n_tracks) if only_new else None,
        fit,
        candidate_artist,
        unreachable,
    )


def _pairs(events: Events, n_tracks: int) -> Ids:
    """The distinct (user, track) pairs as user * n_tracks + track, ascending."""
    pairs = np.sort(events.user.astype(np.int64) * n_tracks + events.track)
    return pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique hashes, fifty times slower on 13.5M listens


def _tracks_of(users: Ids, pairs: Ids, n_tracks: int) -> Ragged:
    """Row i: the tracks paired with users[i]. users and pairs are ascending."""
    pairs = pairs[np.isin(pairs // n_tracks, users)]
    return Ragged.from_pairs(np.searchsorted(users, pairs // n_tracks), pairs % n_tracks, len(users))
