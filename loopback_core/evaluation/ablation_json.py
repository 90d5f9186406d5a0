"""`ablation.json`: every key of it, and how it is written and read. Keys are only ever added."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.json_file import read_json_file, write_json_file
from loopback_core.evaluation.significance import Comparison, Mean


class TrainingFacts(TypedDict):
    """One training. A diverged one has `seed`, `diverged` and `losses` alone."""

    seed: int
    diverged: bool
    losses: list[float]  # of each epoch
    best_epoch: NotRequired[int]
    seconds: NotRequired[float]
    targets_per_second: NotRequired[float]
    parameters: NotRequired[int]
    device: NotRequired[str]


class AblationRow(TypedDict):
    """A choice. Its values are means over seeds; a choice that diverged under any seed has none."""

    choice: str
    preset: str
    overrides: Mapping[str, Mapping[str, Any]]  # section -> key -> value
    diverged: list[int]  # the seeds under which it did
    runs: list[TrainingFacts]
    best_epoch: float | None
    seconds: float | None
    targets_per_second: float | None
    parameters: float | None
    tasks: dict[str, dict[str, dict[str, Mean]]]  # task -> alone or served -> metric
    paired: dict[str, dict[str, dict[str, Comparison]]]  # the same, minus the recipe; empty for the recipe itself


class Ablation(TypedDict):
    """The whole document."""

    schema: int
    versions: dict[str, str]
    recipe: NotRequired[str]  # the choice that the others are compared with; see `recipe_of`
    of_log: NotRequired[str]  # what the search of recipes chose for the log
    seeds: list[int]
    resamples: int
    users: dict[str, int]  # task -> scored users
    rows: list[AblationRow]


def recipe_of(ablation: Ablation) -> str:
    """The choice that the others are compared with; files of the first version do not name it."""
    return ablation.get("recipe", "default")


def write_ablation(ablation: Ablation, folder: Path) -> None:
    """Write `ablation.json` into the folder."""
    write_json_file(ablation, folder / "ablation.json")


def read_ablation(path: Path) -> Ablation:
    """The `ablation.json` of a folder, or the file of that path.

    Raises:
        ArtifactError: it is missing, damaged, or lacks a key that every ablation has.
    """
    return read_json_file(path / "ablation.json" if path.is_dir() else path, _ADAPTER)


_ADAPTER = TypeAdapter(Ablation)
