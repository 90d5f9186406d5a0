"""The stages and what each is made from; their names are those of the assets and of the artifacts."""

UPSTREAM: dict[str, tuple[str, ...]] = {
    "raw_listens": (),
    "interactions": ("raw_listens",),
    "temporal_splits": ("interactions",),
    "baselines": ("temporal_splits",),
    "trained_towers": ("temporal_splits",),
    "track_embeddings": ("trained_towers",),
    "faiss_index": ("track_embeddings",),
    "evaluation": ("faiss_index", "baselines"),
}
"""Stage -> the stages it reads; `evaluation` follows their manifests to what they were made from."""

BESIDE: dict[str, tuple[str, ...]] = {"ablation": ("temporal_splits",)}
"""The same of what no run of the chain makes; the report shows it when it is there."""

CHAIN = tuple(UPSTREAM)
"""The stages in an order in which data flows."""
