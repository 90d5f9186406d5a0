"""The app: routes over a service, a bundle that is exchanged while it runs, and the page."""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.routing import Route

from loopback_core.serving.api.bounded_pool import BoundedPool
from loopback_core.serving.api.catalog_routes import catalog_routes
from loopback_core.serving.api.guard import Guard
from loopback_core.serving.api.health_routes import health_routes
from loopback_core.serving.api.listens_routes import listens_routes
from loopback_core.serving.api.page_routes import page_routes
from loopback_core.serving.api.problems import add_problem_handlers
from loopback_core.serving.api.recommendation_routes import recommendation_routes
from loopback_core.serving.api.service_metrics import ServiceMetrics
from loopback_core.serving.api.serving_state import ServingState
from loopback_core.serving.service import Service
from loopback_core.settings import load_settings

SECONDS_BETWEEN_POINTERS = 1.0
"""Between two looks at the file that names the bundle to serve."""

KEYS_VARIABLE = "LOOPBACK_API_KEYS"
"""The variable with the accepted keys, separated by commas or white space."""

LOG_VARIABLE = "LOOPBACK_LOG_ANSWERS"
"""The variable that lets answers be logged, where it is 1."""


@dataclass(frozen=True)
class ServeOptions:
    """How a process of the service runs."""

    home: Path
    keys: Sequence[str] = ()
    threads: int = 2  # that compute answers
    waiting: int = 64  # requests that may wait for one of them
    keep_answers_days: float | None = None  # how long answers are kept in a log; None: none is


def from_environment() -> FastAPI:
    """The app of a worker process: LOOPBACK_HOME, LOOPBACK_API_KEYS, LOOPBACK_LOG_ANSWERS."""
    keys = os.environ.get(KEYS_VARIABLE, "").replace(",", " ").split()
    home = Path(os.environ.get("LOOPBACK_HOME") or ".loopback")
    keep_days = load_settings({}).served.keep_days if os.environ.get(LOG_VARIABLE) == "1" else None
    return create_app(ServeOptions(home, keys, keep_answers_days=keep_days))


def create_app(options: ServeOptions) -> FastAPI:
    """The app; the bundle is loaded once it runs."""
    pool, writing = BoundedPool(options.threads, options.waiting), BoundedPool(1, options.waiting)
    state = ServingState(Service(options.home, options.keep_answers_days), pool, writing, ServiceMetrics())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        gc.freeze()  # a collection that looks at every object of the libraries holds all requests for a tenth of a second
        following = asyncio.create_task(_follow(state))
        yield
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        pool.close()
        writing.close()
        state.service.close()
        gc.unfreeze()

    app = FastAPIOffline(  # the page of the description comes from this server too
        static_url="/docs/files",
        title="loopback",
        description="Recommendations for anybody with a listening history.",
        version="1",
        lifespan=lifespan,
        redoc_url=None,
    )
    add_problem_handlers(app)
    declared: list[Route] = []
    for routes in (recommendation_routes, catalog_routes, listens_routes, health_routes, page_routes):
        router = routes(state)
        app.include_router(router)
        declared += [route for route in router.routes if isinstance(route, Route)]
    app.add_middleware(Guard, keys=options.keys, metrics=state.metrics, routes=declared)
    return app


async def _follow(state: ServingState) -> None:
    """Put into service what the pointer names, again and again. Loading takes a thread of its own: requests go on."""
    while True:
        await asyncio.to_thread(state.service.follow)
        state.metrics.observe(state.service, state.depth)  # another worker may be asked for the numbers of this one
        await asyncio.sleep(SECONDS_BETWEEN_POINTERS)
