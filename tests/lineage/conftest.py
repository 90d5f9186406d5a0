"""What tests of the families share."""

import pytest
import torch
from retriever_contract import random_log


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Steps this small wait for a second thread longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data():
    return random_log()
