"""Listens that come back, and users who go."""

from typing import Annotated

from fastapi import APIRouter, Path

from loopback_core.serving.api.api_models import Erased, NewListens, Stored
from loopback_core.serving.api.problems import described
from loopback_core.serving.api.serving_state import ServingState

User = Annotated[str, Path(min_length=1, max_length=200, description="The id of the user.")]


def listens_routes(state: ServingState) -> APIRouter:
    """The routes over a service."""
    routes = APIRouter(prefix="/v1", tags=["listens"], responses=described(400, 401, 408, 413, 415, 422, 503, 507))

    @routes.post("/listens")
    async def add_listens(listens: NewListens) -> Stored:
        """Store listens. They are on the disk when this answers, and the user's next request hears them."""
        added = await state.writing.run(lambda: state.service.add(listens.received()))
        state.metrics.stored.inc(added.stored)
        return Stored(**added._asdict())

    @routes.delete("/users/{user_id:path}")  # an id may hold a slash
    async def erase_user(user_id: User) -> Erased:
        """Forget a user: their stored listens now, those of the log with the next bundle; the one in service ignores them."""
        return Erased(listens=await state.writing.run(lambda: state.service.erase(user_id)))

    return routes
