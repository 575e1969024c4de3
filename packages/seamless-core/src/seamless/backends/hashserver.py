"""A hashserver by its URL, spoken to over HTTP.

Nothing is believed: what it sends is hashed while it streams in, and wrong content is
quarantined. A buffer that it says to have already is read back before a write of it is
acknowledged, since the server itself does not look. Nothing is promised either: a promise
that is not kept makes readers wait for minutes, while the server holds them back during an
upload by itself, and lets go when that breaks off.
"""

from __future__ import annotations

import io
import logging
import time
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

import httpx

from ..compression_utils import decompress_bytes
from ..errors import BufferServerError, ChecksumMismatchError, CompressedDataError
from .place import FOUND, NO, WRONG, Answer
from .quarantine import Quarantine
from .shared_client import SharedClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..checksum_class import Checksum

__all__ = ["HashServer"]

logger = logging.getLogger(__name__)

#: Seconds for a connection to be made.
CONNECT_SECONDS = 5.0
#: Seconds that the server may be silent; it holds an answer back during an upload.
SILENT_SECONDS = 60.0
#: Bytes a second below which a transfer is given up: a trickle must not last for ever.
SLOWEST = 10_000
#: Pauses, in seconds, before a request is made once more.
PAUSES = (0.1, 0.5)
#: Statuses that say "not now".
BUSY = frozenset({502, 503, 504})
#: From this size on, asking first is cheaper than sending in vain.
LARGE = 1 << 20
SUFFIX_OF_ENCODING = {"zstd": ".zst", "gzip": ".gz"}

Result = TypeVar("Result")


class HashServer:
    """The buffers of one hashserver. Safe from any thread; in a forked child as well.

    Parameters
    ----------
    url
        As in `http://host:5577`.
    timeout
        Seconds that the server may be silent.
    """

    def __init__(self, url: str, timeout: float = SILENT_SECONDS) -> None:
        self.name = self.url = url.rstrip("/")
        self.cost_profile = "local_hashserver"
        self._timeout = timeout
        self._quarantine = Quarantine()
        connect = min(CONNECT_SECONDS, timeout)
        self._http = SharedClient(httpx.Timeout(timeout, connect=connect))

    def close(self) -> None:
        """Close the connections; the next request makes new ones."""
        self._http.close()

    def renew_after_fork(self) -> None:
        """Leave the connections to the parent process."""
        self._http.renew_after_fork()

    # -- reading ----------------------------------------------------------------------

    def read(self, checksum: Checksum) -> Answer:
        """Return the content that `checksum` names, or why it can't be had here."""
        if checksum in self._quarantine:
            return Answer(None, WRONG)
        try:
            content = self._retried(lambda: self._download(checksum))
        except BufferServerError as error:
            return Answer(None, error.reason)
        except (ChecksumMismatchError, CompressedDataError) as error:
            if self._quarantine.add(checksum):
                logger.warning("%s, asked for %s: %s", self.url, checksum, error)
            return Answer(None, WRONG)
        return Answer(content, NO if content is None else FOUND)

    def _download(self, checksum: Checksum) -> bytes | None:
        begin = time.monotonic()
        plain = {"Accept-Encoding": "identity"}
        address = f"{self.url}/{checksum}"
        with self._http.use() as http, http.stream("GET", address, headers=plain) as response:
            if response.status_code == 404:
                return None
            self._expect(response, 200)
            received, digest = io.BytesIO(), sha256()
            for chunk in response.iter_raw():
                received.write(chunk)
                digest.update(chunk)
                patience = self._timeout + received.tell() / SLOWEST
                if time.monotonic() - begin > patience:
                    raise httpx.ReadTimeout("too slow")
        content = received.getvalue()
        suffix = SUFFIX_OF_ENCODING.get(response.headers.get("Content-Encoding", ""))
        if suffix is not None:  # it sends a compressed file as it lies there
            content = decompress_bytes(content, suffix)
            digest = sha256(content)
        if digest.hexdigest() != checksum.hex():
            raise ChecksumMismatchError(checksum, digest.hexdigest())
        return content

    def locate(self, checksum: Checksum) -> tuple[str, str]:
        """Tell whether the server says it has a buffer, and its address there."""
        where = f"{self.url}/{checksum}"
        if checksum in self._quarantine:
            return WRONG, where
        try:
            return (FOUND if self._has(checksum) else NO), where
        except BufferServerError as error:
            return error.reason, where

    def _has(self, checksum: Checksum) -> bool:
        def ask() -> bool:
            with self._http.use() as http:
                response = http.request("GET", f"{self.url}/has-now", json=[checksum.hex()])
            self._expect(response, 200)
            try:
                answer = response.json()
            except ValueError:
                answer = None
            if answer not in ([True], [False]):
                raise BufferServerError(self.url, "garbage")
            return bool(answer[0])

        return self._retried(ask)

    # -- writing ----------------------------------------------------------------------

    def write(self, checksum: Checksum, content: bytes) -> None:
        """Store a buffer; the server has it, whole and right, when this returns.

        Raises
        ------
        ChecksumMismatchError
            When `checksum` does not name `content`; nothing is sent then.
        BufferServerError
            When the server can't be reached, refuses, or holds something else.
        """
        found = sha256(content).hexdigest()
        if found != checksum.hex():
            raise ChecksumMismatchError(checksum, found)
        if len(content) >= LARGE and self._has(checksum) and self._holds(checksum):
            return
        # twice: 202 says that somebody else is sending it, who may break off
        if not any(self._upload(checksum, content) for _ in range(2)):
            raise BufferServerError(self.url, f"it keeps something else under {checksum}")
        self._quarantine.release(checksum)

    def _upload(self, checksum: Checksum, content: bytes) -> bool:
        def put() -> int:
            with self._http.use() as http:
                response = http.put(f"{self.url}/{checksum}", content=content)
            self._expect(response, 200, 201, 202)
            return response.status_code

        return self._retried(put) == 200 or self._holds(checksum)

    def _holds(self, checksum: Checksum) -> bool:
        """Read a buffer back: the server says to have what it has never looked at."""
        try:
            return self._retried(lambda: self._download(checksum)) is not None
        except (ChecksumMismatchError, CompressedDataError):
            return False
        except BufferServerError as error:
            if error.status is None or error.status in BUSY:
                raise
            return False  # it has found out itself that its copy is damaged

    # -- requests ---------------------------------------------------------------------

    def _expect(self, response: httpx.Response, *statuses: int) -> None:
        if response.status_code not in statuses:
            raise BufferServerError(
                self.url, f"HTTP {response.status_code}", status=response.status_code
            )

    def _retried(self, request: Callable[[], Result]) -> Result:
        """Make a request; once more, and once more, when a connection broke off under it."""
        for pause in (*PAUSES, None):
            try:
                return request()
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                # what refuses to connect will refuse again
                if pause is None or isinstance(error, httpx.ConnectError):
                    raise BufferServerError(self.url, _reason(error)) from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise BufferServerError(self.url, _reason(error)) from error
            except BufferServerError as error:
                if pause is None or error.status not in BUSY:
                    raise
            time.sleep(pause)
        raise AssertionError("the last round returns or raises")


#: what went wrong, in a word or two; the first that fits
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (httpx.TimeoutException, "timeout"),
    (httpx.ConnectError, "can't connect"),
    (httpx.NetworkError, "connection broken"),
    (httpx.RemoteProtocolError, "garbage or a broken connection"),
)


def _reason(error: Exception) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return f"{type(error).__name__}: {error}"
