"""The settings of the project, one frozen model per section; towers and training have files of their own."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, field_validator

from loopback_core.settings.section import Section
from loopback_core.settings.towers_settings import TowersSettings
from loopback_core.settings.training_settings import TrainingSettings

SplitStrategy = Literal["global", "dates", "per_user", "leave_last"]


class SourceSettings(Section):
    """Where the listening log comes from and how it is laid out."""

    name: str = Field("sample", description="'sample', 'lastfm-1k', or the path of a log: a file or a folder of files.")
    sample_events: int = Field(300_000, ge=1, description="Events of the generated sample log.")
    sample_users: int = Field(300, ge=1, description="Users of the generated sample log.")
    sample_seed: int = Field(0, ge=0, description="Seed of the generated sample log.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="For .csv and .parquet: our column name -> the file's, e.g. {artist_name = 'artist'}. "
        "Ours are user_id, timestamp, artist_mbid, artist_name, track_mbid, track_name.",
    )
    time_format: Literal["iso", "epoch_seconds"] = Field(
        "iso", description="How times are written: ISO 8601, or seconds since 1970-01-01 UTC."
    )
    earliest: datetime = Field(
        datetime(2000, 1, 1, tzinfo=UTC),
        strict=False,
        description="Listens before this time are rejected as implausible.",
    )
    latest: datetime | None = Field(
        None,
        strict=False,
        description="Listens after this time are rejected as implausible; unset: the time of the run.",
    )
    download_folder: str | None = Field(
        None,
        description="Where the lastfm-1k archive is looked for and downloaded; unset: downloads/ in LOOPBACK_HOME.",
    )
    mirrors: list[str] = Field(
        default_factory=lambda: [
            "https://zenodo.org/records/6090214/files/lastfm-dataset-1K.tar.gz?download=1",
            "http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-1K.tar.gz",
            "https://web.archive.org/web/2022id_/http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-1K.tar.gz",
        ],
        description="Addresses of the lastfm-1k archive, tried in order.",
    )


class SplitSettings(Section):
    """How the log is cut into train, validation and test."""

    strategy: SplitStrategy = Field("global", description="global, dates, per_user or leave_last.")
    validation_fraction: float = Field(0.1, gt=0, lt=1, description="Share of the events that goes to validation.")
    test_fraction: float = Field(0.1, gt=0, lt=1, description="Share of the events that goes to test.")
    train_until: datetime | None = Field(None, strict=False, description="dates: last moment of train (inclusive).")
    validation_until: datetime | None = Field(
        None, strict=False, description="dates: last moment of validation (inclusive)."
    )
    held_out_users: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the users, whole and chosen by seed, whom the fit data does not know: for the task new_users.",
    )
    seed: int = Field(0, ge=0, description="Seed of the choice of held-out users.")


ENGINE_OF_KIND = {"auto": "faiss", "flat": "faiss", "ivf": "faiss", "hnsw": "faiss"}
"""Kind of index -> the engine that builds it, a file of `loopback_core.retrieval.indexes`."""


class IndexSettings(Section):
    """The nearest-neighbour index."""

    kind: Literal["auto", "flat", "hnsw", "ivf"] = Field("auto", description="auto: flat up to flat_limit, then ivf.")
    flat_limit: int = Field(200_000, ge=0, description="The largest catalog that auto searches exactly.")
    hnsw_neighbors: int = Field(32, ge=2, description="Links per node of the HNSW graph.")
    hnsw_ef_construction: int = Field(100, ge=1, description="Width of the search while the HNSW graph is built.")
    hnsw_ef_search: int = Field(256, ge=1, description="Width of the HNSW search.")
    ivf_probes: int = Field(80, ge=1, description="Lists that an IVF search visits.")
    storage: Literal["fp32", "fp16", "int8"] = Field(
        "fp32", description="What the index holds of each number of a vector; half or a quarter of the memory to read."
    )


class EvaluationSettings(Section):
    """What is measured, and how surely."""

    ks: list[int] = Field(default_factory=lambda: [10, 50, 100], description="Cut-offs K of every metric.")

    resamples: int = Field(2000, ge=100, description="Bootstrap resamples over users.")
    seed: int = Field(0, ge=0, description="Seed of the bootstrap and of the permutation that breaks ties.")
    min_users: int = Field(20, ge=1, description="Fewer scored users than this: values only, no intervals, no verdict.")
    baselines: list[str] = Field(
        default_factory=lambda: ["all"],
        description="Ids of the baselines to tune and measure, or 'all'; popularity_users is always among them.",
    )
    tuning_users: int = Field(
        500, ge=1, description="Baselines and scoring are tuned on at most so many users of validation, chosen by seed."
    )

    tuning_trials: int = Field(
        0,
        ge=0,
        description="Settings of a baseline that are tried at most, in the order of its grid; 0: as many as the search "
        "visits. On a long log each of iALS or BPR is a fit of minutes.",
    )

    @field_validator("ks")
    @classmethod
    def _cover_what_is_read(cls, ks: list[int]) -> list[int]:
        if not {10, 100} <= set(ks) or min(ks) < 1 or max(ks) > 1000:
            raise ValueError("ks must hold 10 and 100, which verdicts and checks read, and lie between 1 and 1000")
        return sorted(set(ks))


class AblationSettings(Section):
    """Which choices of the recipe are measured, and how often each is trained."""

    choices: list[str] = Field(
        default_factory=lambda: ["all"],
        description="Names of the choices to train, or 'all'; the recipe, 'default', is always among them.",
    )
    seeds: list[int] = Field(
        default_factory=lambda: [0, 1, 2], description="Each choice is trained once for each of these seeds."
    )

    @field_validator("seeds")
    @classmethod
    def _some_seeds(cls, seeds: list[int]) -> list[int]:
        if not seeds or min(seeds) < 0:
            raise ValueError("seeds must hold at least one number, and none below 0")
        return sorted(set(seeds))


class ChecksSettings(Section):
    """Thresholds of the asset checks."""

    max_reject_share: float = Field(0.05, ge=0, le=1, description="Largest tolerated share of rejected rows.")
    min_train_events: int = Field(1000, ge=1, description="Fewest events in train.")
    min_validation_events: int = Field(100, ge=1, description="Fewest events in validation.")
    min_test_events: int = Field(100, ge=1, description="Fewest events in test.")
    split_tolerance: float = Field(
        0.02, ge=0, le=1, description="Largest difference between a part's share and its fraction."
    )
    max_mean_cosine: float = Field(
        0.9, gt=-1, le=1, description="Above this mean pairwise cosine the embeddings collapsed."
    )
    min_index_recall: float = Field(
        0.95, ge=0, le=1, description="Smallest recall@100 of the index against exact search."
    )
    min_evaluation_users: int = Field(
        20, ge=1, description="Fewest scored users in discovery and in next_listen for a report that can be trusted."
    )
    recall_floor: float = Field(0.01, ge=0, le=1, description="Smallest recall@100 of the towers in discovery.")


class Settings(Section):
    """All sections; made by :func:`load_settings`, passed down whole or by section."""

    source: SourceSettings = Field(default_factory=SourceSettings)
    split: SplitSettings = Field(default_factory=SplitSettings)
    towers: TowersSettings = Field(default_factory=TowersSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    index: IndexSettings = Field(default_factory=IndexSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    ablation: AblationSettings = Field(default_factory=AblationSettings)
    checks: ChecksSettings = Field(default_factory=ChecksSettings)
