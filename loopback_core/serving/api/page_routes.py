"""The page, and its files."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from loopback_core.serving.api.problems import ProblemError
from loopback_core.serving.api.serving_state import ServingState

PAGE = Path(__file__).parent.parent / "page"

POLICY = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data:", "Cache-Control": "no-cache"}


def page_routes(_: ServingState) -> APIRouter:
    """The routes."""
    files = {path.name: path for path in PAGE.iterdir() if path.suffix in (".html", ".css", ".js", ".svg")}
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def page() -> FileResponse:
        return FileResponse(files["index.html"], headers=POLICY)

    @routes.get("/page/{name}")
    async def page_file(name: str) -> FileResponse:
        if name not in files:
            raise ProblemError(404, "The page has no such file.")
        return FileResponse(files[name], headers=POLICY)

    return routes
