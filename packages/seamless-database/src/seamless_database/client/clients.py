"""The blocking client and the client for event loops: both send the same calls.

The methods for single requests are made from the functions in `calls.py`, those for many checksums
from the generators in `bulk.py`; neither of these sends anything.
"""

from __future__ import annotations

import inspect
import ssl
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, get_args, get_type_hints

import httpx

from seamless_database.client import bulk, calls
from seamless_database.client.address import ServerAddress
from seamless_database.errors import ClientError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from seamless_database.client.bulk import CallFlow, K
    from seamless_database.client.calls import Call
    from seamless_database.client.checksum_argument import ChecksumLike
    from seamless_database.client.response_checks import Object

P = ParamSpec("P")
T = TypeVar("T")

#: seconds that one request may take; longer than a server waits for a lock
TIMEOUT = 30.0


def _blocking(call: Callable[P, Call[T]]) -> Callable[Concatenate[DatabaseClient, P], T]:
    """Make a method of the blocking client from a call."""

    def method(self: DatabaseClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(call(*args, **kwargs))

    return _described(method, call)


def _awaited(
    call: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncDatabaseClient, P], Coroutine[Any, Any, T]]:
    """Make a method of the client for event loops from the same call."""

    async def method(self: AsyncDatabaseClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(call(*args, **kwargs))

    return _described(method, call)


def _described(method: Callable[P, T], call: Callable[..., Call[Any]]) -> Callable[P, T]:
    """Copy the name, docstring, parameters and result type of a call to its method."""
    hints = get_type_hints(call)
    signature = inspect.signature(call)
    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(each.replace(annotation=hints[name]) for name, each in signature.parameters.items()),
    ]
    (result,) = get_args(hints["return"])
    method.__name__, method.__qualname__ = call.__name__, call.__name__
    method.__doc__ = call.__doc__
    result = None if result is type(None) else result
    described = signature.replace(parameters=parameters, return_annotation=result)
    method.__signature__ = described  # type: ignore[attr-defined]  # inspect reads it
    return method


