"""Receive request bodies: each bounded in size, and the large ones bounded in number."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from seamless_database.errors import RequestTooLargeError, UnavailableError

if TYPE_CHECKING:
    from starlette.types import Message, Receive

    from seamless_database.http.idle import IdleTracker

#: default limit of a body in bytes. A list of 10,000 checksums or the largest buffer info has
#: about 1 MiB, so only an execution record may be larger.
MAX_BODY = 8 * 1024 * 1024
#: bodies above this size are large: few at a time, and parsed in a thread
LARGE_BODY = 256 * 1024
#: large bodies in memory at a time, from their arrival to their response
MAX_LARGE_BODIES = 8
#: seconds that a large body waits for the others
SLOT_TIMEOUT = 30.0


class BodyReader:
    """Receives bodies for one event loop; release each once its request has been executed."""

    def __init__(self, max_body: int, idle: IdleTracker) -> None:
        self._max_body = max_body
        self._idle = idle
        self._slots = asyncio.Semaphore(MAX_LARGE_BODIES)

    async def receive(self, receive: Receive) -> bytes:
        """Receive a body; one that is too large is read on, up to twice the limit."""
        with self._idle.receiving():
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body: bytes = message.get("body", b"")
            if len(body) <= LARGE_BODY and not message.get("more_body", False):
                if len(body) > self._max_body:
                    raise RequestTooLargeError(self._max_body)
                return body
            return await self._receive_rest(message, receive)

    def release(self, body: bytes) -> None:
        """Free the slot of a body; call it once for each body that was received."""
        if len(body) > LARGE_BODY:
            self._slots.release()

    async def _receive_rest(self, message: Message, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size, has_slot = 0, False
        try:
            while True:
                chunk = message.get("body", b"")
                size += len(chunk)
                if size <= self._max_body:
                    chunks.append(chunk)
                if size > LARGE_BODY and not has_slot:
                    # meanwhile flow control keeps the client from sending more
                    await self._acquire_slot()
                    has_slot = True
                if not message.get("more_body", False) or size > 2 * self._max_body:
                    break
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
            if size > self._max_body:
                raise RequestTooLargeError(self._max_body)
        except BaseException:
            if has_slot:
                self._slots.release()
            raise
        return b"".join(chunks)

    async def _acquire_slot(self) -> None:
        try:
            await asyncio.wait_for(self._slots.acquire(), SLOT_TIMEOUT)
        except asyncio.TimeoutError:
            raise UnavailableError(
                f"{MAX_LARGE_BODIES} other large requests are being worked on; try again later"
            ) from None
