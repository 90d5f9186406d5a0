"""The settings of the lineage."""

from typing import Annotated

from pydantic import Field, field_validator

from loopback_core.settings.section import Section, Seed, Text

SeveralVectors = Annotated[int, Field(ge=1, le=256)]


class LineageSettings(Section):
    """Which families of retrievers are measured, and how often each is trained."""

    families: list[Text] = Field(
        default_factory=lambda: ["all"],
        max_length=100,
        description="Names of the families to train, or 'all'; the plain two towers, 'two_tower', are always among them.",
    )
    seeds: list[Seed] = Field(
        default_factory=lambda: [0, 1, 2],
        min_length=1,
        max_length=100,
        description="Each family is trained once for each of these seeds.",
    )
    interests: SeveralVectors = Field(4, description="Vectors of a user in the family 'interests'.")
    listens: SeveralVectors = Field(
        16, description="The last listens whose states are read by 'interests', and are vectors of the user in 'late'."
    )
    timed_queries: int = Field(
        200, ge=1, le=100_000, description="Requests that are timed, one at a time and on one core, for each training."
    )

    @field_validator("seeds")
    @classmethod
    def _each_once(cls, seeds: list[int]) -> list[int]:
        return sorted(set(seeds))
