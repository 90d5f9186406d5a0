"""How good towers whose heads interact are after an epoch, by the score of every track."""

import numpy as np

from loopback_core.data import Floats
from loopback_core.lineage.family_validation import FamilyValidation
from loopback_core.settings import Settings
from loopback_core.tasks.period import Period


class IntValidation(FamilyValidation):
    """Scores every track of the catalog exactly; the vector and the heads of a user or of a track stand side by side in a row."""

    def __init__(self, period: Period, settings: Settings) -> None:
        super().__init__(period, settings)
        self._head_dim = settings.lineage.interaction.head_dim

    def scores(self, users: Floats, tracks: Floats) -> Floats:
        """See :class:`Validation`; a user at a time, so that few products are held."""
        plain, heads = self._parts(tracks)
        scores = np.empty((len(users), len(tracks)), np.float32)
        for row, user in enumerate(users):
            of_user, heads_of_user = self._parts(user[None])
            best = heads_of_user[0] @ heads[:, 0].T
            for head in range(1, heads.shape[1]):
                np.maximum(best, heads_of_user[0] @ heads[:, head].T, out=best)
            scores[row] = plain @ of_user[0] + best.sum(axis=0)
        return scores

    def _parts(self, rows: Floats) -> tuple[Floats, Floats]:
        """(n, D) the vectors, and (n, heads, d) the heads."""
        return rows[:, : self._dim], rows[:, self._dim :].reshape(len(rows), -1, self._head_dim)
