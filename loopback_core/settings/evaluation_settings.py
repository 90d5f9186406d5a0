"""The settings of the evaluation, the ablation and the checks."""

from typing import Annotated

from pydantic import Field, field_validator

from loopback_core.settings.section import Section, Seed, SeedList, Text

Count = Annotated[int, Field(ge=1, le=10**12)]
Share = Annotated[float, Field(ge=0, le=1)]


class EvaluationSettings(Section):
    """What is measured, and with which precision."""

    ks: list[Annotated[int, Field(ge=1, le=1000)]] = Field(
        default_factory=lambda: [10, 50, 100], max_length=100, description="Cut-offs K of every metric."
    )
    resamples: int = Field(2000, ge=100, le=100_000, description="Bootstrap resamples over users.")
    seed: Seed = Field(0, description="Seed of the bootstrap and of the permutation that breaks ties.")
    min_users: Count = Field(20, description="Fewer scored users than this: values only, no intervals, no verdict.")
    baselines: list[Text] = Field(
        default_factory=lambda: ["all"],
        max_length=100,
        description="Ids of the baselines to tune and measure, or 'all'; popularity_users is always among them.",
    )
    users: Count = Field(
        10_000,
        description="At most this many users of each task are measured at the cut, drawn by seed: every track is scored for "
        "each of them.",
    )
    tuning_users: Count = Field(
        500, description="Baselines and scoring are tuned on at most this many users of validation, drawn by seed."
    )
    tuning_trials: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Settings of a baseline that are tried at most, in the order of its grid; 0: as many as the search "
        "visits. On a long log each of iALS or BPR is a fit of minutes.",
    )

    moments: int = Field(
        9,
        ge=0,
        le=100,
        description="Moments of test, evenly spread, at which discovery and next listen are asked with histories that "
        "grow, beside the official cut; 0 or 1: only that one.",
    )
    horizon_days: float = Field(
        3.0, gt=0, le=36_500, description="At these moments the next days are measured beside the whole rest of test."
    )
    moment_users: Count = Field(
        500,
        description="At most this many users are asked at every moment, drawn by seed: more are surer and take longer.",
    )

    @field_validator("ks")
    @classmethod
    def _cover_what_is_read(cls, ks: list[int]) -> list[int]:
        if not {10, 100} <= set(ks):
            raise ValueError("ks must hold 10 and 100, which verdicts and checks read")
        return sorted(set(ks))


class AblationSettings(Section):
    """Which choices of the recipe are measured, and how often each is trained."""

    choices: list[Text] = Field(
        default_factory=lambda: ["all"],
        max_length=100,
        description="Names of the choices to train, or 'all'; the recipe, 'default', is always among them.",
    )
    seeds: SeedList = Field(
        default_factory=lambda: [0, 1, 2],
        description="Each choice is trained once for each of these seeds.",
    )


class ChecksSettings(Section):
    """Thresholds of the asset checks."""

    max_reject_share: Share = Field(0.05, description="Largest tolerated share of rejected rows.")
    min_train_events: Count = Field(1000, description="Fewest events in train.")
    min_validation_events: Count = Field(100, description="Fewest events in validation.")
    min_test_events: Count = Field(100, description="Fewest events in test.")
    split_tolerance: Share = Field(0.02, description="Largest difference between a part's share and its fraction.")
    max_mean_cosine: float = Field(
        0.9, gt=-1, le=1, description="Above this mean pairwise cosine the embeddings collapsed."
    )
    min_index_recall: Share = Field(0.95, description="Smallest recall@100 of the index against exact search.")
    min_refit_overlap: Share = Field(
        0.2,
        description="Smallest mean share of the 100 tracks nearest to a user on which the served towers, trained on everything, "
        "agree with those that were evaluated.",
    )
    min_replayed: Share = Field(
        0.98,
        description="Smallest share of the logged answers without a wish that are, track for track, what the evaluation makes of the same "
        "histories.",
    )
    min_evaluation_users: Count = Field(
        20, description="Fewest scored users in discovery and in next_listen for a report that can be trusted."
    )
    recall_floor: Share = Field(0.01, description="Smallest recall@100 of the towers in discovery.")
    max_feature_ms: float = Field(
        50.0,
        gt=0,
        le=60_000,
        description="Most milliseconds that a group of features may take in a request on one core, at the 99th percentile.",
    )
