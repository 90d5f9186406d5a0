"""`evaluation.json`: every key of it, and how it is written and read. Keys are only ever added."""

from pathlib import Path
from typing import Any, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from loopback_core.evaluation.ablation_json import Ablation
from loopback_core.evaluation.candidates_json import CandidatesJson
from loopback_core.evaluation.feature_costs_json import FeatureCostsJson
from loopback_core.evaluation.json_file import read_json_file, write_json_file
from loopback_core.evaluation.reranking_json import RerankingJson
from loopback_core.evaluation.significance import Comparison, Mean
from loopback_core.ranking.corrector_facts import CorrectorFacts, RefiningFacts
from loopback_core.recommenders.tuned_json import TunedJson

Recommenders = dict[str, dict[str, Mean] | None]
"""recommender -> metric -> mean over users, or over requests; None for a recommender that cannot answer the task."""

Comparisons = dict[str, dict[str, Comparison]]
"""baseline or other preset -> metric -> the towers minus that one, on the same users."""

SettingsJson = dict[str, dict[str, Any]]
"""section -> key -> value, as `Settings` dumps them."""


class SourceJson(TypedDict):
    """The log. `name` is untrusted text."""

    name: str
    events: int
    users: int
    tracks: int
    artists: int


class SplitJson(TypedDict):
    """The strategy, and the number of events in each part."""

    strategy: str
    train: int
    validation: int
    test: int


class TaskJson(TypedDict):
    """One task as measured on test."""

    users: int  # scored users
    positives: int
    recommenders: Recommenders


class CountJson(TypedDict):
    """A count over random lists against its exact distribution."""

    trials: int
    expected: float
    observed: int
    p: float  # two-sided
    low: float  # lower end of the accepted range
    high: float  # upper end of it


class CalibrationJson(TypedDict):
    """The random recommender, run for real, against its closed form."""

    seeds: int
    threshold: float
    tests: int
    smallest_p: float  # corrected for the number of tests
    tasks: dict[str, dict[str, CountJson]]


class PresetJson(TypedDict):
    """Towers of another preset, trained on the same splits."""

    version: str
    seed: int


class TrialJson(TypedDict):
    """A recipe in one round of the search."""

    recipe: str
    epochs: int
    value: float
    seconds: float


class SearchJson(TypedDict):
    """The recipes that were compared on validation, and the one that was trained."""

    metric: str
    listens: int
    chosen: str
    trials: list[TrialJson]


class AgeJson(TypedDict):
    """The requests of one moment: what a model is worth that was trained some time before."""

    days: float  # since the end of the fit data
    requests: int
    values: dict[str, float]  # recommender -> mean of the main metric


class RollingJson(TypedDict):
    """One task asked at several moments of test, measured with one set of positives.

    Values are means over requests, intervals and p are of resampled users with all of their requests, and users are won
    or lost by the mean over their requests.
    """

    moments: int
    requests: int
    users: int
    recommenders: Recommenders
    paired: Comparisons
    stages: NotRequired[Comparisons]  # as of the document
    by_age: NotRequired[list[AgeJson]]


class LeaveLastJson(TypedDict):
    """The one held-out listen of every user, as the literature measures it; see `leave_last.py`."""

    users: int  # with a held-out listen, all of them counted
    known: float  # share of them who know the held-out track
    outside_catalog: float  # share of them whose held-out track nobody played before
    recommenders: dict[str, Recommenders]  # 'everything' or 'unknown': what is recommended


IndexJson = TypedDict("IndexJson", {"kind": str, "recall@100": float, "p50_ms": float | None, "p99_ms": float | None})
"""The index, its recall against exact search, and the latency of a query."""


class Provenance(TypedDict):
    """What was evaluated, and what it cost to make."""

    source: SourceJson
    split: SplitJson
    settings: SettingsJson
    preset: str
    seed: int
    search: NotRequired[SearchJson | None]
    refining: NotRequired[dict[str, RefiningFacts]]  # by task: what was measured on validation
    correctors: NotRequired[dict[str, CorrectorFacts]]  # by task: what was measured on validation
    presets: NotRequired[dict[str, PresetJson]]
    versions: dict[str, str]  # artifact -> version
    seconds: dict[str, float]  # step -> wall time
    peak_rss_mb: NotRequired[dict[str, float]]


class Evaluation(Provenance):
    """The whole document. Keys that are not required were added after its first version."""

    schema: int
    tasks: dict[str, TaskJson]
    paired: dict[str, Comparisons]  # task -> comparisons
    stages: NotRequired[dict[str, Comparisons]]  # task -> 'score' or 'ranker' -> what it adds to the stage before
    segments: NotRequired[dict[str, dict[str, Recommenders]]]  # task -> segment -> recommenders
    rival: dict[str, str | None]  # task -> the baseline that was best on validation
    unreachable_positives: dict[str, float]  # task -> share of the positives outside the catalog
    calibration: NotRequired[CalibrationJson]
    tuning: NotRequired[dict[str, dict[str, TunedJson]]]  # task -> baseline
    obstacles: NotRequired[dict[str, str]]  # baseline -> why it was not fitted
    index: IndexJson
    rolling: NotRequired[dict[str, dict[str, RollingJson]]]  # task -> 'rest' or 'near': the set of positives
    candidates: NotRequired[dict[str, CandidatesJson]]  # by task
    reranking: NotRequired[dict[str, RerankingJson]]  # by task
    feature_costs: NotRequired[dict[str, FeatureCostsJson]]  # by task
    users_drawn_from: NotRequired[int]  # users with listens in test, where only some of them are measured
    leave_last: NotRequired[LeaveLastJson]  # only under that split strategy
    ablation: NotRequired[Ablation]


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation.json` into the folder."""
    write_json_file(evaluation, folder / "evaluation.json")


def read_evaluation(path: Path) -> Evaluation:
    """The `evaluation.json` of a folder, or the file of that path.

    Raises:
        ArtifactError: it is missing, damaged, or lacks a key that every evaluation has.
    """
    return read_json_file(path / "evaluation.json" if path.is_dir() else path, _ADAPTER)


_ADAPTER = TypeAdapter(Evaluation)
