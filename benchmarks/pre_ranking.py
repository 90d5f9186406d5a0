"""What it costs to score 1,000 candidates by the heads of the family `int_tower`, against their products alone.

    uv run python benchmarks/pre_ranking.py --tracks 300000 --heads 4 8

Vectors are drawn, since the cost does not depend on what they say; candidates are spread over the catalog, as those of a search
are. One thread. Times are CPU time, so that other work on the machine counts less.
"""

import argparse
import time
from collections.abc import Callable

import faiss
import numpy as np
import torch

from loopback_core.data import Floats, Ids
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.int_towers import IntTowers
from loopback_core.lineage.track_views import View
from loopback_core.towers.two_tower import Vocabulary

CANDIDATES, QUERIES, WARM_UP = 1_000, 500, 20


def milliseconds(score: Callable[[Ids], Floats], n_tracks: int) -> list[float]:
    """p50 and p99 of scoring candidates, other ones each time."""
    random, times = np.random.default_rng(7), []
    for _ in range(WARM_UP + QUERIES):
        candidates = np.sort(random.choice(n_tracks, CANDIDATES, replace=False))
        begin = time.thread_time()
        score(candidates)
        times.append(1000 * (time.thread_time() - begin))
    return [float(share) for share in np.percentile(times[WARM_UP:], [50, 99])]


def main() -> None:
    """Print a row for each number of heads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=300_000)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, nargs="+", default=[4])
    parser.add_argument("--head-dim", type=int, default=32)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    random = np.random.default_rng(0)
    print("heads  bytes a track  product p50 p99, ms  heads p50 p99, ms")
    for heads in asked.heads:
        shape = {"layers": asked.layers, "heads": heads, "head_dim": asked.head_dim}
        settings = settings_of_family(FAMILIES["int_tower"], 0, {"lineage": {"interaction": shape}})
        model, dim = IntTowers(Vocabulary(1, 1, 1), settings), settings.towers.output_dim
        widths = [dim, *heads * [asked.head_dim]]
        views = [View(random.standard_normal((asked.tracks, width), np.float32)) for width in widths]
        user = random.standard_normal((1, dim + asked.layers * heads * asked.head_dim), np.float32)
        alone = milliseconds(lambda tracks, view=views[0], u=user[0, :dim]: view.products(u, tracks), asked.tracks)
        scored = milliseconds(lambda tracks, m=model, v=views, u=user: m.scores(u, v, tracks), asked.tracks)
        cells = " ".join(f"{value:8.3f}" for value in alone + scored)
        print(f"{heads:5} {sum(view.n_bytes for view in views) / asked.tracks:14.0f} {cells}", flush=True)


if __name__ == "__main__":
    main()
