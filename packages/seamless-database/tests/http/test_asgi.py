"""The application under any ASGI server: its lifespan, and the connections that it rejects."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from seamless_database import Database, create_app

if TYPE_CHECKING:
    from pathlib import Path

PARSER = "seamless-database-parser"


def messages_sent(path: Path, scope: str, *messages: str, before: bool = False) -> list[Any]:
    """Serve one scope that consists of these messages; returns what the application sends."""
    incoming = [{"type": f"{scope}.{name}"} for name in messages]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def serve() -> None:
        with Database(path, writable=True) as database:
            app = create_app(database)
            if before:
                app._parser.submit(int).result()
            await app({"type": scope}, receive, send)
        assert not incoming

    asyncio.run(serve())
    return sent


def test_the_end_of_the_lifespan_ends_the_thread_that_parses(tmp_path: Path) -> None:
    sent = messages_sent(tmp_path / "db", "lifespan", "startup", "shutdown", before=True)
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert not [t for t in threading.enumerate() if t.name.startswith(PARSER)]


def test_a_websocket_is_rejected(tmp_path: Path) -> None:
    (message,) = messages_sent(tmp_path / "db", "websocket", "connect")
    assert message == {"type": "websocket.close"}


def test_the_application_imports_no_web_framework() -> None:
    code = "import sys, seamless_database.http.app; print({'starlette', 'anyio'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
