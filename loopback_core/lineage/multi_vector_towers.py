"""Two towers of which each may give several vectors; the base is the plain pair, with one of each."""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from loopback_core.data import Floats, Ids
from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.track_views import Merge, TrackView, View, scores_of
from loopback_core.retrieval.embed import track_vectors
from loopback_core.settings import Settings
from loopback_core.towers.last_listens import LastListens
from loopback_core.towers.sequences import NO_LISTEN, Sequences
from loopback_core.towers.two_tower import TwoTower, Vocabulary
from loopback_core.towers.user import HistoryUserTower, UserInputs


class MultiVectorTowers(TwoTower):
    """score(u, t) = over the vectors of u the `merge` of the largest product with a vector of t."""

    merge: ClassVar[Merge] = "max"

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        """settings: `towers`, `training`, and `lineage` for the shape of those with several vectors. names: of the log, for
        towers that keep them; None: they are loaded with the weights."""
        training = settings.training
        super().__init__(
            vocabulary,
            settings.towers,
            sparse=training.optimizer == "sparse",
            temperature=training.temperature,
            max_inverse_temperature=training.max_inverse_temperature,
        )

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, U, D); a vector of zeros adds nothing."""
        vectors: Tensor = self.users(inputs)
        return vectors[:, None]

    def views(self, content: TrackContent) -> list[TrackView]:
        """The views of every track of the content; the first is a vector for each track, by which candidates are found."""
        return [View(track_vectors(self, content))]

    def searched(self, users: Floats) -> Floats:
        """The vectors by which candidates are found, (V, D), from those of a user, (U, D)."""
        return users

    def scores(self, users: Floats, views: Sequence[TrackView], tracks: Ids) -> Floats:
        """(n,) of some tracks for one user, each the same to the last digit whatever other tracks are asked for.

        users: (U, D). tracks: (n,).
        """
        return scores_of(users, views, tracks, self.merge)


def in_order(towers: TwoTower, family: str) -> tuple[HistoryUserTower, LastListens]:
    """The user tower, and its part that reads the last listens in order.

    Raises:
        SettingsError: it has no such part.
    """
    if not isinstance(towers.users, HistoryUserTower) or towers.users.last is None:
        raise SettingsError(
            f"The family {family!r} of the lineage reads the last listens in order: set towers.user_encoder to 'hstu'."
        )
    return towers.users, towers.users.last


def last_states(states: Tensor, last: Sequences, count: int) -> tuple[Tensor, Tensor]:
    """The states of the last `count` listens of each request, the latest first, (A, count, D), and which there are, (A, count).

    states: (C, L, D) of :meth:`LastListens.states`. count: at most the window of the encoder; a stretch holds no more.
    """
    length = states.shape[1]
    back = torch.arange(count, device=states.device)
    place = last.last[:, None] - back  # (A, count) in the flattened stretches
    in_stretch = (last.last % length)[:, None] >= back
    place = torch.where(in_stretch, place, last.last[:, None])
    is_heard = in_stretch & (last.tracks.flatten()[place] != NO_LISTEN)
    found = states.flatten(0, 1).index_select(0, place.flatten()).view(*place.shape, -1)
    return found * is_heard[..., None], is_heard


def pair_cosines(vectors: Tensor) -> Tensor:
    """(A, U (U - 1) / 2) the cosines of every pair of a user's vectors."""
    unit = F.normalize(vectors, dim=-1)
    count = unit.shape[1]
    first, second = torch.triu_indices(count, count, offset=1, device=unit.device)
    return (unit @ unit.transpose(1, 2))[:, first, second]
