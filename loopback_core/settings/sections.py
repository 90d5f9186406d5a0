"""Every setting of the project: one frozen model per section."""

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SplitStrategy = Literal["global", "dates", "per_user", "leave_last"]


class Section(BaseModel):
    """A group of settings: frozen, strict about types, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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


class TowersSettings(Section):
    """The shape of the two towers."""

    user_encoder: Literal["id", "pooled", "ema", "transformer"] = Field(
        "id",
        description="id: an embedding per user. pooled: what was played, pooled on several time scales; serves anybody. "
        "ema, transformer: the pools, and an encoding of the last listens in order.",
    )
    track_encoder: Literal["mlp", "sum"] = Field(
        "mlp",
        description="mlp: an MLP over track and artist embedding. sum: the two added up; what reads histories needs it.",
    )
    artist_half_lives: list[float] = Field(
        default_factory=lambda: [14.0, 90.0, 0.0],
        description="pooled: days after which plays of an artist count half, one per scale; 0 never forgets.",
    )
    artist_powers: list[float] = Field(
        default_factory=lambda: [1.0, 0.0, 0.0],
        description="pooled: per scale, a count c of an artist weighs c ** power; 0 stands for log(1 + c).",
    )
    track_half_lives: list[float] = Field(
        default_factory=lambda: [30.0, 0.0],
        description="pooled: days after which plays of a track count half, one per scale; 0 never forgets.",
    )
    track_powers: list[float] = Field(
        default_factory=lambda: [1.0, 1.0], description="pooled: the same powers for tracks."
    )
    history_listens: int = Field(
        1000,
        ge=0,
        description="pooled: what was not heard among so many last listens is left out of the pools; 0: no pools, for "
        "ema and transformer.",
    )
    window: int = Field(64, ge=1, description="ema, transformer: the last listens that are read in order.")
    ema_half_lives: list[float] = Field(
        default_factory=lambda: [2.0, 8.0, 32.0],
        min_length=1,
        description="ema: listens after which one counts half, one per average, at the start; they are learned.",
    )
    layers: int = Field(1, ge=1, description="transformer: blocks.")
    heads: int = Field(4, ge=1, description="transformer: attention heads; they divide output_dim.")
    context: bool = Field(False, description="Read the hour, the weekday and the place in the session of a request.")
    demographics: bool = Field(False, description="Read gender, age and country, where the log comes with profiles.")
    history_dropout: float = Field(0.2, ge=0, lt=1, description="pooled: share of a history left out in training.")
    id_dropout: float = Field(0.2, ge=0, lt=1, description="sum: how often training leaves a track's own vector out.")
    artist_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="sum: how often training leaves the artist's vector out, where names or features can carry a track.",
    )
    ngram_buckets: int = Field(
        0, ge=0, description="sum: buckets of the hashed trigrams of titles and artist names; 0: names are not read."
    )
    ngram_dim: int = Field(32, ge=1, description="sum: width of a trigram's vector.")
    track_statistics: bool = Field(
        False, description="sum: read plays, listeners, trend and age of each track; left out together with its id."
    )
    features: str | None = Field(
        None,
        description="sum: a Parquet file with artist_name, track_name and columns of numbers (or lists of them) that "
        "describe tracks.",
    )
    id_dim: int = Field(64, ge=1, description="Width of every id embedding of the encoders id and mlp.")
    hidden_dim: int = Field(256, ge=1, description="Width of the hidden layers of MLPs and of the transformer.")
    output_dim: int = Field(128, ge=1, description="Width of the user and track vectors.")
    embedding_std: float = Field(1.0, gt=0, description="Standard deviation of the initial id embeddings.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout inside MLPs and the transformer.")

    @model_validator(mode="after")
    def _something_to_read(self) -> Self:
        if self.user_encoder == "pooled" and not self.history_listens:
            raise ValueError("user_encoder = 'pooled' reads nothing with history_listens = 0")
        if self.user_encoder == "transformer" and self.output_dim % self.heads:
            raise ValueError(f"heads = {self.heads} must divide output_dim = {self.output_dim}")
        if min(self.ema_half_lives) <= 0:
            raise ValueError("ema_half_lives must be above 0")
        return self

    @model_validator(mode="after")
    def _a_power_for_every_scale(self) -> Self:
        for kind in ("artist", "track"):
            half_lives, powers = getattr(self, f"{kind}_half_lives"), getattr(self, f"{kind}_powers")
            if len(half_lives) != len(powers) or not half_lives or min(half_lives) < 0 or min(powers) < 0:
                raise ValueError(
                    f"{kind}_half_lives and {kind}_powers must be as long as each other, not empty and not negative"
                )
        return self


class TrainingSettings(Section):
    """How the towers are trained."""

    preset: str = Field(
        "default",
        description="A preset shipped with the package (default, reference, reference_sparse) or a TOML path.",
    )
    seed: int = Field(0, ge=0, description="Seed of initial weights, batch order and dropout.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto takes a GPU when there is one.")
    epochs: int = Field(3, ge=1, description="Passes over the training events, at most.")
    patience: int = Field(2, ge=1, description="Epochs without a better validation metric before training stops.")
    batch_size: int = Field(4096, ge=2, description="Events in a step.")
    objective: Literal["in_batch", "sampled"] = Field(
        "in_batch",
        description="in_batch: symmetric InfoNCE over listens. sampled: softmax over shared negatives, many targets for "
        "each moment of a history.",
    )
    negatives: int = Field(2048, ge=1, description="sampled: negatives that all requests of a step share.")
    uniform_share: float = Field(
        0.5, ge=0, le=1, description="sampled: share of the negatives drawn from the catalog; the others are targets."
    )
    logq: float = Field(
        1.0, ge=0, le=1, description="sampled: strength of the correction for how often a negative is drawn."
    )
    hard_share: float = Field(
        0.0,
        ge=0,
        description="sampled: hard negatives of a step, beside the others, as a share of `negatives`: tracks near the "
        "step's users that they never play, mined before every epoch but the first; 0: none.",
    )
    hard_weight: float = Field(
        1.0,
        gt=0,
        description="sampled: so many times what its score says a hard negative weighs; drawn by no simple proposal, it "
        "is not corrected.",
    )
    hard_pool: int = Field(
        100, ge=1, description="sampled: neighbours of each user that are kept to draw hard negatives."
    )
    memory: int = Field(
        0,
        ge=0,
        description="sampled: the last so many targets of earlier steps of the epoch are negatives too, with the vectors "
        "that they had then; 0: none.",
    )
    memory_weight: float = Field(
        1.0,
        gt=0,
        description="sampled: so many times what its score says a remembered negative weighs; it is not corrected.",
    )
    target_window: int = Field(
        1000,
        ge=1,
        description="sampled: a target is any of so many listens after its request; 1, with a request_stride of 1: the next.",
    )
    request_stride: int = Field(
        32, ge=1, description="sampled: listens between the requests of a history, and about the targets of each."
    )
    repeat_weight: float = Field(
        1.0,
        ge=0,
        description="sampled: weight in the loss of a target that the user had played before, beside 1 for a first play; "
        "0: repeats are not trained, but for being negatives of others.",
    )
    users_per_group: int = Field(
        0, ge=0, description="sampled: a step takes the listens of so many users only; 0: of all users."
    )
    scoring: Literal["dot", "fitted"] = Field(
        "dot",
        description="dot: the towers alone are served. fitted: popularity and a personal prior are added, with weights "
        "chosen on validation.",
    )
    max_popularity_amplification: float = Field(
        3.0,
        gt=0,
        description="fitted: what is recommended may be so many times as popular as what is played, on validation.",
    )
    refit: bool = Field(
        False, description="After the epoch is chosen, train again as long on train and validation together."
    )
    average_epochs: bool = Field(
        False,
        description="What is measured and kept after an epoch is the mean of the weights after each epoch so far.",
    )
    cached_gradients: int = Field(
        0,
        ge=0,
        description="sampled: requests or tracks whose graph is in memory at a time: larger batches in the same memory, for "
        "reading everything twice; 0: all.",
    )
    optimizer: Literal["dense", "sparse"] = Field(
        "sparse",
        description="dense: AdamW on everything. sparse: row-wise Adagrad on the embedding rows of the batch.",
    )
    learning_rate: float = Field(1e-3, gt=0, description="Step size of AdamW.")
    weight_decay: float = Field(1e-5, ge=0, description="Decoupled weight decay of AdamW.")
    embedding_learning_rate: float = Field(0.05, gt=0, description="Step size of row-wise Adagrad (sparse only).")
    temperature: float = Field(0.07, gt=0, description="Initial temperature of the softmax; it is learned.")
    max_inverse_temperature: float = Field(100.0, gt=0, description="Upper bound of 1 / temperature.")
    mask_same_track: bool = Field(True, description="The positive's track elsewhere in the batch is no negative.")
    mask_same_user: bool = Field(True, description="in_batch: other rows of the same user are no negatives.")
    mask_known_positives: bool = Field(
        True,
        description="in_batch: tracks that the user plays anywhere in train are no negatives. sampled: for requests for new "
        "tracks, those that she knows by the end of the window.",
    )
    validation_metric: str = Field("discovery/ndcg@10", description="task/metric@K that picks the best epoch.")


class IndexSettings(Section):
    """The nearest-neighbour index."""

    kind: Literal["auto", "flat", "hnsw", "ivf"] = Field("auto", description="auto: flat up to flat_limit, then hnsw.")
    flat_limit: int = Field(200_000, ge=0, description="The largest catalog that auto searches exactly.")
    hnsw_neighbors: int = Field(32, ge=2, description="Links per node of the HNSW graph.")
    hnsw_ef_construction: int = Field(100, ge=1, description="Width of the search while the HNSW graph is built.")
    hnsw_ef_search: int = Field(256, ge=1, description="Width of the HNSW search.")
    ivf_probes: int = Field(64, ge=1, description="Lists that an IVF search visits.")


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
