"""A task: whose lists are made, from which candidates, and which tracks are the right ones."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import FitData, Histories, Ids, Ragged


@dataclass(frozen=True)
class Task:
    """One retrieval task, the same for every recommender. Row i of every ragged array belongs to `users[i]`.

    Candidates, positives and excluded tracks are numbered from `first_candidate`, so that candidates always begin at 0;
    histories keep the ids of the log.
    """

    name: str
    users: Ids  # (users,) dense ids of the scored users
    histories: Histories
    positives: Ragged  # distinct candidates, at least one per row
    exclude: Ragged | None  # candidates that must not be recommended to that user; None: nothing is excluded
    fit: FitData
    candidate_artist: NDArray[np.int32]  # (n_candidates,)
    unreachable: float  # share of the positives of all users that are not in the catalog of the fit data
    first_candidate: int = 0  # id in the log of the first candidate; the others follow it

    @property
    def n_candidates(self) -> int:
        """Number of candidates before exclusion."""
        return len(self.candidate_artist)

    @property
    def only_new(self) -> bool:
        """Whether no track that the user played is a candidate."""
        return self.exclude is not None or self.first_candidate > 0

    @property
    def n_candidates_per_user(self) -> Ids:
        """Candidates of each user after exclusion, (users,)."""
        n_excluded = np.zeros(len(self.users), np.int64) if self.exclude is None else self.exclude.lengths
        return self.n_candidates - n_excluded

    def sampled(self, n_users: int, seed: int) -> "Task":
        """The same task for at most `n_users` of its users, chosen by seed."""
        if len(self.users) <= n_users:
            return self
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.users))[:n_users])
        return self.of_rows(rows)

    def of_rows(self, rows: Ids) -> "Task":
        """The same task for some of its users. rows: their numbers."""
        exclude = None if self.exclude is None else self.exclude.take(rows)
        histories, positives = self.histories.take(rows), self.positives.take(rows)
        return replace(self, users=self.users[rows], histories=histories, positives=positives, exclude=exclude)
