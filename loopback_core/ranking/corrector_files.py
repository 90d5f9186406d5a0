"""The correctors of the tasks on disk: one file for each, nothing of which is executed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from loopback_core.errors import ArtifactError
from loopback_core.ranking.corrector import Corrector
from loopback_core.ranking.cross_encoder import CrossEncoder, NeuralRanker
from loopback_core.ranking.linear_corrector import LinearCorrector
from loopback_core.ranking.linear_ranker import LinearRanker
from loopback_core.ranking.tree_ranker import TreeRanker

CORRECTOR = "corrector.{task}"
TREES, NETWORK, WEIGHTS = f"{CORRECTOR}.txt", f"{CORRECTOR}.safetensors", f"{CORRECTOR}.json"

NUMBER_OF_PLACES = "places"


def save_correctors(correctors: Mapping[str, Corrector], folder: Path) -> None:
    """Write the corrector of each task."""
    for task, corrector in correctors.items():
        if isinstance(corrector, TreeRanker):
            (folder / TREES.format(task=task)).write_text(f"{corrector.places}\n{corrector.model}", "utf-8")
        elif isinstance(corrector, NeuralRanker):
            weights = {name: tensor.contiguous() for name, tensor in corrector.model.state_dict().items()}
            save_file({**weights, NUMBER_OF_PLACES: torch.tensor(corrector.places)}, folder / NETWORK.format(task=task))
        elif isinstance(corrector, LinearCorrector):
            added = {NUMBER_OF_PLACES: corrector.places, "added": dict(corrector.added.weights)}
            (folder / WEIGHTS.format(task=task)).write_text(json.dumps(added, indent=1) + "\n", "utf-8")


def load_correctors(folder: Path) -> dict[str, Corrector]:
    """Read them back: task -> corrector; nothing of a task whose candidates stay in the linear order.

    Raises:
        ArtifactError: a file is damaged.
    """
    found: dict[str, Corrector] = {}
    for path in sorted(folder.glob(CORRECTOR.format(task="*"))):
        task = path.stem.split(".", 1)[1]
        found[task] = _READERS[path.suffix](path)
    return found


def _trees(path: Path) -> TreeRanker:
    places, _, model = path.read_text("utf-8", "replace").partition("\n")
    if not places.isdigit() or not model.startswith("tree"):
        raise _damaged(path)
    return TreeRanker(model, int(places))


def _network(path: Path) -> NeuralRanker:
    try:
        weights = load_file(path)
        places = int(weights.pop(NUMBER_OF_PLACES))
        model = CrossEncoder(weights["query.weight"].shape[1])
        model.load_state_dict(weights)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, SafetensorError):
        raise _damaged(path) from None
    return NeuralRanker(model.eval(), places)


def _weights(path: Path) -> LinearCorrector:
    try:
        content = json.loads(path.read_text("utf-8"))
        return LinearCorrector(LinearRanker.of(content["added"]), int(content[NUMBER_OF_PLACES]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(path) from None


_READERS: Mapping[str, Callable[[Path], Corrector]] = {".txt": _trees, ".safetensors": _network, ".json": _weights}


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError(f"The corrector in {path} cannot be read; train the ranker again.")
