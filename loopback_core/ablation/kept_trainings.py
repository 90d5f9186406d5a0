"""What finished trainings were measured at, kept for later runs: their facts, and arrays by user."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from loopback_core.errors import ArtifactError
from loopback_core.runtime.progress import progress
from loopback_core.settings import Settings
from loopback_core.store.atomic import replacing
from loopback_core.store.digests import file_sha256
from loopback_core.store.sealed_json import read_sealed, write_sealed
from loopback_core.tasks.metrics import PerUser

log = logging.getLogger("loopback")

Facts = TypeVar("Facts", bound=Mapping[str, Any])


@dataclass(frozen=True)
class MeasuredTraining(Generic[Facts]):
    """One finished training. `per_user`: what was measured -> (users,); empty when the loss diverged."""

    facts: Facts
    per_user: PerUser

    @property
    def diverged(self) -> bool:
        """Whether the loss was not finite, so that there is nothing to measure."""
        return bool(self.facts["diverged"])


@dataclass(frozen=True)
class KeptTrainings:
    """Trainings that outlive the run and the version that made them."""

    folder: Path
    checkpoints: Path  # a folder that outlives a killed run
    verify: Callable[[], None]  # raises when the splits were damaged meanwhile: then nothing is kept

    def load_or_make(
        self, key: str, make: Callable[[Path], MeasuredTraining[Facts]]
    ) -> tuple[MeasuredTraining[Facts], bool]:
        """The training of this key as an earlier run stored it, else made now and stored; and whether it was reused.

        make: makes it, with checkpoints in the folder that it is given.
        """
        if (found := read_kept_training(self.folder / key)) is not None:
            return MeasuredTraining(*found), True
        unfinished = self.checkpoints / key
        unfinished.mkdir(parents=True, exist_ok=True)
        training = make(unfinished)
        self.verify()
        keep_training(training.facts, training.per_user, self.folder / key)
        shutil.rmtree(unfinished, ignore_errors=True)
        return training, False

    def load_or_make_all(
        self,
        what: str,
        plan: Mapping[str, Sequence[Settings]],
        key_of: Callable[[str, Settings], str],
        make: Callable[[str, Settings, Path], MeasuredTraining[Facts]],
        shown: Mapping[str, str],
    ) -> tuple[dict[str, list[MeasuredTraining[Facts]]], int]:
        """Name -> its trainings, one for each of its settings; and how many of all were reused.

        what: is measured, for the progress. plan: name -> settings, one for each seed. shown: what is told of each finished
        training -> its name in `per_user`.
        """
        trainings: dict[str, list[MeasuredTraining[Facts]]] = {name: [] for name in plan}
        reused = 0
        with progress(what, sum(map(len, plan.values())), "trainings") as bar:
            for name, settings_by_seed in plan.items():
                for settings in settings_by_seed:
                    training, was_kept = self.load_or_make(key_of(name, settings), partial(make, name, settings))
                    reused += was_kept
                    trainings[name].append(training)
                    told = _told(training, shown) + ", kept" * was_kept
                    log.info("%s, seed %d: %s", name, settings.training.seed, told)
                    bar.advance(note=name)
        return trainings, reused


def _told(training: MeasuredTraining[Any], shown: Mapping[str, str]) -> str:
    if training.diverged:
        return "the loss diverged"
    values = {name: training.per_user[measured] for name, measured in shown.items()}
    return ", ".join(f"{name} {np.mean(of):.4f}" for name, of in values.items() if len(of)) or "no user could be scored"


def keep_training(facts: Mapping[str, Any], per_user: PerUser, place: Path) -> None:
    """Write both next to each other. place: a path without a suffix; its name is the key of the training.

    The facts are written last: where they are, the training is complete. They hold the digest of the arrays.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    arrays = place.with_suffix(".npz")
    with replacing(arrays) as new, new.open("wb") as file:
        np.savez_compressed(file, **per_user)  # type: ignore[arg-type]
    write_sealed(place.with_suffix(".json"), {"key": place.name, "facts": facts, "arrays": file_sha256(arrays)})


def read_kept_training(place: Path) -> tuple[Any, PerUser] | None:
    """The facts and the arrays that were stored there; None when there are none, or they are damaged."""
    facts, arrays = place.with_suffix(".json"), place.with_suffix(".npz")
    if not facts.exists():
        return None
    try:
        content = read_sealed(facts)
        if (content["key"], content["arrays"]) != (place.name, file_sha256(arrays)):
            raise ArtifactError(f"{arrays} has other bytes than were stored")
        with np.load(arrays, allow_pickle=False) as values:
            return content["facts"], {name: values[name] for name in values.files}
    except (OSError, ArtifactError) as error:
        log.warning("%s: it is trained again", error)
        return None
