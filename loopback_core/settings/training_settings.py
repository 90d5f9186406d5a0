"""The settings of the training."""

from typing import Annotated, Literal

from pydantic import Field

from loopback_core.settings.section import ReadIf, Section, Seed, Text


class SampledSettings(Section):
    """Softmax over shared negatives, many targets for each moment of a history."""

    negatives: int = Field(2048, ge=1, le=2**20, description="Negatives that all requests of a step share.")
    uniform_share: float = Field(
        0.5, ge=0, le=1, description="Share of the negatives drawn from the catalog; the others are targets."
    )
    logq: float = Field(1.0, ge=0, le=1, description="Strength of the correction for how often a negative is drawn.")
    hard_share: float = Field(
        0.0,
        ge=0,
        le=16,
        description="Hard negatives of a step, in addition to the others, as a share of `negatives`: tracks near the "
        "step's users that they never play, mined before every epoch but the first; 0: none.",
    )
    hard_weight: float = Field(
        1.0,
        ge=1e-6,
        le=1e6,
        description="Factor on a hard negative's term in the softmax; hard negatives get no logQ correction.",
    )
    hard_pool: int = Field(
        100, ge=1, le=10_000, description="Neighbours of each user that hard negatives are drawn from."
    )
    target_window: int = Field(
        1000,
        ge=1,
        le=10**9,
        description="A target is any of this many listens after its request; 1, with a request_stride of 1: the next.",
    )
    request_stride: int = Field(
        32, ge=1, le=10**9, description="Listens between the requests of a history, and about the targets of each."
    )
    epoch_targets: int = Field(
        1_000_000,
        ge=0,
        le=10**12,
        description="An epoch has about this many targets, a part of the log where it is longer; 0: all of it.",
    )
    request_span: int = Field(
        512,
        ge=1,
        le=10**9,
        description="Requests within this many listens of a history come in one step, which reads their shared "
        "history once; 1: each by itself.",
    )
    repeat_weight: float = Field(
        1.0,
        ge=0,
        le=1e6,
        description="Weight in the loss of a target that the user had played before, against 1 for a first play; 0: "
        "repeats are not trained, and are negatives of others only.",
    )
    users_per_group: int = Field(
        0, ge=0, le=10**9, description="A step takes the listens of this many users only; 0: of all users."
    )


class InBatchSettings(Section):
    """Symmetric InfoNCE over batches of listens."""

    mask_same_user: bool = Field(True, description="Other rows of the same user are no negatives.")


class FittedSettings(Section):
    """The served score: a linear ranker, fitted on validation."""

    related_artists: int = Field(
        4096,
        ge=0,
        le=32_768,
        description="Number of artists, by listeners, among which related artists are learned; 0: none.",
    )
    neighbours: int = Field(
        100,
        ge=0,
        le=1000,
        description="Tracks that are kept of those that follow, or share sessions with, each track; 0: none.",
    )


class SearchSettings(Section):
    """The search for the recipe that fits a log."""

    listens: int = Field(
        1_000_000,
        ge=1,
        le=10**12,
        description="A longer log is represented by whole users with about this many listens, drawn by seed.",
    )
    epochs: int = Field(
        1,
        ge=1,
        le=1000,
        description="Epochs of the first round; each further round trains the better half twice as long.",
    )


