"""`seeds.json`: several trainings that differ in their seed, written by `loopback_core.reporting.seeds`."""

from pathlib import Path
from typing import NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.json_file import read_json_file
from loopback_core.evaluation.significance import Comparison, Mean


class SeedsValues(TypedDict):
    """`mean` and `against_rival` are of the means over seeds, of each user or of each request."""

    users: int
    rival: str
    each: dict[str, dict[str, list[float]]]  # recommender -> metric -> the mean over users or requests of each seed
    mean: dict[str, dict[str, Mean]]  # recommender -> metric
    against_rival: dict[str, dict[str, Comparison]]  # recommender -> metric -> that one minus the rival


class SeedsRolling(SeedsValues):
    """One task asked at several moments of test, measured with one set of positives."""

    requests: int


class SeedsTask(SeedsValues):
    """One task at the official cut, and at moments of test where those were asked."""

    rolling: NotRequired[dict[str, SeedsRolling]]  # 'rest' or 'near'


class Seeds(TypedDict):
    """The whole document."""

    schema: int
    seeds: list[int]
    versions: list[str]  # of the towers of each seed
    resamples: int
    moments: NotRequired[int]
    horizon_days: NotRequired[float]
    tasks: dict[str, SeedsTask]


def read_seeds(path: Path) -> Seeds:
    """The document at this path.

    Raises:
        ArtifactError: it is missing or damaged, or it is another document.
    """
    return read_json_file(path, _ADAPTER)


_ADAPTER = TypeAdapter(Seeds)
