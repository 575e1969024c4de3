"""`HashServer`: the client of a hashserver, over HTTP.

Content is hashed while it arrives, and wrong content is not requested again for a while. If the
server says that it has a buffer already, a write reads the buffer back, since the server does not
verify its own content. The client sends no promises: a promise without an upload makes readers
wait for minutes, and during an upload the server delays readers by itself.
"""

from __future__ import annotations

import io
import json
import logging
import time
from typing import TYPE_CHECKING, TypeVar

import httpcore

from seamless.checksum.calculate_checksum import calculate_checksum
from seamless.errors import (
    BufferServerError,
    ChecksumMismatchError,
    CompressedDataError,
)
from seamless.stores.base import (
    CORRUPT,
    FOUND,
    MISSING,
    TIMEOUT,
    TIMEOUT_SECONDS,
    TOO_LARGE,
    BufferStore,
    ReadResult,
)
from seamless.stores.deadline import Deadline
from seamless.stores.http_client import SharedClient
from seamless.stores.negative_cache import NegativeCache
from seamless.stores.receiving import (
    TooLargeError,
    default_max_size,
    expanded,
    received,
)
from seamless.stores.server_url import parse_server_url, without_password
from seamless.util.run_sync import outside_main_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


__all__ = ["HashServer"]

logger = logging.getLogger(__name__)

#: Seconds before each retry of a request.
RETRY_PAUSES = (0.1, 0.5)
#: Statuses of a temporary overload, which are retried.
BUSY_STATUSES = frozenset({502, 503, 504})
#: Size from which the client asks whether the server has a buffer before it sends it.
MIN_BYTES_TO_ASK = 1 << 20
#: Bytes of a response that is not a buffer, at most.
MAX_SMALL_BODY = 1 << 16
SUFFIX_OF_ENCODING = {b"zstd": ".zst", b"gzip": ".gz"}
_WRONG_LENGTH = ReadResult(None, CORRUPT)

Result = TypeVar("Result")


