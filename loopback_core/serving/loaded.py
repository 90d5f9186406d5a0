"""A bundle that is ready to answer: verified, asked its canaries, warm."""

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Self

import numpy as np

from loopback_core.bundle.bundle_files import KnownJson, read_json
from loopback_core.bundle.canaries import CANARIES, wrong_answers
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.errors import ArtifactError, LoopbackError
from loopback_core.serving.prepared import PreparedListeners
from loopback_core.store.artifact import Artifact

log = logging.getLogger("loopback")

PAGE_BYTES = 4096


@dataclass(frozen=True)
class LoadedBundle:
    """A version of the bundle in service."""

    version: str
    created: str  # ISO 8601, UTC
    served: ServedBundle
    listeners: PreparedListeners

    @classmethod
    def load(cls, artifact: Artifact, verify: bool = False) -> Self:
        """Load a bundle and make it ready: sizes of its files, canaries, and every page of what a request reads by row.

        verify: digest every file too.

        Raises:
            ArtifactError: a file is missing or damaged, or the bundle does not give its stored answers.
        """
        started = time.monotonic()
        artifact.refuse_other_sizes()
        if verify:
            artifact.verify()
        Thread(target=_read_ahead, args=(artifact,), daemon=True).start()
        try:
            served = _ready(artifact)
        except LoopbackError:
            raise
        except Exception as error:  # what damaged arrays lead to: out of range, of other shapes, out of memory
            raise ArtifactError(
                f"{artifact} cannot be loaded ({type(error).__name__}: {error}); {artifact.remedy}"
            ) from error
        log.info("%s is ready after %.1f s", artifact, time.monotonic() - started)
        return cls(artifact.version, artifact.manifest["created"], served, PreparedListeners(served))


def _ready(artifact: Artifact) -> ServedBundle:
    served = ServedBundle.load(artifact.folder)
    if missing := KnownJson.__required_keys__ - served.known.keys():
        raise ArtifactError(
            f"{artifact} was built by another version of loopback (no {min(missing)}); {artifact.remedy}"
        )
    served.bundle.refuse_ids()
    _warm(served)
    wrong = wrong_answers(served, read_json(artifact.folder / CANARIES))
    if wrong:
        raise ArtifactError(f"{artifact} does not give its stored answers ({'; '.join(wrong)}); {artifact.remedy}")
    return served


def _read_ahead(artifact: Artifact) -> None:
    """Let the operating system read all files from the disk, in their order: by faults it would read them page by page."""
    if not hasattr(os, "posix_fadvise"):  # as on macOS
        return
    for name in artifact.manifest["files"]:
        with suppress(OSError), (artifact.folder / name).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _warm(served: ServedBundle) -> None:
    """Read a byte of every page of the vectors: fetched row by row, each would be a fault of its own."""
    vectors = np.asarray(served.bundle.vectors)
    _ = vectors.reshape(-1).view(np.uint8)[::PAGE_BYTES].max(initial=0)
    _ = served.by_popularity, served.artist_vectors
    served.search.tracks("a", 1)
