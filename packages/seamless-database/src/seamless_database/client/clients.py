"""The blocking client and the client for event loops: both send the same calls.

The methods for single requests are made from the functions in `calls.py` by `methods.py`, those for
many checksums from the generators in `bulk.py`; none of these sends anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from seamless_database.client import bulk, calls, claims
from seamless_database.client.address import ServerAddress
from seamless_database.client.async_connections import AsyncConnections
from seamless_database.client.blocking_connections import BlockingConnections
from seamless_database.client.coalescing import ALONE, Alone, Coalescer
from seamless_database.client.http_exchange import Endpoint, no_response
from seamless_database.client.methods import awaited, blocking, coalesced_lookup, coalesced_write
from seamless_database.errors import DatabaseError, RequestError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from seamless_database.client.bulk import BulkLookup, BulkWrite, Flow, K
    from seamless_database.client.calls import Call
    from seamless_database.client.checksum_argument import ChecksumLike
    from seamless_database.client.coalescing import TakeValues
    from seamless_database.client.response_checks import Object

T = TypeVar("T")

#: seconds that a server has to respond; longer than it waits for a lock
TIMEOUT = 30.0


class DatabaseClient:
    """A blocking client; usable from several threads, and as a context manager.

    Parameters
    ----------
    url
        The URL of the server; a token may be in it, `http://user:TOKEN@host:port`.
    timeout
        Seconds to connect, to send a request, and between two parts of its response.
    token
        The token of the client, if the server requires one. White space around it is ignored.
    verify
        The certificates that an https server is verified with: True for those of the public
        authorities, the path of a PEM file, or a context of `ssl`; False verifies nothing.

    Raises
    ------
    RequestError
        If the URL or the token cannot be used; the message does not show them.
    CertificateError
        If the PEM file cannot be read.
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
        del url, token  # a traceback that shows local variables must not show the token
        self.url = address.url
        self._identified = False
        self._timeout = timeout
        endpoint = Endpoint.of(address, address.tls_context(verify))
        self._connections = BlockingConnections(endpoint, timeout)
        self._transformations = bulk.of_transformations()
        self._buffer_infos = bulk.of_buffer_infos()
        self._transformation_writes = bulk.writes_of_transformations()
        self._buffer_info_writes = bulk.writes_of_buffer_infos()
        self._metadata_writes = bulk.writes_of_metadatas()

    healthcheck = blocking(calls.healthcheck)
    get_protocol = blocking(calls.get_protocol)
    get_transformation = blocking(calls.get_transformation)
    put_transformation = blocking(calls.put_transformation)
    get_rev_transformations = blocking(calls.get_rev_transformations)
    get_metadata = blocking(calls.get_metadata)
    put_metadata = blocking(calls.put_metadata)
    get_irreproducible = blocking(calls.get_irreproducible)
    put_irreproducible = blocking(calls.put_irreproducible)
    get_buffer_info = blocking(calls.get_buffer_info)
    put_buffer_info = blocking(calls.put_buffer_info)
    get_semantic_to_syntactic = blocking(calls.get_semantic_to_syntactic)
    put_semantic_to_syntactic = blocking(calls.put_semantic_to_syntactic)
    get_syntactic_to_semantic = blocking(calls.get_syntactic_to_semantic)
    get_expression = blocking(calls.get_expression)
    put_expression = blocking(calls.put_expression)
    get_rev_expression = blocking(calls.get_rev_expression)
    get_bucket_probe = blocking(calls.get_bucket_probe)
    put_bucket_probe = blocking(calls.put_bucket_probe)
    get_claim = blocking(calls.get_claim)
    put_claim = blocking(calls.put_claim)
    claim = claims.claim
    compute_once = claims.compute_once

    def send(self, call: Call[T]) -> T:
        """Send a call and return its result."""
        if call.identified and not self._identified:
            self._exchange(calls.get_protocol())
            self._identified = True
        return self._exchange(call)

    def _exchange(self, call: Call[T]) -> T:
        try:
            response = self._connections.exchange(call.method, call.path, call.body)
        except OSError as error:
            raise no_response(self.url, error) from None
        return response.result(call, self.url)

    def get_transformations(self, checksums: Iterable[K]) -> dict[K, str]:
        """Return the results of any number of transformations; misses are absent.

        Each result is under the checksum as it was given.
        """
        return self._run_flow(self._transformations.lookup(checksums))

    def get_buffer_infos(self, checksums: Iterable[K]) -> dict[K, Object]:
        """Return the buffer info of any number of buffers; misses are absent.

        Each object is under the checksum as it was given.
        """
        return self._run_flow(self._buffer_infos.lookup(checksums))

    def put_transformations(self, results: Mapping[K, ChecksumLike]) -> None:
        """Store the results of any number of transformations, by their checksums.

        Raises a `BulkWriteError` with the error of each that was not stored.
        """
        self._run_flow(self._transformation_writes.write(results))

    def put_buffer_infos(self, infos: Mapping[K, Mapping[str, Any]]) -> None:
        """Add to the info of any number of buffers, by their checksums.

        Raises a `BulkWriteError` with the error of each that was not stored.
        """
        self._run_flow(self._buffer_info_writes.write(infos))

    def put_metadatas(self, records: Mapping[K, tuple[ChecksumLike, Mapping[str, Any]]]) -> None:
        """Store any number of execution records: transformation -> its result and its record.

        Raises a `BulkWriteError` with the error of each that was not stored.
        """
        self._run_flow(self._metadata_writes.write(records))

    def _run_flow(self, flow: Flow[T]) -> T:
        try:
            call = next(flow)
            while True:
                try:
                    answer = self.send(call)
                except DatabaseError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def __reduce__(self) -> NoReturn:
        raise _not_pickled()

    def __enter__(self) -> DatabaseClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _LoopState:
    """What belongs to one event loop."""

    connections: AsyncConnections
    #: for calls whose response the server may delay, so that others need not wait for them
    waiting: AsyncConnections
    #: by the call of a single look-up
    coalescers: dict[Callable[..., Call[Any]], Coalescer[Any]]


