import numpy as np
import pytest
import torch

from loopback_core.data import Ragged
from loopback_core.settings import TowersSettings
from loopback_core.towers.two_tower import TwoTower, Vocabulary


@pytest.fixture
def towers():
    """Towers of 5 users, 20 tracks and 4 artists."""
    torch.manual_seed(0)
    model = TwoTower(Vocabulary(5, 20, 4), TowersSettings(id_dim=4, hidden_dim=8, output_dim=6)).eval()
    for table in model.embeddings():
        table.settle_unknown()
    return model


@pytest.fixture
def ragged():
    def build(rows):
        numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        return Ragged.from_pairs(numbers, np.array([value for row in rows for value in row], np.int64), len(rows))

    return build


@pytest.fixture
def unit_vectors():
    def build(n, dim, seed=0):
        vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return build
