"""Listens that come back, and users who go."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.convertors import Convertor, register_url_convertor

from loopback_core.serving.api.answer_models import Erased, Stored, UnknownListen
from loopback_core.serving.api.problems import described
from loopback_core.serving.api.request_models import NewListens
from loopback_core.serving.api.serving_state import ServingState


class _Rest(Convertor[str]):
    """All that is left of a path: the id of a user may hold slashes and line ends."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        """The text itself."""
        return value

    def to_string(self, value: str) -> str:
        """The text itself."""
        return value


register_url_convertor("rest", _Rest())

User = Annotated[str, Path(min_length=1, max_length=200, description="The id of the user.")]


def listens_routes(state: ServingState) -> APIRouter:
    """The routes over a service."""
    routes = APIRouter(prefix="/v1", tags=["listens"], responses=described(400, 401, 408, 413, 415, 422, 503, 507))

    @routes.post("/listens")
    async def add_listens(listens: NewListens) -> Stored:
        """Store listens. They are on the disk when this answers, and the user's next request hears them."""
        received = listens.received()
        added, unknown = await state.writing.run(lambda: (state.service.add(received), state.service.unknown(received)))
        state.metrics.stored.inc(added.stored)
        shown = None if unknown is None else [UnknownListen(**vars(one)) for one in unknown]
        return Stored(**added._asdict(), unknown=shown)

    @routes.delete("/users/{user_id:rest}")
    async def erase_user(user_id: User) -> Erased:
        """Forget a user: their stored listens now, those of the log with the next bundle; the one in service ignores them."""
        return Erased(**(await state.writing.run(lambda: state.service.erase(user_id)))._asdict())

    return routes
