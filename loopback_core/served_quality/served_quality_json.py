"""`served_quality.json`: every key of it, and how it is written and read."""

from pathlib import Path

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.json_file import read_json_file, write_json_file

SERVED_QUALITY_FILE = "served_quality.json"


class RateJson(TypedDict):
    """The share of answers of which a track among the first k was heard within the horizon."""

    task: str
    bundle: str | None  # version; None: all
    day: str | None  # YYYY-MM-DD, UTC; None: all
    k: int
    answers: int
    users: int
    value: float
    low: float | None  # of the 95 % interval by users; None: too few users
    high: float | None


class PositionJson(TypedDict):
    """The share of the tracks at a place of the lists that were heard within the horizon."""

    task: str
    position: int  # from 1
    shown: int
    users: int
    value: float
    low: float | None
    high: float | None


class SideBySideJson(TypedDict):
    """Two bundles that were served side by side, to different users; the rates are those of their answers at `k`."""

    task: str
    k: int
    champion: str  # versions
    challenger: str
    champion_answers: int
    challenger_answers: int
    champion_users: int
    challenger_users: int
    champion_rate: float
    challenger_rate: float
    difference: float  # of the challenger minus that of the champion
    low: float | None  # of the 95 % interval; None: too few users on a side
    high: float | None


class AnswerCounts(TypedDict):
    """What became of the answers of the log. All but `anonymous` add up to `logged`."""

    logged: int  # to known users
    anonymous: int  # to others, which are only counted
    repeats: int  # of another answer
    unreadable: int  # the bundle that answered is gone or damaged
    waiting: int  # their horizon has not ended: listens may come
    counted: int


class ReplayJson(TypedDict):
    """A sample of the answers beside the lists that the evaluation makes of the same histories."""

    answers: int  # that were replayed
    same: int  # track for track
    overlap: float | None  # mean share of the tracks that are in both; None: nothing was replayed


class ServedQualityJson(TypedDict):
    """What was heard of what was shown."""

    schema: int
    sentences: list[str]
    horizon_days: float
    repeat_minutes: float
    answers: AnswerCounts
    rates: list[RateJson]
    positions: list[PositionJson]
    splits: list[SideBySideJson]
    replayed: ReplayJson | None  # None: no answer is in the log


_FORM = TypeAdapter(ServedQualityJson)


def write_served_quality(quality: ServedQualityJson, folder: Path) -> None:
    """Write `served_quality.json`."""
    write_json_file(quality, folder / SERVED_QUALITY_FILE)


def read_served_quality(folder: Path) -> ServedQualityJson:
    """Read `served_quality.json`.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    return read_json_file(folder / SERVED_QUALITY_FILE, _FORM)
