"""Nearest-neighbour indexes over track vectors: one interface, a file per engine.

A new engine is a file `<name>_engine.py` with a class that offers what `VectorIndex` does, named `Index`, and its kinds in
`loopback_core.settings` (`ENGINE_OF_KIND`). Its library is imported when one of its kinds is named.
"""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError, SettingsError
from loopback_core.retrieval.indexes.deleted_tracks import digest_of_deleted
from loopback_core.retrieval.indexes.index_plan import IndexPlan, plan_index
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.retrieval.vectors import VectorRows
from loopback_core.settings import ENGINE_OF_KIND, IndexSettings
from loopback_core.store.atomic import write_text

INDEX_NAME, SETTINGS_FILE = "tracks", "index.json"

IN_SHARDS = ("flat", "ivf", "pq", "ivf_hnsw", "pq_hnsw")
"""Kinds that are built by ranges of ids and joined; the others are built whole."""

_DELETED = "deleted"
"""A key beside the settings: the digest of the file of deleted tracks."""

INDEX_SUFFIXES = tuple(sorted({f".{engine}" for engine in ENGINE_OF_KIND.values()}))
"""Of the file of an index, one for each engine."""


def build_index(vectors: Floats, settings: IndexSettings) -> VectorIndex:
    """An index over `vectors`, (n, D) float32, of the kind that the settings name, or that is planned for kind auto.

    Raises:
        SettingsError: the library of its engine is not installed, or the server that the settings name does not answer.
    """
    planned = plan_index(len(vectors), vectors.shape[1], settings).settings
    return _engine(planned).build(vectors, planned)


def build_index_in_shards(
    open_vectors: Callable[[], VectorRows], settings: IndexSettings, folder: Path
) -> tuple[VectorIndex, IndexPlan]:
    """The same, by the shards that the settings name where the kind can be built so; and the plan that was followed.

    open_vectors: called in every process that reads them. folder: keeps the shards that are complete; other vectors or
    settings need another one.

    Raises:
        SettingsError: as :func:`build_index`.
        RoomError: a process that built a shard was ended from outside.
    """
    vectors = open_vectors()
    plan = plan_index(len(vectors), vectors.shape[1], settings)
    if plan.settings.kind not in IN_SHARDS or len(vectors) <= settings.shards.tracks:
        return _engine(plan.settings).build(vectors[:], plan.settings), plan
    from loopback_core.retrieval.indexes.faiss_shards import index_in_shards  # FAISS is loaded by those who use it

    return index_in_shards(open_vectors, plan.settings, folder), plan


def index_file(settings: IndexSettings) -> str:
    """The name of the file of an index in its folder."""
    return f"{INDEX_NAME}.{ENGINE_OF_KIND[settings.kind]}"


def save_index(index: VectorIndex, folder: Path) -> None:
    """Write the index, the settings that it was built and is searched with, and a digest of its deleted tracks.

    The settings come last: a folder without them, as a killed run leaves it, is no index.
    """
    (folder / SETTINGS_FILE).unlink(missing_ok=True)
    file = folder / index_file(index.settings)
    index.save(file)
    facts = {**index.settings.model_dump(mode="json"), _DELETED: digest_of_deleted(file)}
    write_text(folder / SETTINGS_FILE, json.dumps(facts, indent=1) + "\n")


def load_index(folder: Path) -> VectorIndex:
    """Read both back.

    Raises:
        ArtifactError: a file is missing or damaged, among them the one that names deleted tracks.
        SettingsError: as :func:`build_index`.
    """
    try:
        facts = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))
        deleted = facts.pop(_DELETED, None)  # an index that an earlier version wrote does not say
        settings = IndexSettings.model_validate_json(json.dumps(facts))
    except (OSError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"The settings of the index in {folder} cannot be read ({error}); build it again."
        ) from None
    file = folder / index_file(settings)
    if deleted not in (None, digest_of_deleted(file)):
        raise ArtifactError(
            f"The file of deleted tracks beside {file} is missing or not the one that was saved with it; build the index again."
        )
    return _engine(settings).load(file, settings)


def _engine(settings: IndexSettings) -> type[VectorIndex]:
    name = ENGINE_OF_KIND[settings.kind]
    try:
        engine: type[VectorIndex] = import_module(f"{__name__}.{name}_engine").Index
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__name__.partition(".")[0]):
            raise
        raise SettingsError(
            f"index.kind is {settings.kind!r}, whose library is not installed ({error.name.partition('.')[0]}): "
            f'pip install "loopback[{name}]"'
        ) from None
    return engine
