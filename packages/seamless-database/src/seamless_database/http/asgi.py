"""The types of ASGI, and the parts of it that are not HTTP: the lifespan and WebSockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientDisconnectedError(Exception):
    """The client has closed its connection before the end of its request."""


async def serve_other(
    scope: Scope, receive: Receive, send: Send, on_shutdown: Callable[[], None]
) -> None:
    """Serve the lifespan of a server, at whose end `on_shutdown` is called; reject WebSockets."""
    await receive()
    if scope["type"] != "lifespan":
        await send({"type": "websocket.close"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    on_shutdown()
    await send({"type": "lifespan.shutdown.complete"})
