"""The settings of the training."""

from typing import Literal

from pydantic import Field

from loopback_core.settings.section import Section


class TrainingSettings(Section):
    """How the towers are trained."""

    preset: str = Field(
        "default",
        description="A preset shipped with the package (default, reference, reference_sparse) or a TOML path.",
    )
    seed: int = Field(0, ge=0, description="Seed of initial weights, batch order and dropout.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto takes a GPU when there is one.")
    epochs: int = Field(
        3, ge=1, description="Epochs, at most: passes over the training events, or parts of one (epoch_targets)."
    )
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
    epoch_targets: int = Field(
        1_000_000,
        ge=0,
        description="sampled: an epoch has about so many targets, a part of the log where it is longer; 0: all of it.",
    )
    request_span: int = Field(
        512,
        ge=1,
        description="sampled: requests within so many listens of a history come in one step, which reads once what they "
        "share of it; 1: each by itself.",
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
        description="dot: the towers alone are served. fitted: popularity, a personal prior and related artists are added, "
        "with weights chosen on validation.",
    )
    related_artists: int = Field(
        4096,
        ge=0,
        description="fitted: so many artists, those with the most listeners, say what else their listeners hear; 0: none do.",
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
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="bf16: products of matrices are made of 16-bit numbers. Faster where they are large (objective = "
        "'in_batch') and the processor has AVX512-BF16 or AMX, or on a GPU; slower with the small ones of 'sampled'.",
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
