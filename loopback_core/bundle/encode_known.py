"""The step of a bundle that encodes its known users."""

import numpy as np

from loopback_core.bundle.known_encodings import KnownEncodings
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Ids
from loopback_core.ranking.scorer import EncodedUsers
from loopback_core.ranking.terms import Listened
from loopback_core.recommenders.bundle import SERVED_TASKS
from loopback_core.runtime.progress import progress
from loopback_core.towers.decayed_counts import Bag

LONG_HISTORY = 2_000
"""Listens from which a user is encoded. An encoding takes some 50 kB whatever the history: for short ones it would be many
times as large, and they are encoded in a millisecond or two when they are asked for."""

USERS_ENCODED_AT_ONCE = 64


def encode_known(served: ServedBundle, long_history: int = LONG_HISTORY) -> dict[str, KnownEncodings]:
    """Every user with a long history, encoded for each task as for a request that gives no moment and no listens."""
    users = np.flatnonzero(served.histories.lengths >= long_history)
    blocks: dict[str, list[EncodedUsers]] = {task: [] for task in SERVED_TASKS}
    with progress("known users", len(users), "users") as shown:
        for start in range(0, len(users), USERS_ENCODED_AT_ONCE):
            histories = served.known_histories(users[start : start + USERS_ENCODED_AT_ONCE])
            listened = Listened(histories, served.bundle.knowledge)
            for task, encoded in blocks.items():
                of_task = served.bundle.scorer(task).encode(histories, listened)
                encoded.append(served.bundle.recommender(task).with_lifted(of_task))
            shown.advance(len(histories))
    return {task: _together(users, encoded, served.bundle.vectors.shape[1]) for task, encoded in blocks.items()}


def _together(users: Ids, blocks: list[EncodedUsers], dim: int) -> KnownEncodings:
    """blocks: of USERS_ENCODED_AT_ONCE users each."""
    vectors = np.concatenate([np.zeros((0, dim), np.float32), *(block.vectors for block in blocks)])
    tracks, artists = [block.prior.tracks for block in blocks], [block.prior.artists for block in blocks]
    lifted = [block.lifted for block in blocks if block.lifted is not None]
    none = np.zeros(0, np.int64)
    lengths = np.concatenate([none, *(one.lengths for one in lifted)])
    return KnownEncodings(
        users,
        vectors,
        *_bags(tracks, len(users), 1),
        *_bags(artists, len(users), 2),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([none, *(one.values for one in lifted)]).astype(np.int32),
    )


def _bags(blocks: list[Bag], n_users: int, width: int) -> tuple[Ids, np.ndarray, np.ndarray]:
    """Where the items of each user end, the items, and their weights."""
    none = np.zeros(0, np.int64)
    row = np.concatenate([none, *(number * USERS_ENCODED_AT_ONCE + block.row for number, block in enumerate(blocks))])
    items = np.concatenate([none, *(block.items for block in blocks)]).astype(np.int32)
    weights = np.concatenate([np.zeros((0, width), np.float32), *(block.weights for block in blocks)])
    return np.searchsorted(row, np.arange(n_users + 1)), items, weights
