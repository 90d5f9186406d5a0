"""The histories of the fit data on disk, by user, written once: a request for one user reads that user's listens.

What a user played in train comes before what they played in validation, whatever the strategy. So both fit data share
one array: `starts` to `train_stops` is the history at the end of train, `starts` to `stops` that at the end of validation.
"""

from pathlib import Path

import numpy as np

from loopback_core.data import Events, ListensByUser
from loopback_core.errors import ArtifactError

HISTORIES = "histories"
STOPS = {"tuning": "train_stops", "testing": "stops"}
"""Phase -> the file that says where the histories of its fit data end."""

DTYPES = {"starts": np.int64, "stops": np.int64, "train_stops": np.int64, "tracks": np.int32, "timestamps": np.uint32}
"""File -> the type of what it holds."""


def write_histories(train: Events, fit: Events, folder: Path) -> None:
    """Write `histories/*.npy` into `folder`. fit: train and validation together."""
    by_user = fit.by_user
    train_stops = by_user.starts + np.bincount(train.user, minlength=len(by_user.starts))
    (folder / HISTORIES).mkdir(exist_ok=True)
    for name, values in {**vars(by_user), "train_stops": train_stops}.items():
        np.save(folder / HISTORIES / f"{name}.npy", values)


def read_histories(folder: Path, phase: str) -> ListensByUser:
    """Map what :func:`write_histories` wrote into memory; nothing is unpickled. phase: 'tuning' or 'testing'.

    Raises:
        ArtifactError: a file is missing, damaged or of another shape than the others.
    """
    starts, stops, tracks, timestamps = (
        _map(folder, name) for name in ("starts", STOPS[phase], "tracks", "timestamps")
    )
    aligned = len(starts) == len(stops) and len(tracks) == len(timestamps)
    if not aligned or np.any(np.diff(np.r_[0, np.stack([starts, stops], axis=1).ravel(), len(tracks)]) < 0):
        raise ArtifactError(f"The histories in {folder / HISTORIES} do not fit together; build temporal_splits again.")
    return ListensByUser(starts, stops, tracks, timestamps)


def _map(folder: Path, name: str) -> np.ndarray:
    path = folder / HISTORIES / f"{name}.npy"
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); build temporal_splits again.") from None
    if values.dtype != DTYPES[name] or values.ndim != 1:
        raise ArtifactError(f"{path} does not hold one row of {DTYPES[name].__name__}; build temporal_splits again.")
    return np.asarray(values)  # slices of a plain array are made in a tenth of the time
