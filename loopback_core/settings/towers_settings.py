"""The settings of the towers."""

from typing import Literal, Self

from pydantic import Field, model_validator

from loopback_core.settings.section import Section


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
