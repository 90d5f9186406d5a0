"""Example users: what they played, what they were recommended, and for each track a reason that can be checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import NOTHING, Events, Floats, Ids, Ranking
from loopback_core.evaluation.segments import user_segments
from loopback_core.recommenders.lists import is_ours
from loopback_core.tasks.task import Task

LISTENER_KINDS = ("light", "medium", "heavy")

RECENT_LISTENS = 100
"""The last listens of a user, of which the artists are shown."""

ARTISTS_SHOWN, TRACKS_SHOWN = 5, 5


@dataclass(frozen=True)
class Recommended:
    """A recommended track and the fact about the listening data that connects it with the user."""

    artist: str
    title: str
    reason: str


@dataclass(frozen=True)
class Example:
    """A user and the lists of each recommender. All strings are names from the log: untrusted text."""

    user: str
    kind: str  # light, medium or heavy
    listens: int
    artists: Sequence[tuple[str, int]]  # artists of the last RECENT_LISTENS listens with their plays, most played first
    lists: Mapping[str, Sequence[Recommended]]  # recommender -> its first tracks


def example_users(
    task: Task,
    rankings: Mapping[str, Ranking],
    track_names: pl.DataFrame,
    users: pl.DataFrame,
    vectors: Floats | None,
    seed: int,
) -> list[Example]:
    """One light, one medium and one heavy user of a task, drawn by seed, with the first tracks of every ranking.

    rankings: recommender -> its lists, (users of the task, k). track_names: track, artist_name, track_name. users: user,
    user_id. vectors: (n_tracks, D) of the towers, or None; for others a track is explained by who else plays it.
    """
    rng = np.random.default_rng(seed)
    names = _Names(track_names, users)
    examples = []
    for kind, belongs in user_segments(task.histories).items():
        if kind in LISTENER_KINDS and belongs.any():
            row = int(rng.choice(np.flatnonzero(belongs)))
            history = _History(task.histories.tracks[row], task.histories.take(np.array([row])).timestamps, names)
            user = int(task.users[row])
            lists = {}
            for recommender, ranking in rankings.items():
                if vectors is not None and is_ours(recommender):
                    reason = _nearest_track(history, vectors)
                else:
                    reason = _nearest_user(history, user, task, names)
                tracks = ranking.tracks[row]
                first = tracks[tracks != NOTHING][:TRACKS_SHOWN] + task.first_candidate
                lists[recommender] = [
                    Recommended(*names.track(track), history.plays_of_artist(track) or reason(track))
                    for track in first.tolist()
                ]
            examples.append(Example(names.user(user), kind, len(history.tracks), history.recent_artists(), lists))
    return examples


class _Names:
    def __init__(self, tracks: pl.DataFrame, users: pl.DataFrame) -> None:
        tracks = tracks.sort("track")
        self._track = tracks["track"].to_numpy()
        self._artist, self._title = tracks["artist_name"], tracks["track_name"]
        self._users = dict(zip(users["user"].to_list(), users["user_id"].to_list(), strict=True))

    def track(self, track: int) -> tuple[str, str]:
        """Artist and title."""
        place = int(np.searchsorted(self._track, track))
        return self._artist[place], self._title[place]

    def artists(self, tracks: Ids) -> list[str]:
        """The artist of each track."""
        artists: list[str] = self._artist.gather(np.searchsorted(self._track, tracks)).to_list()
        return artists

    def user(self, user: int) -> str:
        return str(self._users[user])


@dataclass(frozen=True)
class _History:
    """The listens of one user, oldest first. tracks and timestamps are (n,)."""

    tracks: Ids
    timestamps: Ids
    names: _Names

    def recent_artists(self) -> list[tuple[str, int]]:
        """The artists of the last RECENT_LISTENS listens with their plays, most played first."""
        artists = pl.Series("artist", self._artists[-RECENT_LISTENS:], pl.String)
        counts = (
            artists.to_frame()
            .group_by("artist", maintain_order=True)
            .len()
            .sort("len", descending=True, maintain_order=True)
        )
        return counts.head(ARTISTS_SHOWN).rows()

    def plays_of_artist(self, track: int) -> str | None:
        """How often the user played the artist of the track; None if never."""
        artist = self.names.track(track)[0]
        plays = np.flatnonzero(np.array(self._artists, dtype=object) == artist)
        if not len(plays):
            return None
        last = datetime.fromtimestamp(int(self.timestamps[plays[-1]]), UTC)
        return f"you played {artist} {_times(len(plays))}, last on {last:%Y-%m-%d}"

    @cached_property
    def _artists(self) -> list[str]:
        return self.names.artists(self.tracks)


def _nearest_track(history: _History, vectors: Floats) -> Callable[[int], str]:
    """By the track of the history whose vector is nearest."""
    played = np.unique(history.tracks[history.tracks < len(vectors)])
    space = _unit(vectors[played])

    def reason(track: int) -> str:
        if not len(played) or track >= len(vectors):
            return "no track that you played can be compared"
        nearest = int(played[np.argmax(space @ _unit(vectors[track : track + 1])[0])])
        artist, title = history.names.track(nearest)
        times = _times(int(np.sum(history.tracks == nearest)))
        return f"near {title} by {artist}, which you played {times}"

    return reason


def _nearest_user(history: _History, user: int, task: Task, names: _Names) -> Callable[[int], str]:
    """By the listener of the track who shares the most tracks with the user."""
    events = task.fit.events
    shared = shared_tracks(history.tracks, events, task.fit.catalog.n_users)

    def reason(track: int) -> str:
        listeners = np.unique(events.user[events.track == track])
        listeners = listeners[listeners != user]
        if not len(listeners):
            return "no other user plays it"
        nearest = int(listeners[np.argmax(shared[listeners])])
        n_shared = int(shared[nearest])
        if not n_shared:
            return "no user who plays it shares a track with you"
        tracks = f"{n_shared:,} track{'s' * (n_shared != 1)}"
        return f"also played by {names.user(nearest)}, who shares {tracks} with you"

    return reason


def shared_tracks(tracks: Ids, events: Events, n_users: int) -> NDArray[np.int64]:
    """How many of the given distinct tracks each user played, (n_users,)."""
    n_tracks = int(max(events.track.max(initial=-1), np.max(tracks, initial=-1))) + 1
    mine = np.zeros(n_tracks, bool)
    mine[tracks] = True
    common = mine[events.track]
    pairs = np.unique(events.user[common].astype(np.int64) * n_tracks + events.track[common])
    return np.bincount(pairs // n_tracks, minlength=n_users)


def _unit(vectors: Floats) -> NDArray[np.float32]:
    """Rows scaled to length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"
