"""Nearest-neighbour indexes over track vectors: one interface, a file per engine.

A new engine is a file `<name>_engine.py` with a class that offers what `VectorIndex` does, named `Index`, and its kinds in
`loopback_core.settings` (`ENGINE_OF_KIND`).
"""

from importlib import import_module
from pathlib import Path

from loopback_core.data import Floats
from loopback_core.errors import ArtifactError
from loopback_core.retrieval.indexes.vector_index import VectorIndex
from loopback_core.settings import ENGINE_OF_KIND, IndexSettings

INDEX_FILE, SETTINGS_FILE = "tracks.faiss", "index.json"


def build_index(vectors: Floats, settings: IndexSettings) -> VectorIndex:
    """An index over `vectors`, (n, D) float32, of the kind that the settings name."""
    return _engine(settings).build(vectors, settings)


def save_index(index: VectorIndex, folder: Path) -> None:
    """Write the index and the settings that it was built and is searched with."""
    index.save(folder / INDEX_FILE)
    (folder / SETTINGS_FILE).write_text(index.settings.model_dump_json(indent=1) + "\n", "utf-8")


def load_index(folder: Path) -> VectorIndex:
    """Read both back.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    try:
        settings = IndexSettings.model_validate_json((folder / SETTINGS_FILE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"The settings of the index in {folder} cannot be read ({error}); build it again."
        ) from None
    return _engine(settings).load(folder / INDEX_FILE, settings)


def _engine(settings: IndexSettings) -> type[VectorIndex]:
    engine: type[VectorIndex] = import_module(f"{__name__}.{ENGINE_OF_KIND[settings.kind]}_engine").Index
    return engine
