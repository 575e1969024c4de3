"""Receive the bodies of requests: bounded one by one, and the large ones bounded together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from seamless_database.errors import RequestTooLargeError, UnavailableError

if TYPE_CHECKING:
    from starlette.types import Receive

    from seamless_database.http.idle import IdleTracker

#: bytes of a body that are taken by default. A list of 10,000 checksums or the largest buffer info
#: has about 1 MiB, so only an execution record may be larger.
MAX_BODY = 8 * 1024 * 1024
#: bodies above are large: few at a time, and parsed in a thread
LARGE_BODY = 256 * 1024
#: large bodies in memory at a time, from their arrival to their answer
MAX_LARGE_BODIES = 8
#: seconds that a large body waits for its turn
ROOM_WAIT = 30.0


class BodyReader:
    """Receives bodies for one event loop; each must be released once its request is answered."""

    def __init__(self, max_body: int, activity: IdleTracker) -> None:
        self._max_body = max_body
        self._activity = activity
        self._room = asyncio.Semaphore(MAX_LARGE_BODIES)

    async def receive(self, receive: Receive) -> bytes:
        """Receive a body; one that is too large is received to its end, up to a point."""
        chunks: list[bytes] = []
        size, more, large = 0, True, False
        try:
            with self._activity.receiving():
                while more and size <= 2 * self._max_body:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    chunk, more = message.get("body", b""), message.get("more_body", False)
                    size += len(chunk)
                    if size <= self._max_body:
                        chunks.append(chunk)
                    if size > LARGE_BODY and not large:
                        # meanwhile the client is kept from sending more
                        await self._acquire_slot()
                        large = True
            if size > self._max_body:
                raise RequestTooLargeError(self._max_body)
        except BaseException:
            if large:
                self._room.release()
            raise
        return b"".join(chunks)

    def release(self, body: bytes) -> None:
        """Make room for another body; call it once for each that was received."""
        if len(body) > LARGE_BODY:
            self._room.release()

    async def _acquire_slot(self) -> None:
        try:
            await asyncio.wait_for(self._room.acquire(), ROOM_WAIT)
        except asyncio.TimeoutError:
            raise UnavailableError(
                f"{MAX_LARGE_BODIES} other large requests are being worked on; try again later"
            ) from None
