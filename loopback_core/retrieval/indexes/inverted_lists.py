"""How many lists an inverted file has."""

import numpy as np

POINTS_PER_CENTROID = 39
"""The fewest for which the k-means of FAISS does not warn."""


def list_count(n: int) -> int:
    """Lists for n tracks: four times the root, where there are tracks enough to learn so many centres."""
    return int(max(1, min(4 * np.sqrt(n), n / POINTS_PER_CENTROID)))
