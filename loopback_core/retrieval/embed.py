"""Vectors of tracks and users, in batches."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from loopback_core.data import Floats, Histories
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import TrackContent
from loopback_core.runtime.progress import progress
from loopback_core.towers.readers import HistoryReader, TrackReader
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING, UserInputs


@torch.inference_mode()
def track_vectors(
    model: TwoTower, content: TrackContent, first: int = 0, stop: int | None = None, batch_size: int = 16_384
) -> Floats:
    """The vectors of tracks `first` to `stop` - 1, or to the last of the content, (tracks, D) float32 of unit norm.

    Tracks and artists beyond the weights' vocabulary get its unknown rows, and what their content says.

    Raises:
        SettingsError: the file of features has other columns than when the towers were trained.
    """
    trained = model.vocabulary.n_columns
    if (columns := content.widths[1]) != trained:
        raise SettingsError(
            f"towers.sum.features: {model.settings.sum.features} has {columns} columns of numbers and the towers were trained "
            f"on {trained}; put the file back as it was, or train the towers again."
        )
    model.eval()
    reader = TrackReader(content, model.settings)
    stop = len(content) if stop is None else stop
    vectors = np.empty((stop - first, model.settings.output_dim), np.float32)
    with progress("track embeddings", len(vectors), "tracks") as shown:
        for start in range(first, stop, batch_size):
            tracks = np.arange(start, min(start + batch_size, stop))
            inputs = reader.read(tracks).to(model.device)
            vectors[tracks - first] = model.tracks(inputs).float().cpu().numpy()
            shown.advance(len(tracks))
    return vectors


def user_vectors(
    model: TwoTower, histories: Histories, artist: NDArray[np.int32], intent: int = ANYTHING, batch_size: int = 128
) -> Floats:
    """The vectors of users with these histories, (rows, D) float32 of unit norm. A history may be empty.

    artist: (n_tracks,) the artist of every catalog track. intent: ANYTHING, or ONLY_NEW for tracks that the user has not played.
    """
    return user_vectors_of(model, read_users(model, histories, artist, intent, batch_size))


def read_users(
    model: TwoTower, histories: Histories, artist: NDArray[np.int32], intent: int = ANYTHING, batch_size: int = 128
) -> Iterator[UserInputs]:
    """The inputs of the user tower for these histories, in batches. They depend on the shape of the model, not on its weights."""
    known = model.vocabulary
    for start in range(0, len(histories), batch_size):
        rows = histories.rows(start, min(start + batch_size, len(histories)))
        reader = HistoryReader(rows, artist, known.n_tracks, known.n_artists, model.settings)
        yield reader.read_at_the_end(np.full(len(rows), intent))


@torch.inference_mode()
def user_vectors_of(model: TwoTower, batches: Iterable[UserInputs]) -> Floats:
    """The vectors of users from inputs that were read before, (rows, D)."""
    model.eval()
    vectors = [model.users(inputs.to(model.device)).float().cpu().numpy() for inputs in batches]
    return np.concatenate([np.zeros((0, model.settings.output_dim), np.float32), *vectors])
