"""A fitted retriever on disk: its towers, the views of the catalog, the index, and the digests of all of them."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from loopback_core.errors import ArtifactError
from loopback_core.lineage.compressed_view import CompressedView
from loopback_core.lineage.families import FAMILIES
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.retriever import Retriever
from loopback_core.lineage.sparse_index import SparseIndex, load_sparse_index
from loopback_core.lineage.sparse_view import SparseView
from loopback_core.lineage.track_views import TrackView, View
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
        view.save(folder, number)
    if isinstance(retriever.index, SparseIndex):
        retriever.index.save(folder)
    else:
        save_index(retriever.index, folder)
    content = {
        "family": retriever.id,
        "vocabulary": asdict(retriever.model.vocabulary),
        "settings": retriever.settings.model_dump(mode="json", include=set(SECTIONS)),
        "views": [_layout(view) for view in retriever.views],
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
        views = [_view(layout, folder, number) for number, layout in enumerate(content["views"])]
        model = _towers(content["family"], Vocabulary(**content["vocabulary"]), settings, folder)
        first = views[0]
        index = load_sparse_index(folder, first, settings) if isinstance(first, SparseView) else load_index(folder)
        return Retriever(content["family"], settings, model, views, np.load(folder / ARTIST, allow_pickle=False), index)
    except (ArtifactError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"The retriever in {folder} cannot be read ({error}); fit it again.") from error


def _towers(family: str, vocabulary: Vocabulary, settings: Settings, folder: Path) -> MultiVectorTowers:
    with torch.device("meta"):  # no memory, and no initial values
        model = FAMILIES[family].make(vocabulary, settings)
    model.load_state_dict(load_file(folder / WEIGHTS), assign=True)
    return model.eval()


def _layout(view: TrackView) -> dict[str, int]:
    """What has to be known of a view before its files are read."""
    if isinstance(view, SparseView):
        return {"terms": view.width}
    assert isinstance(view, View | CompressedView)
    return {"shared": int(view.row is not None), "coded": int(isinstance(view, CompressedView))}


def _view(layout: dict[str, int], folder: Path, number: int) -> TrackView:
    if "terms" in layout:
        return SparseView.load(folder, number, layout["terms"])
    kind = CompressedView if layout["coded"] else View
    return kind.load(folder, number, is_shared=bool(layout["shared"]))
