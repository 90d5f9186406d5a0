"""What the service is measured against: a route that returns a constant, and the service that is written in an afternoon.

uvicorn serving_rivals:constant
BUNDLE=FOLDER uvicorn --factory serving_rivals:naive
"""

import os
from pathlib import Path

from fastapi import FastAPI

constant = FastAPI()


@constant.get("/")
async def _constant() -> dict[str, str]:
    return {"status": "constant"}


def naive() -> FastAPI:
    """The user tower and an exact search of all tracks, in the event loop; no term of the score but the towers."""
    import faiss
    import numpy as np

    from loopback_core.bundle.served_bundle import ServedBundle
    from loopback_core.retrieval.embed import user_vectors
    from loopback_core.towers.user import ONLY_NEW

    served = ServedBundle.load(Path(os.environ["BUNDLE"]))
    bundle, app = served.bundle, FastAPI()
    index = faiss.IndexFlatIP(bundle.vectors.shape[1])
    index.add(bundle.vectors)

    @app.post("/v1/recommendations")
    async def recommend(request: dict) -> dict:
        user = int(served.users.find([request["user_id"]])[0])
        tracks, times = served.history(user)
        histories = bundle.histories([tracks], [times], [bundle.now])
        vectors = user_vectors(bundle.towers.model, histories, bundle.catalog.artist, ONLY_NEW)
        heard = faiss.IDSelectorNot(faiss.IDSelectorBatch(np.unique(tracks)))
        scores, best = index.search(vectors, request["k"], params=faiss.SearchParameters(sel=heard))
        names = served.names.take(best[0]).to_pylist()
        return {"items": [{**row, "score": score} for row, score in zip(names, scores[0].tolist(), strict=True)]}

    return app
