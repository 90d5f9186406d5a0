"""What it costs to score 1,000 candidates by `int_tower`, `rank_tower`, `one_way_attention` and `cross_encoder`, against their products alone.

    uv run python benchmarks/pre_ranking.py --tracks 300000 --heads 4 8 --listens 16 32

Vectors are drawn, since the cost does not depend on what they say; candidates are spread over the catalog, as those of a search
are. One thread. Times are CPU time, so that other work on the machine counts less.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping

import faiss
import numpy as np
import torch

from loopback_core.data import Floats, Ids
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.network_towers import NetworkTowers
from loopback_core.lineage.track_views import View
from loopback_core.settings import Settings
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


def widths(model: MultiVectorTowers, settings: Settings) -> tuple[int, list[int]]:
    """Of what is kept of a user, and of each view of a track."""
    dim, heads = settings.towers.output_dim, settings.lineage.interaction
    if isinstance(model, NetworkTowers):
        with torch.inference_mode():
            states = model.of_tracks(torch.zeros(1, dim))
        return dim + sum(map(math.prod, model.part_shapes)), [dim, states.shape[1]]
    return dim + heads.layers * heads.heads * heads.head_dim, [dim, *heads.heads * [heads.head_dim]]


def row(family: str, shape: Mapping[str, object], n_tracks: int) -> str:
    """Bytes of a track, and the times. shape: of the family, in the section `lineage`."""
    random, settings = np.random.default_rng(0), settings_of_family(FAMILIES[family], 0, {"lineage": shape})
    model, dim = FAMILIES[family].make(Vocabulary(1, 1, 1), settings), settings.towers.output_dim
    of_user, of_views = widths(model, settings)
    views = [View(random.standard_normal((n_tracks, width), np.float32)) for width in of_views]
    user = random.standard_normal((1, of_user), np.float32)
    alone = milliseconds(lambda tracks: views[0].products(user[:, :dim], tracks), n_tracks)
    scored = milliseconds(lambda tracks: model.scores(user, views, tracks), n_tracks)
    cells = " ".join(f"{value:8.3f}" for value in alone + scored)
    return f"{sum(view.n_bytes for view in views) / n_tracks:14.0f} {cells}"


def main() -> None:
    """Print a row for each number of heads, and of listens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=300_000)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, nargs="*", default=[4])
    parser.add_argument("--head-dim", type=int, default=32)
    parser.add_argument("--listens", type=int, nargs="*", default=[16])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    print(f"{'':29} bytes a track  product p50 p99, ms  all p50 p99, ms")
    for heads in asked.heads:
        shape = {"heads": heads, "head_dim": asked.head_dim}
        of_both = {"int_tower": {"interaction": {**shape, "layers": asked.layers}}, "rank_tower": {"rank_tower": shape}}
        for family, given in of_both.items():
            print(f"{family + ',':18} {heads:2} heads   {row(family, given, asked.tracks)}", flush=True)
    for family in ("one_way_attention", "cross_encoder"):
        for listens in asked.listens:
            cells = row(family, {"listens": listens}, asked.tracks)
            print(f"{family + ',':18} {listens:2} listens {cells}", flush=True)


if __name__ == "__main__":
    main()
