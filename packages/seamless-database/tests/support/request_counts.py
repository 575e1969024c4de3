"""How many requests of each type a server has answered, or an asynchronous client has sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from seamless_database.client import AsyncDatabaseClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from database_server import Server


def counts(server: Server) -> dict[str, int]:
    """How many requests the server has answered, by type."""
    found: dict[str, int] = {}
    for line in server.ask("GET", path="/metrics").text.splitlines():
        if line.startswith("seamless_database_requests_total{"):
            method, kind = (
                line.partition(f'{label}="')[2].partition('"')[0] for label in ("method", "type")
            )
            kind = kind if method == "GET" else f"{method} {kind}"
            found[kind] = found.get(kind, 0) + int(float(line.rpartition(" ")[2]))
    return found


def sent(
    server: Server, talk: Callable[[AsyncDatabaseClient], Awaitable[None]], **options: Any
) -> dict[str, int]:
    """Run something with a new client; returns how many requests of each type it took."""

    async def run() -> None:
        async with AsyncDatabaseClient(server.url, **options) as client:
            await talk(client)

    before = counts(server)
    asyncio.run(run())
    after = counts(server)
    return {kind: n - before.get(kind, 0) for kind, n in after.items() if n != before.get(kind, 0)}
