"""A fitted retriever on disk: its towers, the views of the catalog, the index, and the digests of all of them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from loopback_core.errors import ArtifactError
from loopback_core.lineage.families import FAMILIES
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.retriever import Retriever
from loopback_core.lineage.track_views import View
from loopback_core.retrieval.indexes import load_index, save_index
from loopback_core.settings import Settings
from loopback_core.store.digests import file_sha256
from loopback_core.store.sealed_json import read_sealed, write_sealed
from loopback_core.towers.two_tower import WEIGHTS, Vocabulary

RETRIEVER, ARTIST = "retriever.json", "artist_of_track.npy"

SECTIONS = ("towers", "training", "lineage", "index", "evaluation")


def save_retriever(retriever: Retriever, folder: Path) -> None:
    """Write it into a folder. What says what is there comes last: without it a folder, as a killed run leaves it, is none."""
    (folder / RETRIEVER).unlink(missing_ok=True)
    retriever.model.save(folder)
    np.save(folder / ARTIST, retriever.artist)
    for number, view in enumerate(retriever.views):
        np.save(folder / _vectors(number), view.vectors)
        if view.row is not None:
            np.save(folder / _rows(number), view.row)
    save_index(retriever.index, folder)
    content = {
        "family": retriever.id,
        "vocabulary": asdict(retriever.model.vocabulary),
        "settings": retriever.settings.model_dump(mode="json", include=set(SECTIONS)),
        "views": [view.row is not None for view in retriever.views],
        "files": {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.is_file()},
    }
    write_sealed(folder / RETRIEVER, content)


def load_retriever(folder: Path) -> Retriever:
    """Read what :func:`save_retriever` wrote. Vectors are mapped from their files; nothing is unpickled.

    Raises:
        ArtifactError: a file is missing, damaged, or not the one that was written.
    """
    try:
        content = read_sealed(folder / RETRIEVER)
        for name, sha256 in content["files"].items():
            if file_sha256(folder / name) != sha256:
                raise ArtifactError(f"{folder / name} has other bytes than were written")
        settings = Settings.model_validate(content["settings"], strict=False)
        views = [
            View(_read(folder / _vectors(number)), _read(folder / _rows(number)) if is_shared else None)
            for number, is_shared in enumerate(content["views"])
        ]
        model = _towers(content["family"], Vocabulary(**content["vocabulary"]), settings, folder)
        index = load_index(folder)
        return Retriever(content["family"], settings, model, views, np.array(_read(folder / ARTIST)), index)
    except (ArtifactError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"The retriever in {folder} cannot be read ({error}); fit it again.") from error


def _towers(family: str, vocabulary: Vocabulary, settings: Settings, folder: Path) -> MultiVectorTowers:
    with torch.device("meta"):  # no memory, and no initial values
        model = FAMILIES[family].make(vocabulary, settings)
    model.load_state_dict(load_file(folder / WEIGHTS), assign=True)
    return model.eval()


def _read(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _vectors(view: int) -> str:
    return f"view_{view}.npy"


def _rows(view: int) -> str:
    return f"view_{view}_of_track.npy"
