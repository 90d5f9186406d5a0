import numpy as np
import pytest
from scipy.sparse import csr_array

from loopback_core.recommenders.baselines.ease import Ease


def by_definition(matrix, history, regularisation):
    """h B with B = I - P / diag(P), P = (XᵀX + λI)⁻¹: Steck (2019), word for word."""
    inverse = np.linalg.inv(matrix.T @ matrix + regularisation * np.eye(matrix.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return history @ weights


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (8, 8)], ids=["few users", "few items", "as many"])
@pytest.mark.parametrize("regularisation", [0.5, 20.0])
def test_both_ways_of_computing_ease_give_its_definition(shape, regularisation):
    rng = np.random.default_rng(0)
    matrix, histories = (rng.poisson(0.4, size=(rows, shape[1])).astype(float) for rows in (shape[0], 6))
    found = Ease(csr_array(matrix), regularisation).score(csr_array(histories))
    assert found == pytest.approx(by_definition(matrix, histories, regularisation), abs=1e-4)


def test_a_catalog_wider_than_a_block_is_scored_alike(monkeypatch):
    rng = np.random.default_rng(1)
    matrix, histories = (rng.poisson(0.4, size=(rows, 50)).astype(float) for rows in (4, 3))
    whole = Ease(csr_array(matrix), 1.0).score(csr_array(histories))
    monkeypatch.setattr("loopback_core.recommenders.baselines.ease.COLUMNS_AT_ONCE", 7)
    assert Ease(csr_array(matrix), 1.0).score(csr_array(histories)) == pytest.approx(whole, abs=1e-6)
