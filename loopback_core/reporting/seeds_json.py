"""`seeds.json`: several trainings that differ in their seed, written by `loopback_core.reporting.seeds`."""

from pathlib import Path

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.json_file import read_json_file
from loopback_core.evaluation.significance import Comparison, Mean


class SeedsTask(TypedDict):
    """One task. `mean` and `against_rival` are of the users' means over seeds."""

    users: int
    rival: str
    each: dict[str, dict[str, list[float]]]  # recommender -> metric -> the mean over users of each seed
    mean: dict[str, dict[str, Mean]]  # recommender -> metric
    against_rival: dict[str, dict[str, Comparison]]  # recommender -> metric -> that one minus the rival


class Seeds(TypedDict):
    """The whole document."""

    schema: int
    seeds: list[int]
    versions: list[str]  # of the towers of each seed
    resamples: int
    tasks: dict[str, SeedsTask]


def read_seeds(path: Path) -> Seeds:
    """The document at this path.

    Raises:
        ArtifactError: it is missing or damaged, or it is another document.
    """
    return read_json_file(path, _ADAPTER)


_ADAPTER = TypeAdapter(Seeds)