class AsyncDatabaseClient:
    """A client for event loops of asyncio; usable from many tasks, and as an async context manager.

    Its errors are those of `DatabaseClient`, and so are its parameters, but for `coalesce`: whether
    calls that are made in the same turn of the event loop share requests. Each event loop has its
    own connections, which `close` closes when it is called there.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        token: str | None = None,
        verify: bool | str | Path | ssl.SSLContext = True,
        coalesce: bool = True,
    ) -> None:
        address = ServerAddress.of(url, token)
        del url, token
        self.url = address.url
        self._identified = False
        self._endpoint = Endpoint.of(address, address.tls_context(verify))
        self._timeout = timeout
        self._coalesce = coalesce
        self._transformations = bulk.of_transformations()
        self._buffer_infos = bulk.of_buffer_infos()
        self._transformation_writes = bulk.writes_of_transformations()
        self._buffer_info_writes = bulk.writes_of_buffer_infos()
        self._metadata_writes = bulk.writes_of_metadatas()
        #: the calls that may share requests with others
        self._shared: dict[Callable[..., Call[Any]], BulkLookup[Any] | BulkWrite[Any]] = {
            calls.get_transformation: self._transformations,
            calls.get_buffer_info: self._buffer_infos,
            calls.put_transformation: self._transformation_writes,
            calls.put_buffer_info: self._buffer_info_writes,
            calls.put_metadata: self._metadata_writes,
        }
        self._loops: dict[asyncio.AbstractEventLoop, _LoopState] = {}

    healthcheck = awaited(calls.healthcheck)
    get_protocol = awaited(calls.get_protocol)
    get_transformation = coalesced_lookup(calls.get_transformation)
    put_transformation = coalesced_write(calls.put_transformation)
    get_rev_transformations = awaited(calls.get_rev_transformations)
    get_metadata = awaited(calls.get_metadata)
    put_metadata = coalesced_write(calls.put_metadata)
    get_irreproducible = awaited(calls.get_irreproducible)
    put_irreproducible = awaited(calls.put_irreproducible)
    get_buffer_info = coalesced_lookup(calls.get_buffer_info)
    put_buffer_info = coalesced_write(calls.put_buffer_info)
    get_semantic_to_syntactic = awaited(calls.get_semantic_to_syntactic)
    put_semantic_to_syntactic = awaited(calls.put_semantic_to_syntactic)
    get_syntactic_to_semantic = awaited(calls.get_syntactic_to_semantic)
    get_expression = awaited(calls.get_expression)
    put_expression = awaited(calls.put_expression)
    get_rev_expression = awaited(calls.get_rev_expression)
    get_bucket_probe = awaited(calls.get_bucket_probe)
    put_bucket_probe = awaited(calls.put_bucket_probe)
    get_claim = awaited(calls.get_claim)
    put_claim = awaited(calls.put_claim)
    claim = claims.async_claim
    compute_once = claims.async_compute_once

    async def send(self, call: Call[T]) -> T:
        """Send a call and return its result; it is not coalesced with others."""
        return await self._send(lambda: call, identified=call.identified, waits=call.waits)

    async def _send(
        self, take: Callable[[], Call[T]], *, identified: bool = True, waits: bool = False
    ) -> T:
        """Send a call that is taken when there is a connection for it."""
        state = self._in_loop()
        connections = state.waiting if waits else state.connections
        async with connections.slot() as since:
            if identified and not self._identified:
                await self._exchange(calls.get_protocol(), connections, since)
                self._identified = True
            return await self._exchange(take(), connections, since)

    async def _exchange(self, call: Call[T], connections: AsyncConnections, since: float) -> T:
        try:
            response = await connections.exchange(since, call.method, call.path, call.body)
        except OSError as error:
            raise no_response(self.url, error) from None
        return response.result(call, self.url)

    def _in_loop(self) -> _LoopState:
        """Return what belongs to the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            for other in list(self._loops):
                if other.is_closed():
                    self._loops.pop(other, None)
            self._loops[loop] = _LoopState(
                AsyncConnections(self._endpoint, self._timeout),
                AsyncConnections(self._endpoint, self._timeout),
                {
                    call: Coalescer(partial(self._send_shared, many))
                    for call, many in self._shared.items()
                },
            )
        return self._loops[loop]

    def _coalescer(self, call: Callable[..., Call[Any]]) -> Coalescer[Any] | None:
        """Return what coalesces calls; None if the option or the server forbids it."""
        if self._coalesce and self._shared[call].supported:
            return self._in_loop().coalescers[call]
        return None

    async def _send_shared(
        self, many: BulkLookup[Any] | BulkWrite[Any], take: TakeValues[Any]
    ) -> dict[str, Any] | Alone:
        """Send one request for many calls; if it is rejected, find out whether it is supported."""
        try:
            return await self._send(lambda: many.shared(take())) or {}
        except RequestError:
            await self._run_flow(many.probe_support())
            return ALONE

    async def get_transformations(self, checksums: Iterable[K]) -> dict[K, str]:
        """Return the results of any number of transformations; misses are absent.

        Each result is under the checksum as it was given.
        """
        return await self._run_flow(self._transformations.lookup(checksums))

    async def get_buffer_infos(self, checksums: Iterable[K]) -> dict[K, Object]:
        """Return the buffer info of any number of buffers; misses are absent.

        Each object is under the checksum as it was given.
        """
        return await self._run_flow(self._buffer_infos.lookup(checksums))

    async def put_transformations(self, results: Mapping[K, ChecksumLike]) -> None:
        """Store the results of any number of transformations, by their checksums.

        Raises a `BulkWriteError` with the error of each that was not stored.
        """
        await self._run_flow(self._transformation_writes.write(results))

    async def put_buffer_infos(self, infos: Mapping[K, Mapping[str, Any]]) -> None:
        """Add to the info of any number of buffers, by their checksums.

        Raises a `BulkWriteError` with the error of each that was not stored.
        """
        await self._run_flow(self._buffer_info_writes.write(infos))

    async def put_metadatas(
        self, records: Mapping[K, tuple[ChecksumLike, Mapping[str, Any]]]
    ) -> None:
        """Store any number of execution records: transformation -> its result and its record.

        Raises a `BulkWriteError` with the error of each that was not stored.
        """
        await self._run_flow(self._metadata_writes.write(records))

    async def _run_flow(self, flow: Flow[T]) -> T:
        try:
            call = next(flow)
            while True:
                try:
                    answer = await self.send(call)
                except DatabaseError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def close(self) -> None:
        """Close the connections of the running event loop; its requests in flight fail."""
        state = self._in_loop()
        await state.connections.close()
        await state.waiting.close()

    def __reduce__(self) -> NoReturn:
        raise _not_pickled()

    async def __aenter__(self) -> AsyncDatabaseClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _not_pickled() -> TypeError:
    return TypeError("a client cannot be pickled; create one in each process")
