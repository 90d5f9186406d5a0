"""The stages in the order in which data flows through them; their names are those of the assets and of the artifacts."""

CHAIN = (
    "raw_listens",
    "interactions",
    "temporal_splits",
    "trained_towers",
    "track_embeddings",
    "faiss_index",
    "evaluation",
)
