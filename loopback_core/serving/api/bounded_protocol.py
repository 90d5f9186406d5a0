"""Connections as uvicorn keeps them, except that one without a request is closed, and that the head of one is bounded."""

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

SECONDS_BETWEEN_LOOKS = 15.0
"""A connection on which no request began between two looks is closed: uvicorn waits for the head of one for ever."""

LONGEST_REQUEST = 8  # looks: two minutes, after which nobody is reading the answer

LARGEST_HEAD = 262_144  # bytes: what may arrive without a request beginning


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection of which a client that hangs, or sends headers without end, holds nothing for long."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._seen: Any = None  # the request that was the newest at the last look
        self._unchanged = 0  # looks since it was another
        self._without_request = 0  # bytes that arrived since
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        before = self.cycle
        super().data_received(data)
        self._without_request = 0 if self._is_asked or self.cycle is not before else self._without_request + len(data)
        if self._without_request > LARGEST_HEAD:
            self.transport.close()

    @property
    def _is_asked(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look_again(self) -> None:
        self._next_look = self.loop.call_later(SECONDS_BETWEEN_LOOKS, self._look)

    def _look(self) -> None:
        self._unchanged = self._unchanged + 1 if self.cycle is self._seen else 0
        self._seen = self.cycle
        if self._unchanged >= (LONGEST_REQUEST if self._is_asked else 1):
            self.transport.abort()
        else:
            self._look_again()
