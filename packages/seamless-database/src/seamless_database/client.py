"""A typed client for people and tools: the same calls, from plain code or from an event loop.

A miss is None. What the server refuses is the error of `errors` that it would raise itself; what
is no answer at all is a `ClientError`. Neither face ever repeats a request on its own.

`get_transformations` and `get_buffer_infos` take any number of checksums, 10,000 in a request; they
give a dict in which misses are absent. A server that does not know such requests is asked one by
one.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

import httpx

from seamless_database import batches, calls
from seamless_database.errors import ClientError, DatabaseError
from seamless_database.server_address import ServerAddress

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from seamless_database.batches import Conversation
    from seamless_database.calls import Call, Object

P = ParamSpec("P")
T = TypeVar("T")

#: seconds that one request may take; longer than a server waits for a lock
TIMEOUT = 30.0


class _Sync(Generic[P, T]):
    """A method of the client for plain code, made from a call."""

    def __init__(self, call: Callable[P, Call[T]]) -> None:
        self._call = call
        self.__doc__ = call.__doc__

    def __get__(self, client: DatabaseClient, owner: type) -> Callable[P, T]:
        @functools.wraps(self._call)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return client.send(self._call(*args, **kwargs))

        return method


class _Async(Generic[P, T]):
    """A method of the client for an event loop, made from the same call."""

    def __init__(self, call: Callable[P, Call[T]]) -> None:
        self._call = call
        self.__doc__ = call.__doc__

    def __get__(self, client: AsyncDatabaseClient, owner: type) -> Callable[P, Awaitable[T]]:
        @functools.wraps(self._call)
        def method(*args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
            return client.send(self._call(*args, **kwargs))

        return method


class DatabaseClient:
    """A client for plain code; usable from several threads, and as a context manager.

    Parameters
    ----------
    url
        of the server; a token may be in it, `http://user:TOKEN@host:port`
    timeout
        seconds that one request may take
    token
        to be let in with
    verify
        the certificates that an https server is checked against: True for those of the public
        authorities, a path of a PEM file, or a context of `ssl`; False checks nothing
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        token: str | None = None,
        verify: bool | str | Path | ssl.SSLContext = True,
    ) -> None:
        address = ServerAddress.of(url, token)
        self.url = address.url
        # no proxies from the environment: the server is a neighbour
        self._http = httpx.Client(timeout=timeout, trust_env=False, **address.options(verify))
        self._transformations = batches.of_transformations()
        self._buffer_infos = batches.of_buffer_infos()

    healthcheck = _Sync(calls.healthcheck)
    get_protocol = _Sync(calls.get_protocol)
    get_transformation = _Sync(calls.get_transformation)
    put_transformation = _Sync(calls.put_transformation)
    get_rev_transformations = _Sync(calls.get_rev_transformations)
    get_metadata = _Sync(calls.get_metadata)
    put_metadata = _Sync(calls.put_metadata)
    get_irreproducible = _Sync(calls.get_irreproducible)
    contest = _Sync(calls.contest)
    get_buffer_info = _Sync(calls.get_buffer_info)
    put_buffer_info = _Sync(calls.put_buffer_info)
    get_semantic_to_syntactic = _Sync(calls.get_semantic_to_syntactic)
    put_semantic_to_syntactic = _Sync(calls.put_semantic_to_syntactic)
    get_syntactic_to_semantic = _Sync(calls.get_syntactic_to_semantic)
    get_expression = _Sync(calls.get_expression)
    put_expression = _Sync(calls.put_expression)
    get_rev_expression = _Sync(calls.get_rev_expression)
    get_bucket_probe = _Sync(calls.get_bucket_probe)
    put_bucket_probe = _Sync(calls.put_bucket_probe)

    def send(self, call: Call[T]) -> T:
        """Send a call and wait for its result."""
        try:
            answer = self._http.request(call.method, self.url + call.path, content=call.body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClientError(self.url, _reason(error)) from error
        return call.result(self.url, answer.status_code, answer.text)

    def get_transformations(self, checksums: Iterable[str]) -> dict[str, str]:
        """Ask for the results of any number of transformations; misses are absent."""
        return self._lead(self._transformations.ask(checksums))

    def get_buffer_infos(self, checksums: Iterable[str]) -> dict[str, Object]:
        """Ask what is known of any number of buffers; those nothing is known of are absent."""
        return self._lead(self._buffer_infos.ask(checksums))

    def _lead(self, conversation: Conversation[T]) -> dict[str, T]:
        try:
            call = next(conversation)
            while True:
                try:
                    result = self.send(call)
                except DatabaseError as error:
                    call = conversation.throw(error)
                else:
                    call = conversation.send(result)
        except StopIteration as end:
            found: dict[str, T] = end.value
            return found

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> DatabaseClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncDatabaseClient:
    """A client for one event loop; usable from many tasks, and as an async context manager.

    Its parameters are those of `DatabaseClient`.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        token: str | None = None,
        verify: bool | str | Path | ssl.SSLContext = True,
    ) -> None:
        address = ServerAddress.of(url, token)
        self.url = address.url
        self._http = httpx.AsyncClient(timeout=timeout, trust_env=False, **address.options(verify))
        self._transformations = batches.of_transformations()
        self._buffer_infos = batches.of_buffer_infos()

    healthcheck = _Async(calls.healthcheck)
    get_protocol = _Async(calls.get_protocol)
    get_transformation = _Async(calls.get_transformation)
    put_transformation = _Async(calls.put_transformation)
    get_rev_transformations = _Async(calls.get_rev_transformations)
    get_metadata = _Async(calls.get_metadata)
    put_metadata = _Async(calls.put_metadata)
    get_irreproducible = _Async(calls.get_irreproducible)
    contest = _Async(calls.contest)
    get_buffer_info = _Async(calls.get_buffer_info)
    put_buffer_info = _Async(calls.put_buffer_info)
    get_semantic_to_syntactic = _Async(calls.get_semantic_to_syntactic)
    put_semantic_to_syntactic = _Async(calls.put_semantic_to_syntactic)
    get_syntactic_to_semantic = _Async(calls.get_syntactic_to_semantic)
    get_expression = _Async(calls.get_expression)
    put_expression = _Async(calls.put_expression)
    get_rev_expression = _Async(calls.get_rev_expression)
    get_bucket_probe = _Async(calls.get_bucket_probe)
    put_bucket_probe = _Async(calls.put_bucket_probe)

    async def send(self, call: Call[T]) -> T:
        """Send a call and wait for its result."""
        try:
            answer = await self._http.request(call.method, self.url + call.path, content=call.body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClientError(self.url, _reason(error)) from error
        return call.result(self.url, answer.status_code, answer.text)

    async def get_transformations(self, checksums: Iterable[str]) -> dict[str, str]:
        """Ask for the results of any number of transformations; misses are absent."""
        return await self._lead(self._transformations.ask(checksums))

    async def get_buffer_infos(self, checksums: Iterable[str]) -> dict[str, Object]:
        """Ask what is known of any number of buffers; those nothing is known of are absent."""
        return await self._lead(self._buffer_infos.ask(checksums))

    async def _lead(self, conversation: Conversation[T]) -> dict[str, T]:
        try:
            call = next(conversation)
            while True:
                try:
                    result = await self.send(call)
                except DatabaseError as error:
                    call = conversation.throw(error)
                else:
                    call = conversation.send(result)
        except StopIteration as end:
            found: dict[str, T] = end.value
            return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncDatabaseClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _reason(error: Exception) -> str:
    # timeouts come without a text
    return str(error) or type(error).__name__
