"""Related artists: a linear model of which artists are heard by the same users."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from loopback_core.data import FitData, Floats, Ids, Ragged
from loopback_core.errors import ArtifactError
from loopback_core.towers.decayed_counts import EMPTY, Bag

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RELATED = "related.safetensors"

REGULARISATION = 100.0
"""λ of EASE: where the search of the baselines begins; 1,000 is a little better on some logs and worse on others."""

CONTRAST = 100.0
"""An artist with a share s of the user's largest score weighs log(1 + CONTRAST * s): the order of the scores is more
reliable than their size, which is dominated by a few artists that are always heard together."""

MOST_RELATED = 300
"""Related artists of each history: they bound the tracks that are scored besides those of the index."""

MOST_USERS = 65_536
"""Users that are learned from, drawn by seed: more of them change little, and each costs a row."""

HISTORIES_AT_ONCE = 1_024


def ease_weights(gram: NDArray[np.float64], regularisation: float) -> Floats:
    """B = I - P / diag(P) with P = (G + λI)⁻¹, the closed form of EASE (Steck 2019), (n, n) with zeros on the diagonal.

    gram: G = XᵀX, (n, n). regularisation: λ > 0.
    """
    inverse = np.linalg.inv(gram + regularisation * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


@dataclass(frozen=True)
class RelatedArtists:
    """How much an artist in a history predicts each other artist.

    Towers of some hundred dimensions are smooth: they represent the kind of music of an artist. A matrix of artists ×
    artists also represents that two artists are heard together more often than their kinds explain.
    """

    artists: Ids  # (M,) dense ids, ascending
    weights: Floats  # (M, M): what each heard artist (row) adds to every artist (column)

    @classmethod
    def learn(cls, data: FitData, most: int) -> Self:
        """From the `most` artists with the most listeners, of those that two users heard at least."""
        listeners = data.catalog.artist_listeners
        order = np.argsort(-listeners, kind="stable")[:most]
        artists = np.sort(order[listeners[order] >= 2]).astype(np.int64)
        return cls(artists, ease_weights(_gram(_of_users(data), artists), REGULARISATION))

    def of(self, heard: Ragged, log_plays: NDArray[np.float64]) -> Bag:
        """The MOST_RELATED artists predicted from those of each history, with log(1 + CONTRAST * share) as weight.

        heard: the distinct artists of each history. log_plays: (total,) log(1 + plays) of each of them.
        """
        if not len(heard):
            return EMPTY
        plays = self._columns(heard, log_plays)
        items, rows, weights = [], [], []
        for start in range(0, len(heard), HISTORIES_AT_ONCE):
            stop = min(start + HISTORIES_AT_ONCE, len(heard))
            scores = np.asarray(plays[start:stop] @ self.weights)
            shares = np.maximum(scores, 0) / np.maximum(scores.max(axis=1, initial=0), 1e-12)[:, None]
            row, column = np.nonzero(_largest(shares, MOST_RELATED))
            items.append(self.artists[column])
            rows.append(start + row)
            weights.append(np.log1p(CONTRAST * shares[row, column]).astype(np.float32))
        return Bag(np.concatenate(items), np.concatenate(weights)[:, None], np.concatenate(rows))

    def _columns(self, heard: Ragged, log_plays: NDArray[np.float64]) -> csr_array:
        """The plays of the artists that are related to others, (rows, M)."""
        from scipy.sparse import csr_array

        column = np.minimum(np.searchsorted(self.artists, heard.values), max(len(self.artists) - 1, 0))
        read = self.artists[column] == heard.values if len(self.artists) else np.zeros(len(column), np.bool_)
        values = log_plays[read].astype(np.float32), (heard.row_numbers()[read], column[read])
        return csr_array(values, (len(heard), len(self.artists)))

    def save(self, folder: Path) -> None:
        """Write both arrays as safetensors."""
        save_file({"artists": self.artists, "weights": self.weights}, folder / RELATED)


def load_related(folder: Path) -> RelatedArtists | None:
    """Read what :meth:`RelatedArtists.save` wrote; None where the towers were trained without.

    Raises:
        ArtifactError: it is damaged.
    """
    if not (folder / RELATED).exists():
        return None
    try:
        with safe_open(folder / RELATED, "pt") as file:  # torch maps what numpy would copy
            return RelatedArtists(*(file.get_tensor(name).numpy() for name in ("artists", "weights")))
    except Exception as error:  # safetensors raises errors of its own
        raise ArtifactError(
            f"The related artists in {folder} cannot be read ({error}); train the towers again."
        ) from error


def _of_users(data: FitData) -> csr_array:
    """log(1 + plays) of every artist by every user, or by MOST_USERS of them, (users, n_artists)."""
    from scipy.sparse import csr_array

    n_users, n_artists = data.catalog.n_users, data.catalog.n_artists
    keys = np.sort(data.events.user.astype(np.int64) * n_artists + data.catalog.artist[data.events.track])
    first = np.flatnonzero(np.diff(keys, prepend=-1))  # np.unique hashes, which is many times slower
    pairs, logs = keys[first], np.log1p(np.diff(first, append=len(keys))).astype(np.float32)
    matrix = csr_array((logs, (pairs // n_artists, pairs % n_artists)), (n_users, n_artists))
    if n_users <= MOST_USERS:
        return matrix
    return matrix[np.sort(np.random.default_rng(0).permutation(n_users)[:MOST_USERS])]


def _gram(users: csr_array, artists: Ids) -> NDArray[np.float64]:
    """XᵀX of some columns, of a block of users at a time: active users have most of the popular artists."""
    selected, gram = users[:, artists], np.zeros((len(artists), len(artists)))
    for start in range(0, selected.shape[0], HISTORIES_AT_ONCE):
        block = selected[start : start + HISTORIES_AT_ONCE].toarray()
        gram += block.T @ block
    return gram


def _largest(scores: Floats, most: int) -> NDArray[np.bool_]:
    """Where the `most` largest positive values of each row are, or some more where several tie."""
    if scores.shape[1] <= most:
        return scores > 0
    bound = np.partition(scores, -most, axis=1)[:, [-most]]
    largest: NDArray[np.bool_] = (scores >= bound) & (scores > 0)
    return largest
