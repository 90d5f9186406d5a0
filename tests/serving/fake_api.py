"""The service as the page sees it: the JSON API with invented names, and the files of the page under a strict policy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

PAGE = Path(__file__).parents[2] / "loopback_core" / "serving" / "page"
POLICY = "default-src 'self'; img-src 'self' data:"

MARKUP = "<img src=x onerror=\"document.title='broken'\"> & Sons"
HEBREW = "שלום עולם"
ENDLESS = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"

ARTISTS = [
    *(
        "Karvanfin",
        "The Pale Harbour",
        "Ilse Marten",
        "Low Meridian",
        "Nordhavn Trio",
        "Velvet Static",
        "Oda Lindqvist",
    ),
    *(
        "Paper Lanterns",
        "Hollow Pines",
        "Marcus Feld",
        "Copper Age",
        "The Quiet Engines",
        "Saoirse Vane",
        "Glass Orchard",
    ),
    *("Tambora", "Night Ferry", MARKUP, HEBREW, ENDLESS),
]
TITLES = ["Silent Parade", "Winter Signal", "Half the River", "Slow Machines", "Open Window", "Embers (Live in Ghent)"]
LISTENERS = 2400


def track_item(track: int) -> dict[str, Any]:
    artist, title = divmod(track, len(TITLES))
    return {
        **artist_item(artist),
        "track": track,
        "track_name": TITLES[title],
        "track_mbid": None,
        "listeners": LISTENERS // (track + 1) + 3,
    }


def artist_item(artist: int) -> dict[str, Any]:
    name = ARTISTS[artist]
    return {"artist": artist, "artist_name": name, "artist_mbid": None, "listeners": LISTENERS // (artist + 1) + 9}


TRACKS = [track_item(track) for track in range(len(ARTISTS) * len(TITLES))]

VERDICTS = [
    {
        "task": "discovery",
        "rival": "session_itemknn",
        "sentence": "Better than the best simple method.",
        "difference": 0.0183,
        "low": 0.0137,
        "high": 0.0229,
    },
    {
        "task": "next_listen",
        "rival": "personal_decayed",
        "sentence": "No clear difference to the best simple method.",
        "difference": 0.0031,
        "low": -0.0042,
        "high": 0.0104,
    },
    {
        "task": "new_users",
        "rival": None,
        "sentence": "Too few listeners to tell.",
        "difference": None,
        "low": None,
        "high": None,
    },
]
BUNDLE = {
    "version": "3f9a1c07d2b84e65",
    "created": "2026-11-26T09:30:00Z",
    "age_days": 3.2,
    "source": {"name": "sample", "events": 300_000, "users": 1_000, "tracks": 114, "artists": 19},
    "refit": "all",
    "evaluated": {"evaluation": "91d0c2aa04be7713", "verdicts": VERDICTS},
    "report": "/v1/report",
    "tracks": 114,
    "users": 1_000,
    "last_listen": "2026-11-25T22:10:00Z",
}


@dataclass
class FakeService:
    """What the page asked for, and how the next requests for recommendations are to fail."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Callable[[], Response]] = field(default_factory=list)
    bundle: dict[str, Any] = field(default_factory=lambda: dict(BUNDLE))
    shift: int = 0  # added to all ids: another model
    key: str | None = None

    def reset(self) -> None:
        """As at the start."""
        self.__init__()  # type: ignore[misc]


def problem(status: int, detail: str, **headers: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "title": "Problem", "status": status, "detail": detail},
        status,
        headers,
        "application/problem+json",
    )


def create_fake(service: FakeService) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def secure(request: Request, call_next: Any) -> Response:
        if service.key and request.url.path.startswith("/v1/") and request.headers.get("X-API-Key") != service.key:
            response = problem(401, "An API key is needed.")
        else:
            response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-cache"
        return response

    def shifted(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "track": item["track"] + service.shift}

    @app.get("/v1/artists")
    def artists(q: str = "", limit: int = 10) -> Any:
        """Those with all words of the query; where there is none those with any of them, as the service does."""
        words = q.lower().split()
        with_all, with_any = (
            [artist_item(n) for n, name in enumerate(ARTISTS) if quantity(word in name.lower() for word in words)]
            for quantity in (all, any)
        )
        return {"items": (with_all or with_any)[:limit]}

    @app.get("/v1/tracks")
    def tracks(q: str = "", limit: int = 10) -> Any:
        found = [item for item in TRACKS if all(word in _words(item) for word in q.lower().split())]
        return {"items": [shifted(item) for item in found[:limit]]}

    @app.get("/v1/tracks/{track}")
    def one_track(track: int) -> Any:
        if not 0 <= track - service.shift < len(TRACKS):
            return problem(404, "There is no such track.")
        return shifted(TRACKS[track - service.shift])

    @app.post("/v1/recommendations")
    async def recommendations(request: Request) -> Any:
        body = await request.json()
        service.asked.append(body)
        if service.failures:
            return service.failures.pop(0)()
        return recommend(body, service)

    @app.get("/v1/bundle")
    def bundle() -> Any:
        return service.bundle

    @app.get("/v1/report")
    def report() -> Response:
        return Response(
            "<!doctype html><link rel=icon href=data:,><title>Evaluation</title><h1>Evaluation</h1>",
            media_type="text/html",
        )

    @app.get("/")
    def page() -> Response:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE))
    return app


def recommend(body: dict[str, Any], service: FakeService) -> dict[str, Any]:
    """A list that depends on each part of the request, and on nothing else."""
    history = body.get("history", [])
    known = [entry for entry in history if entry.get("artist") in ARTISTS]
    unknown = [{**entry, "counted_by_artist": False} for entry in history if entry.get("artist") not in ARTISTS]
    left_out = {track - service.shift for track in body.get("exclude", {}).get("tracks", [])}
    if body["task"] == "discovery":
        played = {(entry["artist"], entry.get("track")) for entry in known}
        left_out |= {item["track"] for item in TRACKS if (item["artist_name"], item["track_name"]) in played}
    start = sum(ARTISTS.index(entry["artist"]) * 7 for entry in known[-20:]) + round(
        10 * (body.get("familiarity") or 0)
    )
    order = [(start + place * 29) % len(TRACKS) for place in range(len(TRACKS))] if known else range(len(TRACKS))
    items = [shown for track in order if track not in left_out for shown in [TRACKS[track]]][: body["k"]]
    return {
        "items": [
            {
                **item,
                "track": item["track"] + service.shift,
                "rank": rank,
                "score": round(3 - rank / 10, 2),
                "reason": _reason(known, rank),
            }
            for rank, item in enumerate(items, 1)
        ],
        "task": body["task"],
        "unknown": unknown,
        "fallback": None if known else "popular",
        "bundle": service.bundle["version"],
        "milliseconds": {"lookup": 0.4, "encode": 4.1, "search": 2.2, "rank": 5.2, "total": 11.9},
    }


def _reason(known: list[dict[str, Any]], rank: int) -> str:
    if not known:
        return "Popular here"
    artist = known[rank % len(known)]["artist"]
    return [f"You often play {artist}", f"Listeners of {artist} play it too", f"Near what you heard by {artist}"][
        rank % 3
    ]


def _words(item: dict[str, Any]) -> str:
    return f"{item['artist_name']} {item['track_name']}".lower()
