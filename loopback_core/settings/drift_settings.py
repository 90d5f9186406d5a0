"""The settings of the comparison with the bundle in service."""

from pydantic import Field

from loopback_core.settings.section import Section


class DriftSettings(Section):
    """When the log, its past or the model count as changed."""

    past_weeks: int = Field(
        52, ge=8, le=520, description="Weeks of the log's past from which the limits of its last weeks are calibrated."
    )
    false_alarms: float = Field(
        0.05,
        ge=0.001,
        le=0.5,
        description="Share of the runs that may raise an alarm about the last weeks although they are as the weeks before, over all "
        "statistics together; and the share of the retrains that may about the model, once earlier ones give its limits.",
    )
    most_rejected: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest share of rejected rows among those that came since the bundle in service.",
    )
    least_same_past: float = Field(
        0.98,
        ge=0,
        le=1,
        description="Smallest share of the listens of the log of the bundle in service that the log still holds, and of those of the "
        "same time that it held already.",
    )
    least_overlap: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Smallest mean share of the 10 tracks nearest to a track that the new bundle and the one in service have in common. "
        "This, `most_changed_lists` and `largest_ratio` hold until there are 8 earlier comparisons of bundles, from which the limits come then.",
    )
    most_changed_lists: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Largest share of the users who keep none of the 10 tracks that they are recommended.",
    )
    largest_ratio: float = Field(
        2.0,
        ge=1,
        le=1000,
        description="Largest factor between the two bundles in the popularity of what is recommended, and in how much of the catalog "
        "is recommended to anybody.",
    )
