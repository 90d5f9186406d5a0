"""The requests that the benchmark of the service sends: of users of a bundle, and names as people type them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from serving_load import Sent, post

from loopback_core.bundle.bundle_files import (
    KNOWN,
    read_catalog,
    read_json,
    read_known_histories,
    read_names,
    read_user_ids,
)

RECOMMENDATIONS = "/v1/recommendations"

HISTORY = 100
"""Listens that are sent with a request."""

BATCH = 256

DIFFERENT = 2_000
"""Requests of a kind before the first is sent again: more than the listeners that the service keeps."""


@dataclass(frozen=True)
class Requests:
    """Of one bundle."""

    folder: Path
    k: int = 10

    @cached_property
    def _now(self) -> int:
        return int(read_json(self.folder / KNOWN)["now"])

    @cached_property
    def _users(self) -> list[str]:
        return read_user_ids(self.folder)

    @cached_property
    def _in_any_order(self) -> list[int]:
        return np.random.default_rng(0).permutation(len(self._users)).tolist()

    @cached_property
    def listens(self) -> np.ndarray:
        """(users,) of every user."""
        return read_known_histories(self.folder).lengths

    @cached_property
    def by_length(self) -> np.ndarray:
        """(users,) those with the shortest history first."""
        return np.argsort(self.listens, kind="stable")

    @property
    def median(self) -> int:
        """The user in the middle."""
        return int(self.by_length[len(self.by_length) // 2])

    @property
    def longest(self) -> int:
        """The user with the longest history."""
        return int(self.by_length[-1])

    def again(self, user: int) -> list[Sent]:
        """The same request over and over."""
        return [post(RECOMMENDATIONS, self._body(user))]

    def at_moments(self, user: int) -> list[Sent]:
        """Requests of a user for one moment after another: nothing that was computed before can be used."""
        return [post(RECOMMENDATIONS, self._body(user, minute)) for minute in range(1, DIFFERENT + 1)]

    def everybody(self) -> list[Sent]:
        """Of all users in turn."""
        return [post(RECOMMENDATIONS, self._body(user)) for user in self._in_any_order]

    def everybody_at_moments(self, *, rank: bool = True) -> list[Sent]:
        """Of all users in turn, for other moments in every round. rank: whether the best candidates are put in order."""
        rounds = -(-DIFFERENT // len(self._users))
        in_turn = [(user, minute) for minute in range(1, rounds + 1) for user in self._in_any_order]
        wish = {} if rank else {"rank": False}
        return [post(RECOMMENDATIONS, self._body(user, minute) | wish) for user, minute in in_turn]

    def batches(self, at_moments: bool = False) -> list[Sent]:
        """BATCH users each. at_moments: of other moments in every batch."""
        users = self._in_any_order * -(-4 * BATCH // len(self._users))
        return [
            post(
                f"{RECOMMENDATIONS}:batch",
                {"requests": [self._body(user, at_moments * minute) for user in users[start : start + BATCH]]},
            )
            for minute, start in enumerate(range(0, 4 * BATCH, BATCH), 1)
        ]

    def with_history(self) -> list[Sent]:
        """HISTORY listens of a user, by name, sent with the request of somebody unknown."""
        names = read_names(self.folder)
        histories = read_known_histories(self.folder)
        requests = []
        for user in self.by_length[len(self.by_length) // 4 :].tolist():
            tracks, times = histories.of(np.array([user]))
            last = slice(-HISTORY, None)
            rows = names.take(tracks.values[last]).to_pylist()
            heard = [
                {"artist": row["artist_name"], "track": row["track_name"], "time": _iso(int(time))}
                for row, time in zip(rows, times[last], strict=True)
                if row["artist_name"] and row["track_name"]
            ]
            requests.append(post(RECOMMENDATIONS, {"history": heard, "k": self.k}))
        return requests[:DIFFERENT]

    def typed(self) -> list[Sent]:
        """Searches for tracks letter by letter, those with many listeners more often; every third with a typo."""
        rng = np.random.default_rng(0)
        listeners = read_catalog(self.folder).listeners.astype(np.float64)
        tracks = rng.choice(len(listeners), 300, p=listeners / listeners.sum())
        queries = []
        for row in read_names(self.folder).take(tracks).to_pylist():
            text = f"{row['artist_name']} {row['track_name']}" if rng.random() < 0.5 else str(row["track_name"])
            queries += [text[:length] for length in range(1, len(text) + 1)]
        queries = [_mistyped(query, rng) if number % 3 == 0 else query for number, query in enumerate(queries)]
        order = rng.permutation(len(queries))[:DIFFERENT]
        return [Sent("GET", "/v1/tracks?" + urlencode({"q": queries[number]})) for number in order]

    def _body(self, user: int, minute: int = 0) -> dict[str, object]:
        body: dict[str, object] = {"user_id": self._users[user], "k": self.k}
        return body | {"at": _iso(self._now + 60 * minute)} if minute else body


def _mistyped(text: str, rng: np.random.Generator) -> str:
    """Two letters changed places."""
    if len(text) < 4:
        return text
    place = int(rng.integers(len(text) - 1))
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