class TrainingSettings(Section):
    """How the towers are trained."""

    preset: Text = Field(
        "default",
        description="A preset shipped with the package (default, reference, reference_sparse) or a TOML path.",
    )
    recipe: Literal["given", "search"] = Field(
        "given",
        description="search: a short search on validation chooses the user encoder, how far ahead targets lie, and the "
        "negatives. given: as the settings say; so it is too where they name one of these.",
    )
    search: Annotated[SearchSettings, ReadIf(recipe="search")] = Field(
        default_factory=SearchSettings, description="Of recipe search."
    )
    warm_start: bool = Field(
        False,
        description="Begin with the weights and the recipe of the towers in service, and train a fifth as long, where only the "
        "log has changed since.",
    )
    seed: Seed = Field(0, description="Seed of initial weights, batch order and dropout.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto takes a GPU when there is one.")
    workers: int = Field(
        1,
        ge=1,
        le=4096,
        description="Processes that train together, each with a share of the rows of every table; needs objective = 'sampled' "
        "and optimizer = 'sparse'.",
    )
    launcher: Literal["torchrun", "ray", "pipes"] = Field(
        "torchrun",
        description="What starts several workers. torchrun: on this machine. ray: Ray Train, on the cluster that RAY_ADDRESS "
        "names, else on this machine. pipes: the same in a job that the run of Dagster submits to the cluster whose dashboard "
        "RAY_API_SERVER_ADDRESS names.",
    )
    epochs: int = Field(
        3,
        ge=1,
        le=10_000,
        description="Epochs, at most: passes over the training events, or parts of one (epoch_targets).",
    )
    patience: int = Field(
        2, ge=1, le=10_000, description="Epochs without a better validation metric before training stops."
    )
    min_gain: float = Field(
        0.0,
        ge=0,
        le=1,
        description="An epoch is better than the best before it only where its validation metric is higher by more than this "
        "share: what comes in smaller steps is not worth the epochs.",
    )
    listens: int | None = Field(
        None,
        ge=1,
        le=10**12,
        description="Listens that all epochs together train on, at most: a long log has fewer epochs, and less patience in "
        "the same proportion.",
    )
    batch_size: int = Field(4096, ge=2, le=2**20, description="Events in a step.")
    objective: Literal["in_batch", "sampled"] = Field(
        "in_batch",
        description="in_batch: symmetric InfoNCE over listens. sampled: softmax over shared negatives, many targets for "
        "each moment of a history.",
    )
    in_batch: Annotated[InBatchSettings, ReadIf(objective="in_batch")] = Field(
        default_factory=InBatchSettings, description="Of objective in_batch."
    )
    sampled: Annotated[SampledSettings, ReadIf(objective="sampled")] = Field(
        default_factory=SampledSettings, description="Of objective sampled."
    )
    mask_same_track: bool = Field(True, description="The positive's track elsewhere in the batch is no negative.")
    mask_known_positives: bool = Field(
        True,
        description="in_batch: tracks that the user plays anywhere in train are no negatives. sampled: for requests "
        "for new tracks, those that the user knows by the end of the window.",
    )
    scoring: Literal["dot", "fitted"] = Field(
        "dot",
        description="dot: the towers alone are served. fitted: popularity, a personal prior and related artists are added, "
        "with weights chosen on validation.",
    )
    fitted: Annotated[FittedSettings, ReadIf(scoring="fitted")] = Field(
        default_factory=FittedSettings, description="Of scoring fitted."
    )
    refit: bool = Field(
        False,
        description="After the epoch is chosen, train again as long on train and validation together, where validation has at "
        "least 2 % as many listens as train.",
    )
    average_epochs: bool = Field(
        False,
        description="Measure and keep the mean of the weights after each epoch so far, instead of the last weights.",
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="bf16: products of matrices are made of 16-bit numbers. Faster where they are large (objective = "
        "'in_batch') and the processor has AVX512-BF16 or AMX, or on a GPU; slower with the small ones of 'sampled'.",
    )
    optimizer: Literal["dense", "sparse"] = Field(
        "sparse",
        description="dense: AdamW on everything. sparse: row-wise Adagrad on the embedding rows of the batch.",
    )
    learning_rate: float = Field(1e-3, gt=0, le=10, description="Step size of AdamW.")
    weight_decay: float = Field(1e-5, ge=0, le=10, description="Decoupled weight decay of AdamW.")
    embedding_learning_rate: Annotated[float, ReadIf(optimizer="sparse")] = Field(
        0.05, gt=0, le=100, description="sparse: step size of row-wise Adagrad."
    )
    temperature: float = Field(0.07, ge=1e-4, le=1e4, description="Initial temperature of the softmax; it is learned.")
    max_inverse_temperature: float = Field(100.0, ge=1e-4, le=1e4, description="Upper bound of 1 / temperature.")
    validation_metric: Text = Field(
        "discovery/ndcg@10",
        description="task/metric@K that picks the best epoch; tasks/metric@K: the geometric mean over the tasks.",
    )

    def contradiction(self) -> str:
        """See :class:`Section`."""
        if self.objective == "in_batch" and self.batch_size > 65_536:
            return (
                f"training.batch_size = {self.batch_size} is too large for training.objective = 'in_batch', which scores "
                "every row against every other: at most 65536"
            )
        if self.workers > 1 and (self.objective != "sampled" or self.optimizer != "sparse" or self.sampled.hard_share):
            return (
                f"training.workers = {self.workers} needs training.objective = 'sampled', training.optimizer = 'sparse' and no "
                "hard negatives (training.sampled.hard_share = 0): rows and negatives are shared by row"
            )
        return ""
