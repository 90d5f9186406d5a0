"""What a log of some size takes: hours, memory, bytes, by the constants that were measured; and what does not work any more."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scale_constants import MEASURED_TRACKS, MEASURED_USERS, WIDTH, Constants

from loopback_core.settings import EvaluationSettings

RETRAIN_HOURS = 6
"""After which a retrain is ended (loopback_assets/retraining.py)."""

ROWS_OF_POSITIONS, ROWS_OF_POLARS = 2**31, 2**32
"""Positions of listens are 32-bit numbers with a sign (towers/decayed_counts.py); rows of a frame of Polars without one."""

LARGE_MACHINE = 256e9
"""Bytes: more are to be had, but not everywhere."""

LISTENS_PER_TRACK, MOST_LISTENS = 14, 2e10
"""As at the size that was measured; limits beyond are not listed."""


@dataclass(frozen=True)
class Scale:
    """What a log of some size takes. Hours are of `constants.cores` cores, memory is in bytes."""

    listens: float
    tracks: float
    constants: Constants

    @property
    def users(self) -> float:
        """Of them the service knows a history."""
        return self.listens / self.constants.listens_per_user

    @property
    def _shared(self) -> float:
        c = self.constants
        return 1 / (1 + (c.workers - 1) * c.worker_gain)

    def hours(self) -> dict[str, float]:
        """Step -> hours."""
        c, millions = self.constants, self.listens / 1e6
        users = min(self.users, EvaluationSettings().users)
        both = users / MEASURED_USERS * self.tracks / MEASURED_TRACKS
        seconds = {
            "interactions": c.ingest_seconds_per_million * millions * self._shared,
            "temporal_splits": c.split_seconds_per_million * millions * self._shared,
            "trained_towers, the recipe": c.training_seconds,
            "track_embeddings": c.embed_seconds_per_million * self.tracks / 1e6,
            "faiss_index, ivf": c.ivf_build_seconds * (self.tracks / c.index_tracks) ** 1.5,
            "baselines": c.baselines_seconds_per_million * millions,
            "evaluation": c.evaluation_seconds * both,
            "bundle, trained once more": c.training_seconds / c.trainings,
            "bundle, lists of known users": c.new_list_milliseconds / 1e3 * self.users,
            "drift": c.drift_seconds_per_million * millions,
        }
        return {step: value / 3600 for step, value in seconds.items()}

    def hours_of_a_pass(self, gpu: bool = False) -> float:
        """Training on every listen once, and once more with validation; part of no recipe."""
        c = self.constants
        rate = c.trained_listens_per_second_gpu if gpu else c.trained_listens_per_second
        return c.trainings * self.listens / rate * self._shared / 3600

    def memory(self) -> dict[str, float]:
        """Step -> bytes at its peak. Of the sum of the towers' tables training holds some copies."""
        c = self.constants
        tables = 4 * WIDTH * self.tracks * (1 + c.artists_per_track)
        return {
            "interactions": c.ingest_memory + c.ingest_memory_per_track * self.tracks,
            "temporal_splits": c.split_memory_per_track * self.tracks,
            "trained_towers": c.training_table_copies * tables + c.training_memory_per_listen * self.listens,
            "faiss_index": 3 * 4 * WIDTH * self.tracks,
            "drift": c.drift_memory_per_listen * self.listens,
        }

    def disk(self) -> float:
        """Bytes of a log as text and of one version of what is made from it."""
        c = self.constants
        of_tracks = 4 * WIDTH * self.tracks * (1 + c.artists_per_track) + 2 * 4 * WIDTH * self.tracks
        return (c.text_bytes_per_listen + c.clean_bytes_per_listen) * self.listens + of_tracks + self.bundle()

    def bundle(self) -> float:
        """Bytes of the mapped files of the service."""
        c = self.constants
        of_users = c.history_bytes_per_listen * self.listens + c.lists_bytes_per_user * self.users
        return c.service_bytes_per_track * self.tracks + of_users

    def service_memory(self) -> float:
        """Bytes of the service with all of its files in memory."""
        return self.constants.service_memory + self.bundle()


def limits(constants: Constants) -> list[tuple[float, str]]:
    """Listens from which something does not work as it is, and what: the first first. The catalog grows with the log."""

    def at(listens: float) -> Scale:
        return Scale(listens, listens / LISTENS_PER_TRACK, constants)

    def reached(value: Callable[[Scale], float], limit: float) -> float:
        sizes = (10 ** (exponent / 1000) for exponent in range(6_000, 13_000))
        return next((size for size in sizes if value(at(size)) > limit), math.inf)

    found = [
        (float(ROWS_OF_POSITIONS), "positions of listens no longer fit into 32 bits"),
        (float(ROWS_OF_POLARS), "a frame of Polars holds no more rows"),
        (reached(lambda scale: sum(scale.hours().values()), RETRAIN_HOURS), f"all steps take {RETRAIN_HOURS} h"),
    ]
    for step in at(1).hours():
        what = f"{step} alone takes {RETRAIN_HOURS} h"
        found.append((reached(lambda scale, s=step: scale.hours()[s], RETRAIN_HOURS), what))
    for step in at(1).memory():
        what = f"{step} needs {LARGE_MACHINE / 1e9:,.0f} GB"
        found.append((reached(lambda scale, s=step: scale.memory()[s], LARGE_MACHINE), what))
    what = f"the service needs {LARGE_MACHINE / 1e9:,.0f} GB to hold all of its files in memory"
    found.append((reached(Scale.service_memory, LARGE_MACHINE), what))
    return sorted(one for one in found if one[0] < MOST_LISTENS)
