"""The retrievers that the contract is asked of: every family, with random weights over a small catalog."""

import numpy as np
import polars as pl
import torch

from loopback_core.data import Events, FitData
from loopback_core.data.names import TrackNames
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.retriever import Retriever
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.towers.two_tower import Vocabulary

N_USERS, N_TRACKS, N_ARTISTS = 12, 60, 6

ARTIST = np.arange(N_TRACKS, dtype=np.int32) % N_ARTISTS

SMALL = {
    "towers": {"output_dim": 8, "hstu": {"window": 8, "layers": 1}, "pooled": {"listens": 50}},
    "training": {"epochs": 1, "batch_size": 128, "sampled": {"negatives": 16}, "device": "cpu"},
    "lineage": {
        "interests": 3,
        "listens": 4,
        "attention": {"width": 4, "hidden": 6, "negatives": 9},
        "cross": {"layers": 2, "heads": 2, "head_dim": 3, "negatives": 9},
        "rank_tower": {"heads": 3, "head_dim": 4, "negatives": 9},
        "interaction": {"layers": 2, "heads": 3, "head_dim": 4},
        "sparse": {"codes": 24, "words": 16, "track_terms": 12, "user_terms": 16, "warm_up": 4},
    },
    "evaluation": {"users": 30, "tuning_users": 20, "resamples": 100},
}


def random_log():
    """480 listens; user u plays 40 random tracks, an hour apart."""
    rng = np.random.default_rng(0)
    track = np.concatenate([rng.permutation(N_TRACKS), rng.integers(0, N_TRACKS, 420)]).astype(np.int32)
    user = np.arange(480, dtype=np.int32) % N_USERS
    events = Events(user, track, np.arange(480, dtype=np.int64) * 300)
    names = pl.DataFrame(
        {
            "artist": ARTIST,
            "artist_name": [f"artist {artist}" for artist in ARTIST],
            "track_name": [f"{'abcdef'[track % 6]}{track} song" for track in range(N_TRACKS)],
        }
    )
    return FitData(events, count_catalog(events, ARTIST), 480 * 300, names=TrackNames(lambda: names))


CODED = "late, coded"


def untrained(name, data, seed=0):
    """A retriever whose every weight is drawn, so that nothing starts silent. name: a family, or CODED."""
    family = name.split(",")[0]
    lineage = {**SMALL["lineage"], "late": {"residual_bits": 2 if name == CODED else 0}}
    settings = settings_of_family(FAMILIES[family], 0, {**SMALL, "lineage": lineage}, {})
    torch.manual_seed(seed)
    model = FAMILIES[family].make(Vocabulary(N_USERS, N_TRACKS, N_ARTISTS), settings, data.names)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return Retriever.of(family, model.eval(), data, settings)
