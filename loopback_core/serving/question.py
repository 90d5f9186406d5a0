"""What is asked of the service, with names found in the catalog or not."""

from dataclasses import dataclass
from typing import Literal

TaskName = Literal["discovery", "next_listen"]

LONGEST_HISTORY = 20_000
"""Of a history in a request."""

MOST_TRACKS = 1_000
"""Of a list."""


@dataclass(frozen=True)
class HeardTrack:
    """A listen in a request: names, or MusicBrainz ids, or both. What is empty was not given."""

    artist: str = ""
    track: str = ""
    artist_mbid: str = ""
    track_mbid: str = ""
    time: int | None = None  # seconds since 1970-01-01 UTC; None: the listen counts as one of the latest


@dataclass(frozen=True)
class Question:
    """A request for recommendations whose form is right."""

    user_id: str | None = None
    history: tuple[HeardTrack, ...] = ()  # newer than what is known of the user
    task: TaskName = "discovery"
    k: int = 10
    exclude_tracks: tuple[int, ...] = ()
    exclude_artists: tuple[int, ...] = ()
    only_artists: tuple[int, ...] | None = None
    first_heard_after: int | None = None  # seconds since 1970-01-01 UTC
    at: int | None = None  # seconds since 1970-01-01 UTC; None: now, by the clock of the bundle
    explain: bool = False
    familiarity: float | None = None  # share of the list that the user knows, 0 to 1; None: as the task says
    rank: bool = True  # whether the ranker puts the best candidates in order; False: the linear score alone
    diversity: float | None = None  # 0 to 1; None: as the bundle says
