"""The bodies of requests and answers."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from loopback_core.listens.received import ReceivedListen
from loopback_core.serving.question import LONGEST_HISTORY, MOST_TRACKS, HeardTrack, Question

MOST_QUESTIONS = 256
"""In a batch."""

MOST_TRACKS_OF_BATCH = 25_600

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    text.encode()  # half of a surrogate pair is no text: UnicodeEncodeError is a ValueError
    return text


def _in_range(moment: datetime) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not EARLIEST <= aware < LATEST:
        raise ValueError("it must lie between 1970 and 2100")
    return aware.astimezone(UTC)


Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_storable)]
Mbid = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_storable)]
UserId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_storable)]
Moment = Annotated[datetime, AfterValidator(_in_range)]
Id = Annotated[int, Field(ge=0, lt=2**31)]
IdList = Annotated[list[Id], Field(max_length=10_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HistoryListen(_Body):
    """A listen of a history: names or MusicBrainz ids of the track, or of the artist alone."""

    artist: Name | None = None
    track: Name | None = None
    artist_mbid: Mbid | None = None
    track_mbid: Mbid | None = None
    time: Moment | None = Field(
        None, description="ISO 8601; UTC without a zone. None: it is one of the latest listens."
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.track_mbid is None and self.artist is None and self.artist_mbid is None:
            raise ValueError("give artist and track, or artist alone, or a MusicBrainz id")
        return self


class Exclude(_Body):
    """What must not be recommended."""

    tracks: IdList = []
    artists: IdList = []


class Only(_Body):
    """What may be recommended; None: anything."""

    artists: IdList | None = None
    first_heard_after: date | None = Field(
        None, description="Tracks that nobody had heard on this day (UTC) or before."
    )


class RecommendationRequest(_Body):
    """Who asks, and for what. Without a user and a history the answer is what most people listen to."""

    user_id: UserId | None = None
    history: Annotated[list[HistoryListen], Field(max_length=LONGEST_HISTORY)] = []
    task: Literal["discovery", "next_listen"] = "discovery"
    k: int = Field(10, ge=1, le=MOST_TRACKS)
    exclude: Exclude = Exclude()
    only: Only = Only()
    at: Moment | None = Field(
        None, description="The time of the request; None: the end of the log, or the last listen."
    )
    explain: bool = Field(False, description="Answer with the parts of every score.")
    familiarity: float | None = Field(
        None, ge=0, le=1, description="Share of the list that the user knows already; None: as the task says."
    )

    def question(self) -> Question:
        """The same for the service."""
        after = self.only.first_heard_after
        end_of_day = (
            None if after is None else _seconds(datetime(after.year, after.month, after.day, 23, 59, 59, tzinfo=UTC))
        )
        return Question(
            self.user_id,
            tuple(_heard(listen) for listen in self.history),
            self.task,
            self.k,
            tuple(self.exclude.tracks),
            tuple(self.exclude.artists),
            None if self.only.artists is None else tuple(self.only.artists),
            end_of_day,
            None if self.at is None else _seconds(self.at),
            self.explain,
            self.familiarity,
        )


class BatchRequest(_Body):
    """Several requests, answered by one pass of the tower."""

    requests: Annotated[list[RecommendationRequest], Field(min_length=1, max_length=MOST_QUESTIONS)]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if sum(request.k for request in self.requests) > MOST_TRACKS_OF_BATCH:
            raise ValueError(f"the lists of a batch may hold {MOST_TRACKS_OF_BATCH:,} tracks together")
        return self


class NewListen(_Body):
    """A listen to store."""

    user_id: UserId
    artist: Name
    track: Name
    time: Moment = Field(description="ISO 8601; UTC without a zone.")
    artist_mbid: Mbid | None = None
    track_mbid: Mbid | None = None


class NewListens(_Body):
    """Listens to store, all or none."""

    listens: Annotated[list[NewListen], Field(min_length=1, max_length=1000)]

    def received(self) -> list[ReceivedListen]:
        """The same for the store."""
        return [
            ReceivedListen(one.user_id, one.artist, one.track, one.time, one.artist_mbid, one.track_mbid)
            for one in self.listens
        ]


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


class Erased(BaseModel):
    """The stored listens of a user that went."""

    listens: int


class BundleInfo(BaseModel):
    """The model in service."""

    version: str
    created: str
    age_days: float
    source: dict[str, Any]
    refit: str
    evaluated: dict[str, Any]
    report: str | None
    tracks: int
    users: int
    last_listen: str


class Ready(BaseModel):
    """Whether requests are answered, and by what."""

    ready: bool
    bundle: str | None
    failure: dict[str, str] | None = None


def _heard(listen: HistoryListen) -> HeardTrack:
    time = None if listen.time is None else _seconds(listen.time)
    return HeardTrack(listen.artist or "", listen.track or "", listen.artist_mbid or "", listen.track_mbid or "", time)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
