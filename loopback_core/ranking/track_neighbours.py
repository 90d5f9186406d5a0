"""Neighbours of tracks: which tracks follow which, and which are played in the same sessions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from loopback_core.data import SESSION_GAP, FitData, Floats, Ids, stable_order
from loopback_core.errors import ArtifactError
from loopback_core.ranking.heard import Heard
from loopback_core.ranking.related_artists import CONTRAST
from loopback_core.ranking.sparse_rows import Rows
from loopback_core.runtime.in_threads import in_threads
from loopback_core.towers.decayed_counts import Bag

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS_FILE = "neighbours.safetensors"

WINDOW = 10
"""Listens after a track in which another one follows it, at distance d with the weight 1 / d."""

SESSION = 50
"""Listens of a session at most; a longer one is cut, so that the pairs of a log are a bounded number for each listen."""

MOST_LISTENS = 2_000_000
"""The last listens of the log, from which the pairs are learned: older ones say less about the tracks of today."""

DOUBT = 2.0
"""Plays of a track without any neighbour that are added to its own: a rule from one play is hardly one."""

HALF_LIVES = (3, 10, 100, 1000)
"""Of the weight of a listen, in later listens of the user."""

LIGHTEST_LISTEN = 1e-3
"""Listens that weigh less are not read."""

FURTHEST_LISTEN = max(HALF_LIVES) * math.log2(1 / LIGHTEST_LISTEN)
"""Later listens after which a listen weighs less than that, whatever the half-life."""

MOST_NEW = 300
"""Tracks outside of the history that get a value, by each feature: the largest ones."""

PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Neighbours:
    """Two matrices over the tracks of the catalog, (n_tracks, n_tracks), with a few entries in each row.

    Rules: how often the column came after the row, divided by the plays of the row (Kamehkhosh et al. 2017). Sessions:
    how many sessions have both, divided by the root of the product of the sessions of each (Ludewig & Jannach 2018).
    """

    rules: Rows
    sessions: Rows

    @classmethod
    def learn(cls, data: FitData, most: int) -> Self:
        """The `most` strongest neighbours of each track, from the MOST_LISTENS last listens of `data`."""
        late = slice(max(0, len(data.events) - MOST_LISTENS), None)
        user, track, time = data.events.user[late], data.events.track[late], data.events.timestamp[late]
        order = stable_order(user, data.catalog.n_users)  # each user's by time, as events are
        user, tracks, time = user[order], track[order].astype(np.int64), time[order]
        n_tracks = data.catalog.n_tracks
        rules = _rules(user, tracks, n_tracks, most)
        return cls(Rows.of(rules), Rows.of(_sessions(user, tracks, time, n_tracks, most)))

    def of(self, heard: Heard) -> Bag:
        """What the last tracks of each history lead to: for every half-life the rules, then for each the sessions.

        A track with a share s of the largest score has the value log(1 + CONTRAST * s). New are the MOST_NEW largest of
        each feature; tracks of the history keep every value. heard: the tracks of some histories.
        """
        rows = in_threads(lambda of_row: self._of_one(*of_row), list(heard.by_row()))
        items = np.concatenate([np.zeros(0, np.int64), *(tracks for tracks, _ in rows)])
        width = 2 * len(HALF_LIVES)
        values = np.concatenate([np.zeros((0, width), np.float32), *(of_row for _, of_row in rows)])
        return Bag(items, values, np.repeat(np.arange(len(rows)), [len(tracks) for tracks, _ in rows]))

    def _of_one(self, tracks: Ids, place: NDArray[np.int32], later: Ids) -> tuple[Ids, Floats]:
        """Of one history: distinct tracks, ascending, and their values, (n, 2 * half-lives).

        tracks: those that were heard, ascending. place: of every listen, in tracks; oldest first. later: listens after it.
        """
        tracks = tracks[tracks < len(self.rules)]
        is_read = (place < len(tracks)) & (later <= FURTHEST_LISTEN)
        later = later[is_read]
        recent, of_listen = np.unique(place[is_read], return_inverse=True)
        weight = np.exp2(-later / np.array(HALF_LIVES)[:, None])  # (half-lives, listens)
        weight[weight < LIGHTEST_LISTEN] = 0
        since = np.zeros(len(recent), np.int64)
        since[of_listen] = later  # of the last listen
        lately = np.argsort(since)
        of_track = np.stack([np.bincount(of_listen, row, len(recent)).astype(np.float64) for row in weight])
        rows = tracks[recent[lately]]
        sums = [matrix.sums(rows, of_track[:, lately]) for matrix in (self.rules, self.sessions)]
        kept = [np.zeros(0, np.int64)]
        for found, scores in sums:
            is_heard = np.zeros(len(found), np.bool_)
            is_heard[_place(tracks, found)[1]] = True
            kept.append(found[is_heard & np.any([score > 0 for score in scores], axis=0)])
            kept += [found[_best_new(score, is_heard)] for score in scores]
        items = np.unique(np.concatenate(kept))
        values: Floats = np.zeros((len(items), 2 * len(HALF_LIVES)), np.float32)
        for number, (found, scores) in enumerate(sums):
            is_found, at = _place(items, found)
            for column, score in enumerate(scores, number * len(HALF_LIVES)):
                values[is_found, column] = np.log1p(CONTRAST * score[at] / max(float(score.max(initial=0)), 1e-12))
        return items, values

    def save(self, folder: Path) -> None:
        """Write both matrices as safetensors."""
        arrays: dict[str, NDArray[np.number]] = {}
        for name, matrix in {"rules": self.rules, "sessions": self.sessions}.items():
            arrays |= {f"{name}.{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
        save_file(arrays, folder / NEIGHBOURS_FILE)


def load_neighbours(folder: Path) -> Neighbours | None:
    """Read what :meth:`Neighbours.save` wrote; None where the towers were trained without.

    Raises:
        ArtifactError: the file is damaged.
    """
    if not (folder / NEIGHBOURS_FILE).exists():
        return None
    try:
        with safe_open(folder / NEIGHBOURS_FILE, "pt") as file:  # torch maps what numpy would copy
            rules, sessions = (
                Rows(*(file.get_tensor(f"{name}.{part}").numpy() for part in ("indptr", "indices", "data")))
                for name in ("rules", "sessions")
            )
        return Neighbours(rules, sessions)
    except Exception as error:  # safetensors raises errors of its own
        raise ArtifactError(f"The neighbours in {folder} cannot be read ({error}); train the towers again.") from error


def _rules(user: NDArray[np.int32], track: Ids, n_tracks: int, most: int) -> csr_array:
    """Counted one distance at a time: most pairs come back, and only distinct ones take memory."""
    from scipy.sparse import csr_array

    rules = csr_array((n_tracks, n_tracks), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        before, after = track[:-distance], track[distance:]
        is_pair = (user[:-distance] == user[distance:]) & (before != after)
        weight = np.full(int(is_pair.sum()), 1 / distance, np.float32)
        rules += csr_array((weight, (before[is_pair], after[is_pair])), (n_tracks, n_tracks))
    plays = np.bincount(track, minlength=n_tracks)
    rules.data /= np.repeat((plays + DOUBT).astype(np.float32), np.diff(rules.indptr))
    return _stack([_strongest(block, most) for block in _blocks(rules, np.diff(rules.indptr))])


def _sessions(user: NDArray[np.int32], track: Ids, time: Ids, n_tracks: int, most: int) -> csr_array:
    """The product of tracks × sessions with itself, of a block of tracks at a time."""
    from scipy.sparse import csr_array

    begins = (np.diff(user, prepend=-1) != 0) | (np.diff(time, prepend=0) > SESSION_GAP)
    starts = np.flatnonzero(begins)
    place = np.arange(len(track)) - np.repeat(starts, np.diff(starts, append=len(track)))
    session = np.cumsum(begins | (place % SESSION == 0)) - 1
    n_sessions = int(session[-1]) + 1 if len(session) else 0
    of_session = csr_array((np.ones(len(track), np.float32), (session, track)), (n_sessions, n_tracks))
    of_session.sum_duplicates()
    of_session.data[:] = 1
    of_track = csr_array(of_session.T)
    lengths = np.diff(of_session.indptr)
    pairs = np.bincount(np.repeat(np.arange(n_tracks), np.diff(of_track.indptr)), lengths[of_track.indices], n_tracks)
    root = np.sqrt(np.diff(of_track.indptr) + DOUBT).astype(np.float32)
    kept, first = [], 0
    for rows in _blocks(of_track, pairs):
        together = csr_array(rows @ of_session)
        together.data /= root[together.indices]
        row = np.repeat(np.arange(first, first + rows.shape[0]), np.diff(together.indptr))
        together.data[row == together.indices] = 0  # before the strongest are kept: no track is its own neighbour
        together.eliminate_zeros()
        kept.append(_strongest(together, most))
        first += rows.shape[0]
    whole = _stack(kept)
    whole.data /= np.repeat(root, np.diff(whole.indptr))
    return whole


def _blocks(matrix: csr_array, work: NDArray[np.number]) -> Iterator[csr_array]:
    """Rows of a matrix, about PAIRS_AT_ONCE of work at a time. work: (rows,)."""
    number = np.cumsum(work) // PAIRS_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), matrix.shape[0]]
    yield from (matrix[low:high] for low, high in pairwise(bounds) if low < high)


def _strongest(matrix: csr_array, most: int) -> csr_array:
    """The `most` largest entries of each row."""
    from scipy.sparse import csr_array

    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, row))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    kept = np.sort(order[place < most])
    return csr_array((matrix.data[kept], (row[kept], matrix.indices[kept])), matrix.shape)


def _stack(blocks: list[csr_array]) -> csr_array:
    from scipy.sparse import csr_array, vstack

    return csr_array(vstack(blocks, format="csr"))


def _best_new(score: NDArray[np.float64], is_heard: NDArray[np.bool_]) -> Ids:
    """Of tracks with scores, (n,), the places of the MOST_NEW best of those that were not heard."""
    new = np.flatnonzero(~is_heard & (score > 0))
    if len(new) > MOST_NEW:
        new = new[np.argpartition(-score[new], MOST_NEW)[:MOST_NEW]]
    return new


def _place(wanted: Ids, found: Ids) -> tuple[NDArray[np.bool_], Ids]:
    """Which of some ids, (n,), are in an ascending array, and the positions of these."""
    place = np.searchsorted(found, wanted)
    is_there = place < len(found)
    is_there[is_there] = found[place[is_there]] == wanted[is_there]
    return is_there, place[is_there]
