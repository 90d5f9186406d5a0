"""The ids whose rows a batch reads, by what they are of."""

import torch
from torch import Tensor

from loopback_core.towers.embedding import IdsOf
from loopback_core.training.sampled import SampledBatch


def ids_of_batch(batch: SampledBatch) -> dict[IdsOf, Tensor]:
    """All that a forward pass looks up, in any order, with repetitions. Each is (n,) int64."""
    users, tracks = batch.users, batch.tracks
    found: dict[IdsOf, list[Tensor]] = {
        "users": [users.user],
        "tracks": [tracks.track],
        "artists": [tracks.artist],
        "buckets": [],
    }
    found["artists"] += [] if users.artists is None else users.artists.ids
    found["tracks"] += [] if users.tracks is None else users.tracks.ids
    if users.last is not None:
        found["tracks"].append(users.last.tracks.flatten())
        found["artists"].append(users.last.artists.flatten())
    if tracks.content is not None:
        bags = (tracks.content.title, tracks.content.artist_name)
        found["buckets"] += [of.ids for of in bags if of is not None]
    return {kind: torch.cat(ids) if ids else users.user.new_empty(0) for kind, ids in found.items()}
