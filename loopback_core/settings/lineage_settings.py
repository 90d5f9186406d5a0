"""The settings of the lineage."""

from typing import Annotated, Literal

from pydantic import Field

from loopback_core.settings.section import ReadIf, Section, SeedList, Text

SeveralVectors = Annotated[int, Field(ge=1, le=256)]


Terms = Annotated[int, Field(ge=1, le=2**20)]


class SparseSettings(Section):
    """The terms of the family 'sparse', and the index over them."""

    codes: Terms = Field(1024, description="Learned terms; each costs a product with every negative of a step.")
    words: Terms = Field(8192, description="Buckets of the words of titles and artist names.")
    track_terms: Terms = Field(32, description="The heaviest terms of a track are kept, as many as this.")
    user_terms: Terms = Field(64, description="The same of a user.")
    flops: float = Field(
        1.0, ge=0, le=1000, description="Weight of the FLOPS regulariser; more gives users and tracks fewer terms."
    )
    warm_up: int = Field(
        1000, ge=1, le=10**9, description="Steps in which that weight rises, with their square, to its full value."
    )
    engine: Literal["csr", "seismic"] = Field(
        "csr", description="csr: exact, every track is read. seismic: an inverted index, for large catalogs."
    )
    seismic_postings: Annotated[int, ReadIf(engine="seismic")] = Field(
        3500, ge=1, le=10**7, description="Tracks kept for each term, as a mean over the terms."
    )
    seismic_terms: Annotated[int, ReadIf(engine="seismic")] = Field(
        40, ge=1, le=10**6, description="The heaviest terms of a user whose lists are read."
    )
    seismic_heap_factor: Annotated[float, ReadIf(engine="seismic")] = Field(
        0.7,
        gt=0,
        le=1,
        description="Of the worst score found so far, what a block must promise to be read: less finds more.",
    )


class LateSettings(Section):
    """The family 'late'."""

    residual_bits: Literal[0, 1, 2, 4] = Field(
        0,
        description="Of a dimension of a track's vectors, coded as what is left beside the nearest of up to 4,096 centroids; 0: float32.",
    )


class InteractionSettings(Section):
    """The part of 'int_tower' that scores candidates."""

    layers: int = Field(2, ge=1, le=16, description="Layers of the user and of the track.")
    heads: int = Field(
        4, ge=1, le=64, description="Heads of each layer; a score costs layers x heads x heads products."
    )
    head_dim: int = Field(32, ge=1, le=1024, description="Width of a head; a track keeps heads x head_dim numbers.")
    weight: float = Field(
        0.1,
        ge=1e-6,
        le=1000,
        description="What the heads of a user weigh together at the start; the product, which they are added to, is at most 1.",
    )
    regulariser: float = Field(
        0.5, ge=0, le=100, description="Weight of the loss of the product alone, by which candidates are found."
    )


class AttentionSettings(Section):
    """The part of 'one_way_attention' that scores candidates."""

    width: int = Field(32, ge=1, le=1024, description="Of keys and values; a track keeps twice as many numbers.")
    hidden: int = Field(64, ge=1, le=4096, description="Units of the layer that reads what attention found.")
    negatives: int = Field(256, ge=1, le=10**6, description="Of each step, which the whole score is trained against.")
    regulariser: float = Field(
        0.5, ge=0, le=100, description="Weight of the loss of the product alone, by which candidates are found."
    )


class RankTowerSettings(Section):
    """The part of 'rank_tower' that scores candidates."""

    heads: int = Field(4, ge=1, le=64, description="Heads of a user and of a track.")
    head_dim: int = Field(32, ge=1, le=1024, description="Width of a head; a track keeps heads x head_dim numbers.")
    negatives: int = Field(
        64,
        ge=1,
        le=10**6,
        description="Of each step, which the whole score is trained against, beside the tracks that were found near the users.",
    )
    regulariser: float = Field(
        0.5, ge=0, le=100, description="Weight of the loss of the product alone, by which candidates are found."
    )


class CrossSettings(Section):
    """The part of 'cross_encoder' that scores candidates."""

    layers: int = Field(
        2, ge=1, le=16, description="Layers in which the last listens and the track attend to each other."
    )
    heads: int = Field(2, ge=1, le=64, description="Heads of each layer.")
    head_dim: int = Field(16, ge=1, le=1024, description="Width of a head; a track keeps heads x head_dim numbers.")
    negatives: int = Field(32, ge=1, le=10**6, description="Of each step, which the whole score is trained against.")
    regulariser: float = Field(
        0.5, ge=0, le=100, description="Weight of the loss of the product alone, by which candidates are found."
    )


class LineageSettings(Section):
    """Which families of retrievers are measured, and how often each is trained."""

    families: list[Text] = Field(
        default_factory=lambda: ["all"],
        max_length=100,
        description="Names of the families to train, or 'all'; the plain two towers, 'two_tower', are always among them.",
    )
    seeds: SeedList = Field(
        default_factory=lambda: [0, 1, 2],
        description="Each family is trained once for each of these seeds.",
    )
    interests: SeveralVectors = Field(4, description="Vectors of a user in 'interests' and 'interests_order'.")
    listens: SeveralVectors = Field(
        16,
        description="The last listens whose states are read by 'interests', 'one_way_attention' and 'cross_encoder', and are vectors of the "
        "user in 'late' and in the sum of 'summed_states'.",
    )
    sparse: SparseSettings = Field(default_factory=SparseSettings, description="Of the family 'sparse'.")
    late: LateSettings = Field(default_factory=LateSettings, description="Of the family 'late'.")
    interaction: InteractionSettings = Field(
        default_factory=InteractionSettings, description="Of the family 'int_tower'."
    )
    attention: AttentionSettings = Field(
        default_factory=AttentionSettings, description="Of the family 'one_way_attention'."
    )
    rank_tower: RankTowerSettings = Field(default_factory=RankTowerSettings, description="Of the family 'rank_tower'.")
    cross: CrossSettings = Field(default_factory=CrossSettings, description="Of the family 'cross_encoder'.")
    timed_queries: int = Field(
        200, ge=1, le=100_000, description="Requests that are timed, one at a time and on one core, for each training."
    )
