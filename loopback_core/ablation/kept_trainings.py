"""What a finished training was measured at, kept for later runs: its facts, and arrays by user."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from loopback_core.errors import ArtifactError
from loopback_core.store.atomic import replacing
from loopback_core.store.digests import file_sha256
from loopback_core.store.sealed_json import read_sealed, write_sealed
from loopback_core.tasks.metrics import PerUser

log = logging.getLogger("loopback")


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
