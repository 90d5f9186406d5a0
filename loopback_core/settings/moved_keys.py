"""Keys of earlier versions: where they are now, or why they are gone."""

_MOVED = {
    "towers.artist_half_lives": "towers.pooled.artist_half_lives",
    "towers.artist_powers": "towers.pooled.artist_powers",
    "towers.track_half_lives": "towers.pooled.track_half_lives",
    "towers.track_powers": "towers.pooled.track_powers",
    "towers.history_listens": "towers.pooled.listens",
    "towers.history_dropout": "towers.pooled.dropout",
    "towers.context": "towers.pooled.context",
    "towers.demographics": "towers.pooled.demographics",
    "towers.window": "towers.hstu.window",
    "towers.layers": "towers.hstu.layers",
    "towers.heads": "towers.hstu.heads",
    "towers.id_dropout": "towers.sum.id_dropout",
    "towers.artist_dropout": "towers.sum.artist_dropout",
    "towers.ngram_buckets": "towers.sum.ngram_buckets",
    "towers.ngram_dim": "towers.sum.ngram_dim",
    "towers.track_statistics": "towers.sum.track_statistics",
    "towers.features": "towers.sum.features",
    "towers.id_dim": "towers.mlp.id_dim",
    "towers.hidden_dim": "towers.mlp.hidden_dim",
    "towers.dropout": "towers.mlp.dropout or towers.hstu.dropout",
    "training.negatives": "training.sampled.negatives",
    "training.uniform_share": "training.sampled.uniform_share",
    "training.logq": "training.sampled.logq",
    "training.hard_share": "training.sampled.hard_share",
    "training.hard_weight": "training.sampled.hard_weight",
    "training.hard_pool": "training.sampled.hard_pool",
    "training.target_window": "training.sampled.target_window",
    "training.request_stride": "training.sampled.request_stride",
    "training.epoch_targets": "training.sampled.epoch_targets",
    "training.request_span": "training.sampled.request_span",
    "training.repeat_weight": "training.sampled.repeat_weight",
    "training.users_per_group": "training.sampled.users_per_group",
    "training.mask_same_user": "training.in_batch.mask_same_user",
    "training.related_artists": "training.fitted.related_artists",
    "index.hnsw_neighbors": "index.hnsw.neighbors",
    "index.hnsw_ef_construction": "index.hnsw.ef_construction",
    "index.hnsw_ef_search": "index.hnsw.ef_search",
    "index.ivf_probes": "index.ivf.probes",
}

_NO_GAIN = "was removed: under three seeds {what} showed no gain (docs/results/ablation.md); leave it out"

_NO_LIMIT = "was removed: the weights of the served score are fitted, no longer searched under a limit; leave it out"

_REMOVED = {
    "training.memory": _NO_GAIN.format(what="the cross-batch memory"),
    "training.memory_weight": _NO_GAIN.format(what="the cross-batch memory"),
    "training.max_popularity_amplification": _NO_LIMIT,
    "training.fitted.max_popularity_amplification": _NO_LIMIT,
    "training.cached_gradients": "was removed: no measured recipe used it; lower training.batch_size if memory is short",
}


def old_key(key: str) -> str:
    """Where a dotted key of an earlier version is now, as a sentence; empty for a key that never existed."""
    if key in _MOVED:
        return f"{key} is now {_MOVED[key]}"
    return f"{key} {_REMOVED[key]}" if key in _REMOVED else ""
