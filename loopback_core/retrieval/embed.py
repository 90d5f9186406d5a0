"""Vectors of tracks and users, in batches."""

import numpy as np
import torch
from numpy.typing import NDArray

from loopback_core.data import Floats, Histories
from loopback_core.progress import progress
from loopback_core.towers.decayed_counts import Moments
from loopback_core.towers.reading import HistoryReader
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import TwoTower
from loopback_core.towers.user import ANYTHING


@torch.inference_mode()
def track_vectors(model: TwoTower, artist: NDArray[np.int32], first: int = 0, batch_size: int = 16_384) -> Floats:
    """The vectors of tracks `first`, `first` + 1, …, (n_tracks, D) float32 of unit norm.

    artist: (n_tracks,) the artist of each. Tracks and artists beyond the weights' vocabulary get its unknown rows.
    """
    model.eval()
    vectors = np.empty((len(artist), model.settings.output_dim), np.float32)
    with progress("track embeddings", len(artist), "tracks") as shown:
        for start in range(0, len(artist), batch_size):
            of_batch = torch.from_numpy(artist[start : start + batch_size].astype(np.int64)).to(model.device)
            ids = torch.arange(first + start, first + start + len(of_batch), device=model.device)
            vectors[start : start + len(ids)] = model.tracks(TrackInputs(ids, of_batch)).float().cpu().numpy()
            shown.advance(len(ids))
    return vectors


@torch.inference_mode()
def user_vectors(
    model: TwoTower, histories: Histories, artist: NDArray[np.int32], intent: int = ANYTHING, batch_size: int = 1024
) -> Floats:
    """The vectors of users with these histories, (rows, D) float32 of unit norm: anybody's, also an empty history's.

    artist: (n_tracks,) the artist of every catalog track. intent: whether they want ANYTHING or ONLY_NEW tracks.
    """
    model.eval()
    vectors = np.empty((len(histories), model.settings.output_dim), np.float32)
    known = model.vocabulary
    for start in range(0, len(histories), batch_size):
        rows = histories.rows(start, min(start + batch_size, len(histories)))
        reader = HistoryReader(rows, artist, known.n_tracks, known.n_artists, model.settings)
        inputs = reader.read(Moments.at_the_end(rows), np.full(len(rows), intent))
        vectors[start : start + len(rows)] = model.users(inputs.to(model.device)).float().cpu().numpy()
    return vectors
