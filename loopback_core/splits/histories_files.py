"""The histories of the fit data on disk, by user, written once: a request for one user reads that user's listens.

What a user played in train comes before what they played in validation, whatever the strategy. So both fit data share
one array: `starts` to `train_stops` is the history at the end of train, `starts` to `stops` that at the end of validation.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import ListensByUser
from loopback_core.errors import ArtifactError

HISTORIES = "histories"
STOPS = {"tuning": "train_stops", "testing": "stops"}
"""Phase -> the file that says where the histories of its fit data end."""

DTYPES = {"starts": np.int64, "stops": np.int64, "train_stops": np.int64, "tracks": np.int32, "timestamps": np.uint32}
"""File -> the type of what it holds."""

Lengths = NDArray[np.int64]


class HistoriesWriter:
    """Writes `histories/*.npy`, in any order of users and without holding them.

    train, validation: (n,) listens in each part of the users that have any, by id.
    """

    def __init__(self, folder: Path, train: Lengths, validation: Lengths) -> None:
        self._folder = folder / HISTORIES
        self._folder.mkdir(exist_ok=True)
        stops = np.cumsum(train + validation)
        self._starts = stops - train - validation
        for name, values in (("starts", self._starts), ("stops", stops), ("train_stops", self._starts + train)):
            np.save(self._folder / f"{name}.npy", values)
        total = int(stops[-1]) if len(stops) else 0
        self._begins = {name: self._make(name, total) for name in ("tracks", "timestamps")}

    def _make(self, name: str, total: int) -> int:
        """Make a file of its final size; returns where its values begin."""
        path = self._folder / f"{name}.npy"
        np.save(path, np.zeros(0, DTYPES[name]))
        with path.open("r+b") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": np.dtype(DTYPES[name]).str, "fortran_order": False, "shape": (total,)}
            )
            begin = file.tell()
            file.truncate(begin + total * np.dtype(DTYPES[name]).itemsize)
        return begin

    def write(self, first_user: int, tracks: NDArray[np.int32], timestamps: NDArray[np.int64]) -> None:
        """Whole histories of users whose ids follow each other from `first_user` on, each oldest first."""
        for name, values in (("tracks", tracks), ("timestamps", timestamps)):
            kind = np.dtype(DTYPES[name])
            with (self._folder / f"{name}.npy").open("r+b") as file:
                file.seek(self._begins[name] + int(self._starts[first_user]) * kind.itemsize)
                values.astype(kind).tofile(file)


def read_histories(folder: Path, phase: str) -> ListensByUser:
    """Map what :class:`HistoriesWriter` wrote into memory; nothing is unpickled. phase: 'tuning' or 'testing'.

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
