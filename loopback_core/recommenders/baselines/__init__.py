"""The baselines that the towers are compared with."""

from loopback_core.recommenders.baselines.artist import RecentArtist
from loopback_core.recommenders.baselines.baseline import Baseline
from loopback_core.recommenders.baselines.cold import ArtistPopularity, SameArtist
from loopback_core.recommenders.baselines.ease import EaseArtists, EaseTracks
from loopback_core.recommenders.baselines.factors import BPR, IALS
from loopback_core.recommenders.baselines.neighbours import ArtistUserKNN, ItemKNN, UserKNN
from loopback_core.recommenders.baselines.personal import PersonalDecayed, PersonalMostPlayed, PersonalMostRecent
from loopback_core.recommenders.baselines.popularity import PopularityDecayed, PopularityPlays, PopularityUsers
from loopback_core.recommenders.baselines.random_order import RandomOrder
from loopback_core.recommenders.baselines.sessions import SequentialRules, SessionItemKNN

BASELINES: dict[str, type[Baseline]] = {
    baseline.id: baseline
    for baseline in (
        PopularityUsers,
        PopularityPlays,
        PopularityDecayed,
        PersonalMostPlayed,
        PersonalMostRecent,
        PersonalDecayed,
        RecentArtist,
        ArtistUserKNN,
        UserKNN,
        ItemKNN,
        SessionItemKNN,
        SequentialRules,
        IALS,
        BPR,
        EaseTracks,
        EaseArtists,
        SameArtist,
        ArtistPopularity,
    )
}
"""Id -> class: the baselines of the report, in its order, besides the closed form of `random`."""

__all__ = ["BASELINES", "Baseline", "RandomOrder"]
