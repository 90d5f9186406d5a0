"""`drift.json`: every key of it, and how it is written and read. Keys are only ever added."""

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.json_file import read_json_file, write_json_file

DRIFT = "drift.json"


class StatisticJson(TypedDict):
    """A statistic in that new week in which it is furthest from what was expected."""

    name: str
    week: int  # the first second of the week, since 1970-01-01 UTC
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    alarm: bool
    sentence: str


class SeriesJson(TypedDict):
    """A statistic over the weeks, for pictures; null where it says nothing."""

    value: list[float | None]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]


class WeeksJson(TypedDict):
    """The new weeks of the log against those before them."""

    calibrated: bool
    sentence: str  # from what, or why not
    new_weeks: int
    past_weeks: int  # those that the threshold comes from
    threshold: float | None  # of the largest score of a week
    statistics: list[StatisticJson]
    starts: list[int]  # of the weeks of the series, the new ones last
    largest: list[float | None]  # the largest score of each of them
    series: dict[str, SeriesJson]


class PastJson(TypedDict):
    """The log of the bundle in service against today's, from the moment from which there are both to the end of the former,
    erased users left out."""

    compared: bool
    sentence: str
    champion_listens: int
    today_listens: int
    kept: float | None  # share of the champion's listens that today's log has
    known: float | None  # share of today's listens that the champion's log had
    users_gone: int  # users of the champion's log of whom it has none
    artists_gone: int
    moved_hours: float | None  # by which most missing listens are found later
    moved: float | None  # share of the missing listens that are
    other_users: float | None  # share of the missing listens that another user has at the same time
    other_names: float | None  # share of the missing listens at whose time their user has something else
    alarm: bool


class RejectsJson(TypedDict):
    """The rows that came since the bundle in service; duplicates and others that tell nothing bad are no rejects."""

    rows: int
    rejected: int
    share: float | None  # None: no rows came, or the log of the bundle in service is not known
    limit: float
    alarm: bool
    sentence: str


class DataDriftJson(TypedDict):
    """The log."""

    weeks: WeeksJson
    past: PastJson
    rejects: RejectsJson


class SideJson(TypedDict):
    """One bundle."""

    tracks: int
    users: int
    largest_norm_error: float  # of the vectors of its tracks, from 1
    centroid: float  # length of the mean vector of its tracks: 0 in all directions, 1 all the same


class ListsJson(TypedDict):
    """What is recommended in one task to the users whose lists both bundles hold."""

    users: int
    overlap: float | None  # mean share of the first 10 that both recommend
    changed: float | None  # share of the users who keep none of the first 10
    popularity: list[float | None]  # champion, challenger: mean share of its users who played what is recommended
    distinct: list[int]  # champion, challenger: tracks recommended to anybody
    alarms: list[str]


class LimitJson(TypedDict):
    """Between what a figure is ordinary; null where any value is on that side."""

    lower: float | None
    upper: float | None


class ComparisonJson(TypedDict):
    """An earlier comparison of two bundles, whose log raised no alarm."""

    challenger: str
    figures: dict[str, float]


class ModelDriftJson(TypedDict):
    """The new bundle, the challenger, against the one in service, the champion."""

    champion: SideJson
    challenger: SideJson
    tracks_of_both: int
    users_of_both: int
    asked: int  # tracks whose neighbours were compared
    overlap: float | None  # mean share of their 10 nearest that both have
    lists: dict[str, ListsJson]  # by task
    alarms: list[str]
    figures: NotRequired[
        dict[str, float]
    ]  # what is held against the limits: shares, and ratios of the challenger to the champion
    limits: NotRequired[dict[str, LimitJson]]  # of the figures
    earlier_comparisons: NotRequired[int]  # that the limits come from; 0: the settings


class DriftJson(TypedDict):
    """The whole document."""

    schema: int
    champion: str | None  # version of the bundle in service; None: there is none, or it is this one
    challenger: str  # version of the new bundle
    since: int  # from this second, since 1970-01-01 UTC, the log is new
    data: DataDriftJson
    models: ModelDriftJson | None
    past: NotRequired[list[ComparisonJson]]  # what was known of earlier comparisons, the oldest first


def drift_alarms(drift: DriftJson) -> list[str]:
    """What makes the data untrustworthy, a sentence each: the last weeks, the past, the rejected rows. Empty: nothing."""
    data = drift["data"]
    sentences = [one["sentence"] for one in data["weeks"]["statistics"] if one["alarm"]]
    return sentences + [one["sentence"] for one in (data["past"], data["rejects"]) if one["alarm"]]


def model_alarms(drift: DriftJson) -> list[str]:
    """In what the new model is far from the one in service, a sentence each."""
    models = drift["models"]
    if models is None:
        return []
    return models["alarms"] + [sentence for of_task in models["lists"].values() for sentence in of_task["alarms"]]


def comparisons_of(drifts: Sequence[DriftJson], challenger: str) -> list[ComparisonJson]:
    """All comparisons that some documents know of, but for those of a challenger: the oldest first, each once.

    drifts: the oldest first. Where the log raised an alarm, the difference of the models says nothing of others.
    """
    found: dict[str, ComparisonJson] = {}
    for drift in drifts:
        own = drift["models"]
        figures = None if own is None or drift_alarms(drift) else own.get("figures")
        mine: list[ComparisonJson] = (
            [{"challenger": drift["challenger"], "figures": figures}] if figures is not None else []
        )
        for one in [*drift.get("past", []), *mine]:
            found.setdefault(one["challenger"], one)
    found.pop(challenger, None)
    return list(found.values())


def write_drift(drift: DriftJson, folder: Path) -> None:
    """Write `drift.json` into the folder."""
    write_json_file(drift, folder / DRIFT)


def read_drift(folder: Path) -> DriftJson:
    """The `drift.json` of a folder.

    Raises:
        ArtifactError: it is missing, damaged, or lacks a key that every one has.
    """
    return read_json_file(folder / DRIFT, _ADAPTER)


_ADAPTER = TypeAdapter(DriftJson)
