"""The baselines, without which a report is worthless."""

from loopback_core.evaluation.baselines.artist import RecentArtist
from loopback_core.evaluation.baselines.baseline import Baseline
from loopback_core.evaluation.baselines.personal import PersonalDecayed, PersonalMostPlayed, PersonalMostRecent
from loopback_core.evaluation.baselines.popularity import PopularityDecayed, PopularityPlays, PopularityUsers
from loopback_core.evaluation.baselines.random_order import RandomOrder
from loopback_core.evaluation.baselines.tuning import Tuned, choose_rival, tune

BASELINES: tuple[type[Baseline], ...] = (
    PopularityUsers,
    PopularityPlays,
    PopularityDecayed,
    PersonalMostPlayed,
    PersonalMostRecent,
    PersonalDecayed,
    RecentArtist,
)
"""All that stand in the report beside the closed form of `random`."""

__all__ = ["BASELINES", "Baseline", "RandomOrder", "Tuned", "choose_rival", "tune"]