class HashServer(BufferStore):
    """The buffers of one hashserver. Safe from any thread, also in a forked child.

    Requests of the main thread run in helper threads: a KeyboardInterrupt inside the HTTP library
    would leave its locks taken and its connections unusable.

    Parameters
    ----------
    url
        For example `http://host:5577`.
    timeout
        Total seconds of one read or write, in addition to the transfer of bytes of known length
        at 100 kB/s. The server delays a response during an upload.
    max_size
        Bytes that a buffer may have when it is read; by default half of the physical memory.
    """

    def __init__(
        self, url: str, timeout: float = TIMEOUT_SECONDS, max_size: int | None = None
    ) -> None:
        self.name = self.url = without_password(url)
        self.cost_profile = "local_hashserver"
        self._address, self._headers = parse_server_url(url.rstrip("/"))
        self._timeout = timeout
        self._max_size = default_max_size() if max_size is None else max_size
        self._rejected = NegativeCache()
        self._http = SharedClient()

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._http.close()

    def reset_after_fork(self) -> None:
        """Leave the connections to the parent process."""
        self._http.reset_after_fork()

    # -- reading ----------------------------------------------------------------------

    def read(self, digest: str, length: int | None = None) -> ReadResult:
        """Return the verified content, or the outcome that explains why there is none."""
        known = self._rejected.reason(digest)
        if known is not None:
            return ReadResult(None, known)
        return outside_main_thread(lambda: self._read(digest, length))

    def _read(self, digest: str, length: int | None) -> ReadResult:
        deadline = Deadline(self._timeout)
        try:
            content = self._retry(deadline, lambda: self._download(deadline, digest, length))
        except BufferServerError as error:
            return ReadResult(None, error.reason)
        except TooLargeError as error:
            # a wrong `length` of one caller must not hide the buffer from others
            return self._reject(digest, TOO_LARGE, error) if length is None else _WRONG_LENGTH
        except (ChecksumMismatchError, CompressedDataError) as error:
            return self._reject(digest, CORRUPT, error)
        return ReadResult(content, MISSING if content is None else FOUND)

    def _reject(self, digest: str, outcome: str, error: Exception) -> ReadResult:
        if self._rejected.add(digest, outcome):
            logger.warning("%s, asked for %s: %s", self.url, digest, error)
        return ReadResult(None, outcome)

    def _download(self, deadline: Deadline, digest: str, length: int | None = None) -> bytes | None:
        """Read a buffer from the server; None if the server does not have it."""
        limit = self._max_size if length is None else length
        plain = ("Accept-Encoding", "identity")
        with self._request(deadline, "GET", f"/{digest}", plain) as response:
            if response.status == 404:
                return None
            self._expect(response.status, 200)
            headers = {name.lower(): value for name, value in response.headers}
            suffix = SUFFIX_OF_ENCODING.get(headers.get(b"content-encoding", b"").lower())
            announced = headers.get(b"content-length")
            chunks = _timed(response, deadline, extending=announced is not None)
            if suffix is None:
                if announced is not None and int(announced) > limit:
                    raise TooLargeError(limit)
                return received(chunks, limit, digest)
            body = received(chunks, self._max_size, None)
        # the server sends compressed files without decompressing them
        return expanded(
            io.BytesIO(body),
            len(body),
            suffix,
            limit=limit,
            expected=digest,
            deadline=deadline,
        )

    def locate(self, digest: str) -> tuple[str, str]:
        """Return whether the server claims to have a buffer, and the URL of the buffer."""
        where = f"{self.url}/{digest}"
        known = self._rejected.reason(digest)
        if known is not None:
            return known, where
        try:
            found = outside_main_thread(lambda: self._has(Deadline(self._timeout), digest))
            return (FOUND if found else MISSING), where
        except BufferServerError as error:
            return error.reason, where

    def _has(self, deadline: Deadline, digest: str) -> bool:
        def request() -> bool:
            body = json.dumps([digest]).encode()
            kind = ("Content-Type", "application/json")
            with self._request(deadline, "GET", "/has-now", kind, content=body) as response:
                self._expect(response.status, 200)
                try:
                    found = json.loads(self._small_body(response))
                except ValueError:
                    found = None
            if found not in ([True], [False]):
                raise BufferServerError(self.url, "garbage")
            return bool(found[0])

        return self._retry(deadline, request)

    # -- writing ----------------------------------------------------------------------

    def write(self, digest: str, content: bytes) -> None:
        """Store a buffer; the server has all of the content when this returns.

        Raises
        ------
        ChecksumMismatchError
            When `content` has another digest; nothing is sent then.
        BufferServerError
            When the server is unreachable, rejects the request, or has other content.
        """
        found = calculate_checksum(content)
        if found != digest:
            raise ChecksumMismatchError(digest, found)
        outside_main_thread(lambda: self._write(digest, content))

    def _write(self, digest: str, content: bytes) -> None:
        deadline, size = Deadline(self._timeout), len(content)
        if (
            size >= MIN_BYTES_TO_ASK
            and self._has(deadline, digest)
            and self._holds(deadline, digest, size)
        ):
            return
        # twice: 202 means that another client is sending the buffer, which may fail
        if not any(self._upload(deadline, digest, content) for _ in range(2)):
            raise BufferServerError(
                self.url, f"it has other content under {digest}, or is not a hashserver"
            )
        self._rejected.release(digest)

    def _upload(self, deadline: Deadline, digest: str, content: bytes) -> bool:
        def put() -> bool:
            with self._request(deadline, "PUT", f"/{digest}", content=content) as response:
                self._expect(response.status, 200, 201, 202)
                return (response.status, self._small_body(response)) == (200, b"OK")

        return self._retry(deadline, put) or self._holds(deadline, digest, len(content))

    def _holds(self, deadline: Deadline, digest: str, length: int) -> bool:
        """Read a buffer back and verify it: the server does not verify its content."""
        try:
            download = self._retry(deadline, lambda: self._download(deadline, digest, length))
        except (ChecksumMismatchError, CompressedDataError, TooLargeError):
            return False
        except BufferServerError as error:
            if error.status is None or error.status in BUSY_STATUSES:
                raise
            return False  # the server itself has found its copy to be damaged
        return download is not None

    # -- requests ---------------------------------------------------------------------

    def _request(
        self,
        deadline: Deadline,
        method: str,
        path: str,
        *headers: tuple[str, str],
        content: bytes | None = None,
    ) -> AbstractContextManager[httpcore.Response]:
        return self._http.request(
            deadline,
            method,
            self._address + path,
            headers=[*self._headers, *headers],
            content=content,
        )

    def _expect(self, status: int, *statuses: int) -> None:
        if status not in statuses:
            raise BufferServerError(self.url, f"HTTP {status}", status=status)

    def _small_body(self, response: httpcore.Response) -> bytes:
        """Read the whole body of a response that is not a buffer; the connection stays usable."""
        try:
            return received(response.iter_stream(), MAX_SMALL_BODY, None)
        except TooLargeError:
            raise BufferServerError(self.url, "garbage") from None

    def _retry(self, deadline: Deadline, request: Callable[[], Result]) -> Result:
        """Send a request; retry it twice if the connection breaks or the server is busy."""
        for pause in (*RETRY_PAUSES, None):
            try:
                return request()
            except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                failure = BufferServerError(self.url, _reason(error))
                failure.__cause__ = error
                if isinstance(error, httpcore.ConnectError):
                    raise failure from error  # a retry would fail as well
            except (httpcore.TimeoutException, TimeoutError) as error:
                raise BufferServerError(self.url, TIMEOUT) from error
            except BufferServerError as error:
                if error.status not in BUSY_STATUSES:
                    raise
                failure = error
            if pause is None or deadline.left() <= pause:
                raise failure
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _timed(response: httpcore.Response, deadline: Deadline, *, extending: bool) -> Iterator[bytes]:
    """Yield the chunks of a body; `extending` lets each chunk extend the deadline."""
    for chunk in response.iter_stream():
        if extending:
            deadline.extend_for(len(chunk))
        yield chunk


#: error of a request -> reason in messages; the first match counts
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (httpcore.ConnectError, "can't connect"),
    (httpcore.NetworkError, "connection broken"),
    (httpcore.RemoteProtocolError, "garbage or a broken connection"),
)


def _reason(error: Exception) -> str:
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))
