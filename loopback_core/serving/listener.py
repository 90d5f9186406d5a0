"""The history of whoever asks: what the bundle knows of them, what they played since, and what comes with the request."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Histories, Ids, distinct_in_rows
from loopback_core.data.histories import repeats
from loopback_core.errors import RequestError
from loopback_core.serving.question import HeardTrack, Question

BETWEEN_LISTENS = 240
"""Seconds between listens that came without a time: a song each."""

NO_PROFILE = 0
"""The code of what is not known of a user."""


@dataclass(frozen=True)
class Unknown:
    """A listen to a track that the catalog does not know."""

    artist: str
    track: str
    counted_by_artist: bool


@dataclass(frozen=True)
class ListenerHistory:
    """A history in ids of a bundle, as of `Bundle.listen_artist`, oldest first."""

    ids: Ids  # (listens,)
    times: Ids  # (listens,) seconds since 1970-01-01 UTC
    moment: int  # of the request
    n_tracks: int  # of the catalog
    unknown: tuple[Unknown, ...] = ()
    user: int = -1  # of the bundle, whose profile may be read; -1: nobody whom it knows

    @property
    def is_known(self) -> bool:
        """Whether anything is known of what was played."""
        return len(self.ids) > 0

    @cached_property
    def tracks(self) -> Ids:
        """The distinct tracks of the catalog that were played, ascending."""
        known = self.ids[self.ids < self.n_tracks]
        return distinct_in_rows(np.array([0, len(known)]), known, self.n_tracks)[0].values


@dataclass(frozen=True)
class Received:
    """The listens that the service received of a user, oldest first, and what they said of being forgotten."""

    heard: Sequence[HeardTrack] = ()
    erased_at: int | None = None  # seconds since 1970-01-01 UTC: what was played until then is forgotten


def listener_of(served: ServedBundle, question: Question, received: Received) -> ListenerHistory:
    """The history that a question is answered for.

    A listen that two of the sources hold, the same track at the same second, counts once.

    Raises:
        RequestError: the moment of the request lies before one of its listens.
    """
    user = _user(served, question.user_id)
    ids, times = _known(served, user, received)
    more, more_times, _ = _found(served, received.heard, 0)
    ids, times = np.concatenate([ids, more]), np.concatenate([times, more_times])
    moment = question.at if question.at is not None else served.moment(times)
    asked, asked_times, unknown = _found(served, question.history, moment)
    if question.at is None:
        moment = int(asked_times.max(initial=moment))
    elif (asked_times > moment).any():
        raise RequestError("The history holds listens after `at`: leave them out, or give a later moment.")
    earlier = times <= moment
    ids, times = np.concatenate([ids[earlier], asked]), np.concatenate([times[earlier], asked_times])
    order = np.argsort(times, kind="stable")
    ids, times = ids[order], times[order]
    again = repeats(ids, times)
    if len(again):
        ids, times = np.delete(ids, again), np.delete(times, again)
    known_as = user if received.erased_at is None else -1
    return ListenerHistory(ids, times, moment, served.bundle.catalog.n_tracks, unknown, known_as)


def unknown_listens(served: ServedBundle, heard: Sequence[HeardTrack]) -> tuple[Unknown, ...]:
    """Those of the listens whose track the catalog does not know, in their order."""
    return _found(served, heard, 0)[2]


def histories_of(served: ServedBundle, listeners: Sequence[ListenerHistory]) -> Histories:
    """The histories of some listeners, a row each, with the profiles of those whom the log has profiles of."""
    histories = served.bundle.histories(
        [one.ids for one in listeners], [one.times for one in listeners], [one.moment for one in listeners]
    )
    if served.demographics is None:
        return histories
    users = np.array([one.user for one in listeners])
    return replace(histories, demographics=np.where(users[:, None] < 0, NO_PROFILE, served.demographics[users]))


def _user(served: ServedBundle, user_id: str | None) -> int:
    """The user of the bundle, -1: none of this name."""
    return int(served.users.find([user_id])[0]) if user_id else -1


def _known(served: ServedBundle, user: int, received: Received) -> tuple[Ids, Ids]:
    """What the bundle holds of a user; nothing of one whom it does not know."""
    if user < 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    tracks, times = served.history(user)
    if received.erased_at is None:
        return tracks, times
    kept = times > received.erased_at
    return tracks[kept], times[kept]


def _found(served: ServedBundle, heard: Sequence[HeardTrack], moment: int) -> tuple[Ids, Ids, tuple[Unknown, ...]]:
    """Ids and times of listens, those left out that say nothing; and those to tracks that the catalog does not know.

    moment: of the request, up to which listens without a time are spread, in their order.
    """
    if not heard:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), ()
    artists = [one.artist for one in heard]
    tracks, artist = served.keys.find(artists, [one.track for one in heard])
    for found, keys, texts in (
        (tracks, served.mbids.tracks, [one.track_mbid for one in heard]),
        (artist, served.mbids.artists, [one.artist_mbid for one in heard]),
    ):
        by_mbid = keys.find(texts)
        missing = found < 0
        found[missing] = by_mbid[missing]
    ids = served.bundle.listen_ids(tracks, artist)
    unknown = tuple(
        Unknown(one.artist or one.artist_mbid, one.track or one.track_mbid, bool(id_ >= 0))
        for one, track, id_ in zip(heard, tracks, ids, strict=True)
        if track < 0 and (one.track or one.track_mbid or id_ < 0)
    )
    last = len(heard) - 1
    times = np.array(
        [moment - BETWEEN_LISTENS * (last - i) if one.time is None else one.time for i, one in enumerate(heard)],
        np.int64,
    )
    says = ids >= 0
    return ids[says], times[says], unknown
