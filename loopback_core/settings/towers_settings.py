"""The settings of the towers."""

from typing import Annotated, Literal

from pydantic import Field

from loopback_core.settings.section import ReadIf, Section, Text

Width = Annotated[int, Field(ge=1, le=8192)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
HalfLife = Annotated[float, Field(ge=0, le=36_500)]
Power = Annotated[float, Field(ge=0, le=8)]

READ_HISTORIES = ("pooled", "hstu")
"""The user encoders that read histories."""


class PooledSettings(Section):
    """The user tower that pools what was played on several time scales; hstu adds an encoding of the last listens."""

    artist_half_lives: list[HalfLife] = Field(
        default_factory=lambda: [14.0, 90.0, 0.0],
        min_length=1,
        max_length=16,
        description="Days after which plays of an artist count half, one per scale; 0: no decay.",
    )
    artist_powers: list[Power] = Field(
        default_factory=lambda: [1.0, 0.0, 0.0],
        description="Per scale, a count c of an artist weighs c ** power; 0 stands for log(1 + c).",
    )
    track_half_lives: list[HalfLife] = Field(
        default_factory=lambda: [30.0, 0.0],
        min_length=1,
        max_length=16,
        description="Days after which plays of a track count half, one per scale; 0: no decay.",
    )
    track_powers: list[Power] = Field(default_factory=lambda: [1.0, 1.0], description="The same powers for tracks.")
    listens: int = Field(
        1000,
        ge=0,
        le=10**7,
        description="The pools hold only what was heard among this many last listens; 0: no pools, for hstu.",
    )
    dropout: Dropout = Field(0.2, description="Share of a history that training leaves out.")
    context: bool = Field(False, description="Read the hour, the weekday and the place in the session of a request.")
    demographics: bool = Field(False, description="Read gender, age and country, where the log comes with profiles.")

    def contradiction(self) -> str:
        """See :class:`Section`."""
        for kind in ("artist", "track"):
            half_lives, powers = getattr(self, f"{kind}_half_lives"), getattr(self, f"{kind}_powers")
            if len(half_lives) != len(powers):
                return f"towers.pooled.{kind}_half_lives and towers.pooled.{kind}_powers must have the same length"
            if any(0 < days < 0.001 for days in half_lives):
                return f"towers.pooled.{kind}_half_lives must be 0 or at least 0.001 days"
        return ""


class HstuSettings(Section):
    """The encoder of the last listens in order."""

    window: int = Field(64, ge=1, le=2048, description="The last listens that are read in order.")
    layers: int = Field(2, ge=1, le=64, description="Blocks.")
    heads: int = Field(2, ge=1, le=256, description="Attention heads; they divide towers.output_dim.")
    dropout: Dropout = Field(0.2, description="Dropout of what enters the encoder, and inside its blocks.")
    own_tables: bool = Field(
        False, description="Listens enter with vectors of their own, not with those of the track tower."
    )


class MlpSettings(Section):
    """An MLP over id embeddings."""

    id_dim: Width = Field(64, description="Width of every id embedding.")
    hidden_dim: Width = Field(256, description="Width of the hidden layer.")
    dropout: Dropout = Field(0.1, description="Dropout after the hidden layer.")


class SumSettings(Section):
    """The track tower that adds up what is known of a track."""

    id_dropout: Dropout = Field(0.2, description="How often training leaves a track's own vector out.")
    artist_dropout: Dropout = Field(
        0.0, description="How often training leaves the artist's vector out, where names or features can carry a track."
    )
    ngram_buckets: int = Field(
        0,
        ge=0,
        le=2**24,
        description="Buckets of the hashed trigrams of titles and artist names; 0: names are not read.",
    )
    ngram_dim: Width = Field(32, description="Width of a trigram's vector.")
    track_statistics: bool = Field(
        False, description="Read plays, listeners, trend and age of each track; left out together with its id."
    )
    features: Text | None = Field(
        None,
        description="A Parquet file with artist_name, track_name and columns of numbers (or lists of them) that describe "
        "tracks.",
    )


class TowersSettings(Section):
    """The shape of the two towers."""

    user_encoder: Literal["id", "pooled", "hstu"] = Field(
        "id",
        description="id: an embedding per user. pooled: what was played, pooled on several time scales; serves any "
        "history. hstu: the pools, and an encoding of the last listens in order, with their times.",
    )
    track_encoder: Literal["mlp", "sum"] = Field(
        "mlp",
        description="mlp: an MLP over track and artist embedding. sum: the two added up; what reads histories needs it.",
    )
    output_dim: Width = Field(128, description="Width of the user and track vectors.")
    embedding_std: float = Field(1.0, ge=1e-6, le=1000, description="Standard deviation of the initial id embeddings.")
    mlp: Annotated[MlpSettings, ReadIf(user_encoder="id", track_encoder="mlp")] = Field(
        default_factory=MlpSettings, description="Of user_encoder id and track_encoder mlp."
    )
    sum: Annotated[SumSettings, ReadIf(track_encoder="sum")] = Field(
        default_factory=SumSettings, description="Of track_encoder sum."
    )
    pooled: Annotated[PooledSettings, ReadIf(user_encoder=READ_HISTORIES)] = Field(
        default_factory=PooledSettings,
        description="Of the user encoders that read histories: pooled, hstu.",
    )
    hstu: Annotated[HstuSettings, ReadIf(user_encoder="hstu")] = Field(
        default_factory=HstuSettings, description="Of user_encoder hstu."
    )

    def contradiction(self) -> str:
        """See :class:`Section`."""
        encoder, heads = self.user_encoder, self.hstu.heads
        if encoder != "id" and self.track_encoder != "sum":
            return (
                f"towers.user_encoder = {encoder!r} needs towers.track_encoder = 'sum', whose vectors it reads; it is "
                f"{self.track_encoder!r}"
            )
        if encoder == "pooled" and not self.pooled.listens:
            return "towers.user_encoder = 'pooled' reads nothing with towers.pooled.listens = 0"
        if encoder == "hstu" and self.output_dim % heads:
            return f"towers.hstu.heads = {heads} must divide towers.output_dim = {self.output_dim}"
        return ""
