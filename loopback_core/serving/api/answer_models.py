"""The bodies of answers."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class Track(BaseModel):
    """A track of the catalog."""

    track: int
    artist: int
    artist_name: str
    track_name: str
    track_mbid: str | None
    artist_mbid: str | None
    listeners: int | None = None
    score: float | None = Field(None, description="Of a similar track: the cosine.")


class Artist(BaseModel):
    """An artist of the catalog."""

    artist: int
    artist_name: str
    artist_mbid: str | None
    listeners: int
    score: float | None = None


class Tracks(BaseModel):
    """Tracks, best first."""

    items: list[Track]


class Artists(BaseModel):
    """Artists, best first."""

    items: list[Artist]


class RecommendedTrack(Track):
    """A recommended track."""

    rank: int
    reason: str
    parts: dict[str, float] | None = None


class UnknownListen(BaseModel):
    """A listen to a track that the catalog does not know."""

    artist: str
    track: str
    counted_by_artist: bool


class Recommendations(BaseModel):
    """A list, best first."""

    items: list[RecommendedTrack]
    task: str
    unknown: list[UnknownListen]
    fallback: Literal["popular"] | None
    bundle: str
    milliseconds: dict[str, float]


class BatchAnswer(BaseModel):
    """The answers in the order of the requests."""

    answers: list[Recommendations]
    milliseconds: dict[str, float]


class Stored(BaseModel):
    """What became of listens."""

    stored: int
    known_already: int
    before_erasure: int
    unknown: list[UnknownListen] | None = Field(
        description="Listens to tracks that the bundle in service does not know, in their order. They are stored, and the next "
        "bundle may know them; null: no bundle is loaded."
    )


class Erased(BaseModel):
    """What went of a user."""

    listens: int = Field(description="Stored listens that were deleted.")
    in_bundle: bool | None = Field(
        description="Whether the served bundle knows the user, whom it does not answer any more; null: none is loaded yet."
    )


class BundleInfo(BaseModel):
    """The model in service."""

    version: str
    created: str
    age_days: float
    source: dict[str, Any]
    refit: str
    evaluated: dict[str, Any]
    diversity: dict[str, float]  # by task: as chosen on validation
    reranking: dict[str, str]  # by task: the method that makes lists diverse, chosen there too
    rerank: bool  # whether lists are shown so where a request says nothing
    report: str | None
    tracks: int
    users: int
    last_listen: str


class ChallengerState(BaseModel):
    """The second bundle, which some users get."""

    bundle: str
    share: float = Field(description="Of the users; 0 where it failed, and answers nobody.")
    failure: str | None


class Ready(BaseModel):
    """Whether requests are answered, and by what."""

    ready: bool
    bundle: str | None
    failure: dict[str, str] | None = None
    challenger: ChallengerState | None = Field(None, description="Only while two bundles are, or should be, compared.")