class DatabaseClient:
    """A blocking client; usable from several threads, and as a context manager.

    Parameters
    ----------
    url
        The URL of the server; a token may be in it, `http://user:TOKEN@host:port`.
    timeout
        Seconds that one request may take.
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
        # without proxies from the environment: the server is on the same network
        self._http = httpx.Client(timeout=timeout, trust_env=False, **address.options(verify))
        self._transformations = bulk.of_transformations()
        self._buffer_infos = bulk.of_buffer_infos()
        self._transformation_writes = bulk.writes_of_transformations()
        self._buffer_info_writes = bulk.writes_of_buffer_infos()
        self._metadata_writes = bulk.writes_of_metadatas()

    healthcheck = _blocking(calls.healthcheck)
    get_protocol = _blocking(calls.get_protocol)
    get_transformation = _blocking(calls.get_transformation)
    put_transformation = _blocking(calls.put_transformation)
    get_rev_transformations = _blocking(calls.get_rev_transformations)
    get_metadata = _blocking(calls.get_metadata)
    put_metadata = _blocking(calls.put_metadata)
    get_irreproducible = _blocking(calls.get_irreproducible)
    put_irreproducible = _blocking(calls.put_irreproducible)
    get_buffer_info = _blocking(calls.get_buffer_info)
    put_buffer_info = _blocking(calls.put_buffer_info)
    get_semantic_to_syntactic = _blocking(calls.get_semantic_to_syntactic)
    put_semantic_to_syntactic = _blocking(calls.put_semantic_to_syntactic)
    get_syntactic_to_semantic = _blocking(calls.get_syntactic_to_semantic)
    get_expression = _blocking(calls.get_expression)
    put_expression = _blocking(calls.put_expression)
    get_rev_expression = _blocking(calls.get_rev_expression)
    get_bucket_probe = _blocking(calls.get_bucket_probe)
    put_bucket_probe = _blocking(calls.put_bucket_probe)

    def send(self, call: Call[T]) -> T:
        """Send a call and return its result."""
        if call.identified and not self._identified:
            self._exchange(calls.get_protocol())
            self._identified = True
        return self._exchange(call)

    def _exchange(self, call: Call[T]) -> T:
        url = self.url + call.path
        try:
            response = self._http.request(call.method, url, content=call.body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_response(self.url, error) from None
        return _result(call, self.url, response)

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

    def _run_flow(self, flow: CallFlow[K, T]) -> dict[K, T]:
        try:
            call = next(flow)
            while True:
                try:
                    result = self.send(call)
                except DatabaseError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(result)
        except StopIteration as end:
            found: dict[K, T] = end.value
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

    Its parameters and errors are those of `DatabaseClient`.
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
        del url, token
        self.url = address.url
        self._identified = False
        self._http = httpx.AsyncClient(timeout=timeout, trust_env=False, **address.options(verify))
        self._transformations = bulk.of_transformations()
        self._buffer_infos = bulk.of_buffer_infos()
        self._transformation_writes = bulk.writes_of_transformations()
        self._buffer_info_writes = bulk.writes_of_buffer_infos()
        self._metadata_writes = bulk.writes_of_metadatas()

    healthcheck = _awaited(calls.healthcheck)
    get_protocol = _awaited(calls.get_protocol)
    get_transformation = _awaited(calls.get_transformation)
    put_transformation = _awaited(calls.put_transformation)
    get_rev_transformations = _awaited(calls.get_rev_transformations)
    get_metadata = _awaited(calls.get_metadata)
    put_metadata = _awaited(calls.put_metadata)
    get_irreproducible = _awaited(calls.get_irreproducible)
    put_irreproducible = _awaited(calls.put_irreproducible)
    get_buffer_info = _awaited(calls.get_buffer_info)
    put_buffer_info = _awaited(calls.put_buffer_info)
    get_semantic_to_syntactic = _awaited(calls.get_semantic_to_syntactic)
    put_semantic_to_syntactic = _awaited(calls.put_semantic_to_syntactic)
    get_syntactic_to_semantic = _awaited(calls.get_syntactic_to_semantic)
    get_expression = _awaited(calls.get_expression)
    put_expression = _awaited(calls.put_expression)
    get_rev_expression = _awaited(calls.get_rev_expression)
    get_bucket_probe = _awaited(calls.get_bucket_probe)
    put_bucket_probe = _awaited(calls.put_bucket_probe)

    async def send(self, call: Call[T]) -> T:
        """Send a call and return its result."""
        if call.identified and not self._identified:
            await self._exchange(calls.get_protocol())
            self._identified = True
        return await self._exchange(call)

    async def _exchange(self, call: Call[T]) -> T:
        try:
            response = await self._http.request(
                call.method, self.url + call.path, content=call.body
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_response(self.url, error) from None
        return _result(call, self.url, response)

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

    async def _run_flow(self, flow: CallFlow[K, T]) -> dict[K, T]:
        try:
            call = next(flow)
            while True:
                try:
                    result = await self.send(call)
                except DatabaseError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(result)
        except StopIteration as end:
            found: dict[K, T] = end.value
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


def _result(call: Call[T], url: str, response: httpx.Response) -> T:
    if response.has_redirect_location:
        target = ServerAddress.of(response.headers["location"]).url
        raise ClientError(
            url,
            f"answered, but is no seamless-database: it redirects to {target}, which is not "
            "followed; use the URL of the database itself",
        )
    return call.result(url, response.status_code, response.text)


def _no_response(url: str, error: Exception) -> ClientError:
    """Return the error for a request without a response, with the reason and what to do."""
    reason = str(error) or type(error).__name__  # timeouts come without a text
    secure = url.startswith("https:")
    if isinstance(error, httpx.TimeoutException):
        return ClientError(url, f"did not answer in time ({type(error).__name__})")
    if not secure and isinstance(error, httpx.RemoteProtocolError):
        other = url.replace("http:", "https:", 1)
        reason += f"; if the server speaks TLS, as with --tls-cert, use {other}"
    elif isinstance(_root(error), ssl.SSLCertVerificationError):
        reason += "; pass the certificate of the server or of its authority, as verify='file.pem'"
    elif secure and isinstance(_root(error), ssl.SSLError):
        other = url.replace("https:", "http:", 1)
        reason += f"; if the server speaks no TLS, use {other}"
    return ClientError(url, f"gave no answer: {reason}")


def _root(error: BaseException) -> BaseException:
    """Return the first cause of an error of httpx."""
    while error.__context__ is not None:
        error = error.__context__
    return error
