"""The catalog: search by name, look-ups, neighbours."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from loopback_core.serving.api.answer_models import Artist, Artists, Track, Tracks
from loopback_core.serving.api.problems import ProblemError, described
from loopback_core.serving.api.rows import artist_rows, track_rows
from loopback_core.serving.api.serving_state import ServingState
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.similar import Near, similar_artists, similar_tracks

Typed = Annotated[
    str, Query(max_length=1000, description="What somebody typed: a prefix, without accents, with typos.")
]
Limit = Annotated[int, Query(ge=1, le=100, description="Results at most.")]
HowMany = Annotated[int, Query(ge=1, le=1000, description="HowMany.")]
TrackId = Annotated[int, Path(ge=0, lt=2**31, description="Id of a track in the bundle in service.")]
ArtistId = Annotated[int, Path(ge=0, lt=2**31, description="Id of an artist in the bundle in service.")]


def catalog_routes(state: ServingState) -> APIRouter:
    """The routes over a service."""
    routes = APIRouter(prefix="/v1", tags=["catalog"], responses=described(400, 401, 404, 422, 503))

    @routes.get("/tracks", response_model=Tracks)
    async def find_tracks(q: Typed, limit: Limit = 10) -> JSONResponse:
        """Tracks by artist and title."""
        served = state.loaded().served
        return await state.pool.run(
            lambda: JSONResponse({"items": track_rows(served, served.search.tracks(q, limit).tolist())})
        )

    @routes.get("/tracks/{track}", response_model=Track)
    async def get_track(track: TrackId) -> JSONResponse:
        """One track."""
        loaded = state.loaded()
        _refuse_unknown(loaded, track=track)
        return JSONResponse(track_rows(loaded.served, [track])[0])

    @routes.get("/tracks/{track}/similar", response_model=Tracks)
    async def get_similar_tracks(track: TrackId, k: HowMany = 10) -> JSONResponse:
        """The tracks that the towers hold for most alike."""
        loaded = state.loaded()
        _refuse_unknown(loaded, track=track)

        def compute() -> JSONResponse:
            near = similar_tracks(loaded.served, track, k, state.service.block_list.of(loaded))
            return _scored(track_rows(loaded.served, [one for one, _ in near]), near)

        return await state.pool.run(compute)

    @routes.get("/artists", response_model=Artists)
    async def find_artists(q: Typed, limit: Limit = 10) -> JSONResponse:
        """Artists by name."""
        served = state.loaded().served
        return await state.pool.run(
            lambda: JSONResponse({"items": artist_rows(served, served.search.artists(q, limit).tolist())})
        )

    @routes.get("/artists/{artist}", response_model=Artist)
    async def get_artist(artist: ArtistId) -> JSONResponse:
        """One artist."""
        loaded = state.loaded()
        _refuse_unknown(loaded, artist=artist)
        return JSONResponse(artist_rows(loaded.served, [artist])[0])

    @routes.get("/artists/{artist}/similar", response_model=Artists)
    async def get_similar_artists(artist: ArtistId, k: HowMany = 10) -> JSONResponse:
        """The artists whose tracks the towers hold for most alike."""
        loaded = state.loaded()
        _refuse_unknown(loaded, artist=artist)

        def compute() -> JSONResponse:
            near = similar_artists(loaded.served, artist, k, state.service.block_list.of(loaded))
            return _scored(artist_rows(loaded.served, [one for one, _ in near]), near)

        return await state.pool.run(compute)

    return routes


def _scored(rows: list[dict[str, object]], near: Near) -> JSONResponse:
    items = [{**row, "score": round(score, 6)} for row, (_, score) in zip(rows, near, strict=True)]
    return JSONResponse({"items": items})


def _refuse_unknown(loaded: LoadedBundle, *, track: int = 0, artist: int = 0) -> None:
    catalog = loaded.served.bundle.catalog
    if track >= catalog.n_tracks or artist >= catalog.n_artists:
        what, n = ("track", catalog.n_tracks) if track else ("artist", catalog.n_artists)
        raise ProblemError(404, f"There is no {what} of this id: the bundle in service has {n:,}.", what)
