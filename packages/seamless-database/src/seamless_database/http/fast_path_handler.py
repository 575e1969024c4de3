"""Small requests, answered without the machinery for those that take time.

A look-up of one row costs about 9 µs. As a task with a queue for its body, a scope and two
messages for its answer it costs 82 µs under uvicorn; answered on the spot, with what little of
HTTP it needs, 32 µs (a bare application that reads and answers 64 bytes: 28 µs). So whoever has a
complete request may try here first. Whatever is not plain is left to the ordinary way, which is
the only one that words a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from seamless_database.errors import DatabaseError
from seamless_database.http.request_log import Client, RequestContext
from seamless_database.http.responses import CHUNK_SIZE, NOT_FOUND, OK, Response, error_response
from seamless_database.protocol.request import decode
from seamless_database.request_types import parse_read, parse_write
from seamless_database.storage.backend import NOT_IMMEDIATE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seamless_database.http.auth import Tokens
    from seamless_database.http.request_log import RequestRecorder
    from seamless_database.storage.backend import Backend

#: where clients ask; on other paths a body may mean something else
PATH = "/"
#: hears the status and the text of an answer
WriteCallback = Callable[[int, bytes], None]


class FastPathHandler:
    """What an app offers to a connection, next to itself."""

    def __init__(
        self, database: Backend, tally: RequestRecorder, tokens: Tokens | None, max_body: int
    ) -> None:
        self._database = database
        self._tally = tally
        self._tokens = tokens
        self._max_body = max_body
        self._methods = ("GET", "PUT") if database.writable else ("GET",)

    def accepts(
        self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], length: int
    ) -> bool:
        """Tell whether requests with this head may be asked here; it depends on nothing else."""
        if method not in self._methods or path != PATH or length > self._max_body:
            return False
        try:
            if self._tokens is not None:
                self._tokens.check(method, headers)
        except DatabaseError:
            return False
        return True

    def get(self, body: bytes, client: Client) -> tuple[int, bytes] | None:
        """Answer a read request by status and text; None if it has to go the ordinary way."""
        exchange = RequestContext("GET", PATH, client)
        try:
            fields = decode(body)
            found = self._database.try_read(parse_read(fields))
        except Exception:  # noqa: BLE001  # whatever it is, the ordinary way comes upon it again
            return None
        if found is NOT_IMMEDIATE:
            return None
        exchange.type = fields.request_type
        answer = NOT_FOUND if found is None else Response(200, found)
        text = answer.body()
        self._tally.activity.touch()
        self._tally.record(exchange, answer.status, len(text))
        return answer.status, text

    @property
    def at_once(self) -> bool:
        """Whether `get` can answer; if not, `get_soon` can."""
        return self._database.is_local

    def get_soon(
        self, body: bytes, client: Client, tell: WriteCallback, again: Callable[[], None]
    ) -> bool:
        """Take a read request, as `put` takes a write; False if it has to go the other way.

        In place of `tell`, `again` is called if the answer is so large that it has to go the other
        way after all.
        """
        exchange = RequestContext("GET", PATH, client)
        try:
            fields = decode(body)
            exchange.type = fields.request_type
            request = parse_read(fields)
            if not request.is_point_lookup:
                return False
            self._database.submit_read(request, partial(self._found, exchange, tell, again))
        except Exception:  # noqa: BLE001  # whatever it is, the ordinary way comes upon it again
            return False
        self._tally.activity.begin()
        return True

    def put(self, body: bytes, client: Client, tell: WriteCallback) -> bool:
        """Take a write request, of whose end `tell` will hear; False if it has to go the other way.

        The database is written by a thread, which tells the event loop of all that it has
        committed together.
        """
        exchange = RequestContext("PUT", PATH, client)
        try:
            fields = decode(body)
            exchange.type = fields.request_type
            request = parse_write(fields)
            self._database.submit_write(request, partial(self._stored, exchange, tell))
        except Exception:  # noqa: BLE001  # whatever it is, the ordinary way comes upon it again
            return False
        self._tally.activity.begin()
        return True

    def _found(
        self,
        exchange: RequestContext,
        tell: WriteCallback,
        again: Callable[[], None],
        found: str | None,
        error: BaseException | None,
    ) -> None:
        if found is not None and len(found) > CHUNK_SIZE:
            self._tally.activity.end()
            again()
            return
        answer = NOT_FOUND if found is None else Response(200, found)
        self._end(exchange, tell, answer if error is None else error_response(error))

    def _stored(
        self, exchange: RequestContext, tell: WriteCallback, error: BaseException | None
    ) -> None:
        self._end(exchange, tell, OK if error is None else error_response(error))

    def _end(self, exchange: RequestContext, tell: WriteCallback, answer: Response) -> None:
        text = answer.body()
        self._tally.activity.end()
        self._tally.record(exchange, answer.status, len(text))
        tell(answer.status, text)
