"""`promotion.json`: every key of it, and how it is written and read."""

from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.json_file import read_json_file, write_json_file

PROMOTION_FILE = "promotion.json"

Decision = Literal["promote", "keep", "quarantine"]
"""promote: the challenger is to be served. keep: the champion stays. quarantine: the challenger could not be judged."""

Says = Literal["not worse", "worse", "nothing"]
"""nothing: the interval is too wide to tell."""


class DifferenceJson(TypedDict):
    """nDCG@10 of the challenger minus that of the champion, over the same requests."""

    task: str
    segment: str  # of users or of tracks; 'all'
    users: int
    requests: int
    champion: float  # mean over requests
    challenger: float
    difference: float
    low: float | None  # interval by users: of 95 %, in segments divided by their number; None: too few users
    high: float | None
    margin: float  # the loss that is none
    says: Says


class BoundJson(TypedDict):
    """Something that is measured of the challenger and must stay within a bound."""

    name: str
    value: float
    limit: float
    holds: bool
    sentence: str


class WindowJson(TypedDict):
    """What both were asked about: listens that neither was trained on."""

    since: int  # seconds since 1970-01-01 UTC
    until: int
    moments: int


class PromotionJson(TypedDict):
    """The verdict, and all that it follows from."""

    schema: int
    decision: Decision
    sentence: str
    challenger: str  # version of the bundle
    champion: str | None
    champion_age_days: float | None  # from its newest listen to that of the challenger
    window: WindowJson | None  # None: nothing was asked
    differences: list[DifferenceJson]
    lost: dict[
        str, float
    ]  # by task, at most 0: since the best champion, the challenger included; empty: nothing was asked
    bounds: list[BoundJson]
    faults: list[str]  # why the challenger cannot be judged, a sentence each


_FORM = TypeAdapter(PromotionJson)


def write_promotion(promotion: PromotionJson, folder: Path) -> None:
    """Write `promotion.json`."""
    write_json_file(promotion, folder / PROMOTION_FILE)


def read_promotion(folder: Path) -> PromotionJson:
    """Read `promotion.json`.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    return read_json_file(folder / PROMOTION_FILE, _FORM)
