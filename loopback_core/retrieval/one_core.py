"""As a request is answered: by one core."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from loopback_core.retrieval.indexes.faiss_factory import faiss_threads


@contextmanager
def one_core() -> Iterator[None]:
    """torch and FAISS compute in one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with faiss_threads(1):
            yield
    finally:
        torch.set_num_threads(before)
