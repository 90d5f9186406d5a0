"""What every request passes: its size and time are bounded, its key is compared, and it is counted."""

import asyncio
import hmac
import logging
import os
import time
from collections.abc import Sequence

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopback_core.serving.api.problems import problem
from loopback_core.serving.api.service_metrics import ServiceMetrics

log = logging.getLogger("loopback")

LARGEST_BODY = 8_000_000  # bytes

SECONDS_TO_ARRIVE = 15.0
"""For the whole body: a client that hangs does not hold its connection."""

KEY_HEADER = b"x-api-key"

OPEN = ("/health/", "/page/", "/docs", "/openapi.json")
"""Paths that need no key, besides the page itself: they show nothing of the log."""

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Those that are counted by their name; a client may invent any number of others."""

CLIENT_GONE = 499
"""The status that is counted, as elsewhere, where nobody waited for an answer."""


class Guard:
    """The middleware around the app."""

    def __init__(self, app: ASGIApp, keys: Sequence[str], metrics: ServiceMetrics, routes: Sequence[Route]) -> None:
        """keys: those that are accepted; none: everybody is. routes: by which requests are counted."""
        self.app, self.metrics, self.routes = app, metrics, routes
        self.keys = [os.fsencode(key) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, begun = time.perf_counter(), CLIENT_GONE, False

        async def sending(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                named = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in named)]
            await send(message)

        try:
            await self._guarded(scope, receive, sending)
        except Exception:
            log.exception("a request failed")  # the traceback names code, and nothing of the request
            if not begun:
                await problem(500, "This is a fault of the service, which is in its log.")(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.count(self._route(scope), method, status, time.perf_counter() - started)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_allowed(scope):
            headers = {"WWW-Authenticate": "X-API-Key"}
            text = "Send one of the service's keys in the header X-API-Key."
            await problem(401, text, headers=headers)(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(_body(receive), SECONDS_TO_ARRIVE)
        except TimeoutError:
            text = f"The body did not arrive within {SECONDS_TO_ARRIVE:.0f} seconds."
            await problem(408, text, headers={"Connection": "close"})(scope, receive, send)
            return
        except ConnectionResetError:
            return  # nobody waits for an answer
        if body is None:
            text = f"The body is larger than {LARGEST_BODY // 1_000_000} MB: send a shorter history."
            await problem(413, text, headers={"Connection": "close"})(scope, receive, send)
            return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    def _route(self, scope: Scope) -> str:
        """The route of a request, as it was declared; also of one that was refused before it was routed."""
        if "route" in scope:
            return str(getattr(scope["route"], "path_format", "unmatched"))
        return next((route.path_format for route in self.routes if route.path_regex.match(scope["path"])), "unmatched")

    def _is_allowed(self, scope: Scope) -> bool:
        if not self.keys or scope["path"] == "/" or scope["path"].startswith(OPEN):
            return True
        given = next((value for name, value in scope["headers"] if name == KEY_HEADER), b"")
        # All keys are compared, so that the time says nothing of which one was near.
        return sum(hmac.compare_digest(given, key) for key in self.keys) > 0


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when it is too large.

    Raises:
        ConnectionResetError: the client went away.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
