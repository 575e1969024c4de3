"""A hashserver by its URL, spoken to over HTTP.

Nothing is believed: what it sends is hashed while it streams in, and wrong content is
quarantined. A buffer that it says to have already is read back before a write of it is
acknowledged, since the server itself does not look. Nothing is promised either: a promise
that is not kept makes readers wait for minutes, while the server holds them back during an
upload by itself, and lets go when that breaks off.
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

#: Pauses, in seconds, before a request is made once more.
PAUSES = (0.1, 0.5)
#: Statuses that say "not now".
BUSY = frozenset({502, 503, 504})
#: From this size on, asking first is cheaper than sending in vain.
LARGE = 1 << 20
#: Bytes that an answer other than a buffer may have.
SMALL = 1 << 16
SUFFIX_OF_ENCODING = {b"zstd": ".zst", b"gzip": ".gz"}
_WRONG_LENGTH = ReadResult(None, CORRUPT)

Result = TypeVar("Result")


class HashServer:
    """The buffers of one hashserver. Safe from any thread; in a forked child as well.

    The main thread leaves its requests to helper threads: a Ctrl-C in the midst of the HTTP
    library would leave its locks taken, and its connections in a state that fails later.

    Parameters
    ----------
    url
        As in `http://host:5577`.
    timeout
        Seconds that one read or write may take in all, beyond what the bytes of an announced
        length need at 100 kB/s. The server holds an answer back during an upload.
    max_size
        Bytes of a buffer that is read, at most; by default half of the physical memory.
    """

    def __init__(
        self, url: str, timeout: float = TIMEOUT_SECONDS, max_size: int | None = None
    ) -> None:
        self.name = self.url = without_password(url)
        self.cost_profile = "local_hashserver"
        self._address, self._headers = parse_server_url(url.rstrip("/"))
        self._timeout = timeout
        self._max_size = default_max_size() if max_size is None else max_size
        self._quarantine = NegativeCache()
        self._http = SharedClient()

    def close(self) -> None:
        """Close the connections; the next request makes new ones."""
        self._http.close()

    def reset_after_fork(self) -> None:
        """Leave the connections to the parent process."""
        self._http.reset_after_fork()

    # -- reading ----------------------------------------------------------------------

    def read(self, digest: str, length: int | None = None) -> ReadResult:
        """Return the content that `digest` names, or why it can't be had here."""
        known = self._quarantine.reason(digest)
        if known is not None:
            return ReadResult(None, known)
        return outside_main_thread(lambda: self._read(digest, length))

    def _read(self, digest: str, length: int | None) -> ReadResult:
        deadline = Deadline(self._timeout)
        try:
            content = self._retried(deadline, lambda: self._download(deadline, digest, length))
        except BufferServerError as error:
            return ReadResult(None, error.reason)
        except TooLargeError as error:
            # a length that the caller got wrong must not keep others from the buffer
            return self._refuse(digest, TOO_LARGE, error) if length is None else _WRONG_LENGTH
        except (ChecksumMismatchError, CompressedDataError) as error:
            return self._refuse(digest, CORRUPT, error)
        return ReadResult(content, MISSING if content is None else FOUND)

    def _refuse(self, digest: str, outcome: str, error: Exception) -> ReadResult:
        if self._quarantine.add(digest, outcome):
            logger.warning("%s, asked for %s: %s", self.url, digest, error)
        return ReadResult(None, outcome)

    def _download(self, deadline: Deadline, digest: str, length: int | None = None) -> bytes | None:
        """Read a buffer, whose length may be known, from the server; None if it is not there."""
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
        # it sends a compressed file as it lies there
        return expanded(
            io.BytesIO(body),
            len(body),
            suffix,
            limit=limit,
            expected=digest,
            deadline=deadline,
        )

    def locate(self, digest: str) -> tuple[str, str]:
        """Tell whether the server says it has a buffer, and its address there."""
        where = f"{self.url}/{digest}"
        known = self._quarantine.reason(digest)
        if known is not None:
            return known, where
        try:
            found = outside_main_thread(lambda: self._has(Deadline(self._timeout), digest))
            return (FOUND if found else MISSING), where
        except BufferServerError as error:
            return error.reason, where

    def _has(self, deadline: Deadline, digest: str) -> bool:
        def ask() -> bool:
            asked = json.dumps([digest]).encode()
            kind = ("Content-Type", "application/json")
            with self._request(deadline, "GET", "/has-now", kind, content=asked) as response:
                self._expect(response.status, 200)
                try:
                    answer = json.loads(self._small_body(response))
                except ValueError:
                    answer = None
            if answer not in ([True], [False]):
                raise BufferServerError(self.url, "garbage")
            return bool(answer[0])

        return self._retried(deadline, ask)

    # -- writing ----------------------------------------------------------------------

    def write(self, digest: str, content: bytes) -> None:
        """Store a buffer; the server has it, whole and right, when this returns.

        Raises
        ------
        ChecksumMismatchError
            When `digest` does not name `content`; nothing is sent then.
        BufferServerError
            When the server can't be reached, refuses, or holds something else.
        """
        found = calculate_checksum(content)
        if found != digest:
            raise ChecksumMismatchError(digest, found)
        outside_main_thread(lambda: self._write(digest, content))

    def _write(self, digest: str, content: bytes) -> None:
        deadline, size = Deadline(self._timeout), len(content)
        if size >= LARGE and self._has(deadline, digest) and self._holds(deadline, digest, size):
            return
        # twice: 202 says that somebody else is sending it, who may break off
        if not any(self._upload(deadline, digest, content) for _ in range(2)):
            raise BufferServerError(
                self.url, f"it keeps something else under {digest}, or is no hashserver"
            )
        self._quarantine.release(digest)

    def _upload(self, deadline: Deadline, digest: str, content: bytes) -> bool:
        def put() -> bool:
            with self._request(deadline, "PUT", f"/{digest}", content=content) as response:
                self._expect(response.status, 200, 201, 202)
                return (response.status, self._small_body(response)) == (200, b"OK")

        return self._retried(deadline, put) or self._holds(deadline, digest, len(content))

    def _holds(self, deadline: Deadline, digest: str, length: int) -> bool:
        """Read a buffer back: the server says to have what it has never looked at."""
        try:
            download = self._retried(deadline, lambda: self._download(deadline, digest, length))
        except (ChecksumMismatchError, CompressedDataError, TooLargeError):
            return False
        except BufferServerError as error:
            if error.status is None or error.status in BUSY:
                raise
            return False  # it has found out itself that its copy is damaged
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
        """Read the body of an answer that is no buffer; the connection can be used again then."""
        try:
            return received(response.iter_stream(), SMALL, None)
        except TooLargeError:
            raise BufferServerError(self.url, "garbage") from None

    def _retried(self, deadline: Deadline, request: Callable[[], Result]) -> Result:
        """Make a request; once more, and once more, when a connection broke off under it."""
        for pause in (*PAUSES, None):
            try:
                return request()
            except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                failure = BufferServerError(self.url, _reason(error))
                failure.__cause__ = error
                if isinstance(error, httpcore.ConnectError):
                    raise failure from error  # what refuses to connect will refuse again
            except (httpcore.TimeoutException, TimeoutError) as error:
                raise BufferServerError(self.url, TIMEOUT) from error
            except BufferServerError as error:
                if error.status not in BUSY:
                    raise
                failure = error
            if pause is None or deadline.left() <= pause:
                raise failure
            time.sleep(pause)
        raise AssertionError("the last round returns or raises")


def _timed(response: httpcore.Response, deadline: Deadline, *, extending: bool) -> Iterator[bytes]:
    """Yield a body; one of announced length may take the longer, the more of it has come."""
    for chunk in response.iter_stream():
        if extending:
            deadline.extend_for(len(chunk))
        yield chunk


#: what went wrong, in a word or two; the first that fits
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (httpcore.ConnectError, "can't connect"),
    (httpcore.NetworkError, "connection broken"),
    (httpcore.RemoteProtocolError, "garbage or a broken connection"),
)


def _reason(error: Exception) -> str:
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))
