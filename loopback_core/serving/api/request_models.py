"""The bodies of requests."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from loopback_core.listens.received import ReceivedListen
from loopback_core.serving.question import LONGEST_HISTORY, MOST_TRACKS, HeardTrack, Question

MOST_QUESTIONS = 256
"""In a batch."""

MOST_TRACKS_OF_BATCH, MOST_LISTENS_OF_BATCH = 25_600, 100_000

MOST_FIELDS = 50
"""Of an object. Each unknown field is an error of its own, and each error takes a kilobyte: of a body of 8 MB, minutes."""

CLOCKS_APART = timedelta(days=1)
"""A listen may be later than its reception by this, as in the ingest: clocks are wrong, and zones are forgotten."""

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


def _not_to_come(moment: datetime) -> datetime:
    if moment > datetime.now(UTC) + CLOCKS_APART:
        raise ValueError("it lies in the future")
    return moment


Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_storable)]
WrittenName = Annotated[Name, Field(pattern=r"\S")]
Mbid = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_storable)]
UserId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_storable)]
Moment = Annotated[datetime, AfterValidator(_in_range)]
PastMoment = Annotated[Moment, AfterValidator(_not_to_come)]
Id = Annotated[int, Field(ge=0, lt=2**31)]
IdList = Annotated[list[Id], Field(max_length=10_000, fail_fast=True)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, content: Any) -> Any:
        if isinstance(content, dict) and len(content) > MOST_FIELDS:
            raise ValueError(f"it may have {MOST_FIELDS} fields at most")
        return content


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
    history: Annotated[list[HistoryListen], Field(max_length=LONGEST_HISTORY, fail_fast=True)] = []
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
    rank: bool = Field(
        True,
        description="Whether the best candidates are put in order by the ranker, where validation said that it pays; false: by the linear score.",
    )
    diversity: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How different the tracks of the list are: 0 by the rules alone; None: in the order of their scores, or "
        "as was chosen when the model was trained where the bundle was built so.",
    )

    @field_validator("at")
    @classmethod
    def _not_before_its_history(cls, at: datetime | None, info: ValidationInfo) -> datetime | None:
        times = [listen.time for listen in info.data.get("history", ()) if listen.time is not None]
        if at is not None and times and max(times) > at:
            raise ValueError("the history holds listens after it: leave them out, or give a later moment")
        return at

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
            self.rank,
            self.diversity,
        )


class BatchRequest(_Body):
    """Several requests, answered by one pass of the tower."""

    requests: Annotated[list[RecommendationRequest], Field(min_length=1, max_length=MOST_QUESTIONS, fail_fast=True)]

    @field_validator("requests", mode="before")
    @classmethod
    def _of_bounded_histories(cls, requests: Any) -> Any:
        """Counted before they are read: reading a million listens would hold up every other request."""
        asked = [one.get("history") for one in requests if isinstance(one, dict)] if isinstance(requests, list) else []
        if sum(len(history) for history in asked if isinstance(history, list)) > MOST_LISTENS_OF_BATCH:
            raise ValueError(f"the histories of a batch may hold {MOST_LISTENS_OF_BATCH:,} listens together")
        return requests

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if sum(request.k for request in self.requests) > MOST_TRACKS_OF_BATCH:
            raise ValueError(f"the lists of a batch may hold {MOST_TRACKS_OF_BATCH:,} tracks together")
        return self


class NewListen(_Body):
    """A listen to store."""

    user_id: UserId
    artist: WrittenName
    track: WrittenName
    time: PastMoment = Field(description="ISO 8601; UTC without a zone. Not in the future.")
    artist_mbid: Mbid | None = None
    track_mbid: Mbid | None = None


class NewListens(_Body):
    """Listens to store, all or none."""

    listens: Annotated[list[NewListen], Field(min_length=1, max_length=1000, fail_fast=True)]

    def received(self) -> list[ReceivedListen]:
        """The same for the store."""
        return [
            ReceivedListen(one.user_id, one.artist, one.track, one.time, one.artist_mbid, one.track_mbid)
            for one in self.listens
        ]


def _heard(listen: HistoryListen) -> HeardTrack:
    time = None if listen.time is None else _seconds(listen.time)
    return HeardTrack(listen.artist or "", listen.track or "", listen.artist_mbid or "", listen.track_mbid or "", time)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
