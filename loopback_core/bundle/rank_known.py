"""The step of a bundle that ranks tracks for its known users."""

import numpy as np

from loopback_core.bundle.known_lists import KnownLists
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Histories, Ids, Ragged, Ranking, distinct_in_rows
from loopback_core.ranking.terms import Listened
from loopback_core.recommenders.bundle import SERVED_TASKS
from loopback_core.recommenders.index_recommender import NEAREST_OF_INDEX
from loopback_core.runtime.progress import progress

LONG_HISTORY = 1_000
"""Listens from which the lists of a user are stored: both together then take twice the room of the history at most. Those
of shorter ones are made in a few milliseconds when they are asked for."""

ALWAYS_RANKED = 2_000
"""Users whose lists are stored, those with the longest histories, however short they are: 32 MB."""

USERS_RANKED_AT_ONCE = 64


def rank_known(
    served: ServedBundle, long_history: int = LONG_HISTORY, at_least: int = ALWAYS_RANKED
) -> dict[str, KnownLists]:
    """The users with long histories, ranked for each task as for a request that gives no moment, no listens, no wishes.

    at_least: that many users, or all, however short their histories are.
    """
    n_tracks = len(served.bundle.vectors)
    width = min(NEAREST_OF_INDEX, n_tracks)  # shorter lists are the head of this one
    users = ranked_users(served.histories.lengths, long_history, at_least)
    blocks: dict[str, list[Ranking]] = {task: [] for task in SERVED_TASKS}
    with progress("known users", len(users), "users") as shown:
        for start in range(0, len(users), USERS_RANKED_AT_ONCE):
            histories = served.known_histories(users[start : start + USERS_RANKED_AT_ONCE])
            listened, excluded = Listened(histories, served.bundle.knowledge), _played(histories, n_tracks)
            for task, ranked in blocks.items():
                encoded = served.bundle.scorer(task).encode(histories, listened)
                exclude = excluded if task == "discovery" else None
                by_score = served.bundle.recommender(task).rank(encoded, width, exclude)
                ranked.append(served.bundle.shown(task, by_score, histories))
            shown.advance(len(histories))
    return {task: _together(users, ranked, width) for task, ranked in blocks.items()}


def ranked_users(lengths: Ids, long_history: int, at_least: int) -> Ids:
    """The users whose lists are stored, ascending. lengths: (users,) listens of each."""
    longest = np.argsort(-lengths, kind="stable")
    n_long = int((lengths >= long_history).sum())
    first = longest[: max(n_long, at_least)]
    return np.sort(first[lengths[first] > 0])


def _played(histories: Histories, n_tracks: int) -> Ragged:
    """The distinct tracks of the catalog in each history."""
    ids = histories.tracks.values
    return distinct_in_rows(histories.tracks.offsets, np.where(ids < n_tracks, ids, NOTHING), n_tracks)[0]


def _together(users: Ids, blocks: list[Ranking], width: int) -> KnownLists:
    tracks = [block.tracks.astype(np.int32) for block in blocks]
    return KnownLists(
        users,
        np.concatenate([np.zeros((0, width), np.int32), *tracks]),
        np.concatenate([np.zeros((0, width), np.float32), *(block.scores for block in blocks)]),
    )
