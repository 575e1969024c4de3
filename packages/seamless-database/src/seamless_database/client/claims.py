"""Claims of both clients: a transformation is computed once, while other workers wait.

A claim ends by itself, so its holder renews it: the blocking client in a thread, the other one in
a task.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import threading
import time
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING

from seamless_database.client import calls
from seamless_database.client.checksum_argument import ChecksumLike, checksum_text
from seamless_database.errors import DatabaseError, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from typing_extensions import Self

    from seamless_database.client.bulk import Flow
    from seamless_database.client.clients import AsyncDatabaseClient, DatabaseClient
    from seamless_database.client.response_checks import Object

#: seconds after which a claim ends whose holder was killed
SECONDS = 30.0
#: limits of these seconds; a shorter claim could end before its holder learns that it has it
MIN_SECONDS, MAX_SECONDS = 0.1, 86_400.0
#: how often a claim is renewed in its time
RENEWALS = 3
#: seconds between two attempts while another worker has the claim
PAUSE = 0.5
#: seconds that one request of the blocking client waits for a result
WAIT = 10.0
#: the same for a task: an event loop has a limited number of connections for all its waiting tasks
TASK_WAIT = 1.0
#: seconds for which a task waits until the server has ended its claim
END_WAIT = 2.0


class _Claim:
    """What the claims of both clients have in common.

    Parameters
    ----------
    checksum
        The transformation.
    seconds
        The time after which the claim ends unless it is renewed.
    wait
        Seconds that a request waits while another worker has the claim; 0 to ask once only.
    """

    def __init__(self, checksum: ChecksumLike, seconds: float, wait: float) -> None:
        self.checksum = checksum_text(checksum)
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            expected = f"a number of seconds from {MIN_SECONDS:g} to {MAX_SECONDS:g}"
            raise RequestError(f"'seconds' must be {expected}, not {seconds!r}", "seconds")
        # a number of another library has no JSON form
        self._seconds = float(seconds)
        self._wait = wait
        self._pid = os.getpid()
        self._name = f"{_user()}@{socket.gethostname()[:64]}:{self._pid}:{token_hex(8)}"
        self._state: Object = {}
        #: whether the server has claims
        self._supported = True

    @property
    def held(self) -> bool:
        """Whether this claim was obtained, so that its holder should compute the result."""
        return self.holder == self._name

    @property
    def result(self) -> str | None:
        """The checksum of the result, if it was known already."""
        return self._state.get("result")

    @property
    def holder(self) -> str | None:
        """The worker that has the claim: user, host, process and a random number."""
        return self._state.get("holder")

    @property
    def since(self) -> str | None:
        """The time since when the worker has the claim, in ISO 8601."""
        return self._state.get("since")

    @property
    def _is_decided(self) -> bool:
        """Whether no other attempt is needed."""
        return not self._wait or self.held or self.result is not None

    @property
    def _must_be_renewed(self) -> bool:
        return self.held and self._supported

    def _pause(self, started: float) -> float:
        """Return the seconds until the next attempt, if the last one began at a time.

        A server where too many wait answers at once that another worker has the claim.
        """
        return 0.0 if self.holder is None else max(0.0, started + PAUSE - time.monotonic())

    def _attempt(self) -> Flow[None]:
        try:
            yield calls.put_claim(self.checksum, self._name, self._seconds)
        except RequestError:
            # a server without claims, as all arguments are valid
            result = yield calls.get_transformation(self.checksum)
            self._supported = False
            self._state = {"holder": self._name} if result is None else {"result": result}
        else:
            found = yield calls.get_claim(self.checksum, self._wait, self._name)
            self._state = found or {}


class Claim(_Claim):
    """A claim of the blocking client, within a `with` block; see `DatabaseClient.claim`."""

    def __init__(
        self, client: DatabaseClient, checksum: ChecksumLike, seconds: float, wait: float
    ) -> None:
        super().__init__(checksum, seconds, wait)
        self._client = client
        self._ended = threading.Event()
        self._renewing: threading.Thread | None = None

    def __enter__(self) -> Self:
        try:
            started = time.monotonic()
            self._client._run_flow(self._attempt())
            while not self._is_decided:
                time.sleep(self._pause(started))
                started = time.monotonic()
                self._client._run_flow(self._attempt())
            if self._must_be_renewed:
                self._renewing = threading.Thread(
                    target=self._renew, name="seamless-database-claim", daemon=True
                )
                self._renewing.start()
        except BaseException:
            # an interrupted request may have been stored, and an interrupted thread may have begun
            self._ended.set()
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # a forked child leaves the claim to its parent
        if self._renewing is None or self._pid != os.getpid():
            return
        self._ended.set()
        self._renewing.join()

    def _end(self) -> None:
        # a claim that cannot be ended here ends by itself
        with suppress(DatabaseError):
            self._client.put_claim(self.checksum, self._name, 0)

    def _renew(self) -> None:
        while not self._ended.wait(self._seconds / RENEWALS):
            # after a failure, the next attempt comes before the claim ends
            with suppress(DatabaseError):
                self._client.put_claim(self.checksum, self._name, self._seconds)
        # in this thread, which no signal interrupts
        self._end()


class AsyncClaim(_Claim):
    """A claim of a task, within an `async with` block; see `AsyncDatabaseClient.claim`."""

    def __init__(
        self, client: AsyncDatabaseClient, checksum: ChecksumLike, seconds: float, wait: float
    ) -> None:
        super().__init__(checksum, seconds, wait)
        self._client = client
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            started = time.monotonic()
            await self._client._run_flow(self._attempt())
            while not self._is_decided:
                await asyncio.sleep(self._pause(started))
                started = time.monotonic()
                await self._client._run_flow(self._attempt())
        except BaseException:
            # an interrupted request may have been stored
            await self._end()
            raise
        if self._must_be_renewed:
            self._renewing = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._renewing is None:
            return
        self._renewing.cancel()
        await self._end()

    async def _end(self) -> None:
        # goes on if this task is cancelled, and delays no cancellation if the server hangs
        await asyncio.wait([asyncio.create_task(self._put_end())], timeout=END_WAIT)

    async def _put_end(self) -> None:
        # a claim that cannot be ended here ends by itself
        with suppress(DatabaseError):
            await self._client.put_claim(self.checksum, self._name, 0)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / RENEWALS)
            # after a failure, the next attempt comes before the claim ends
            with suppress(DatabaseError):
                await self._client.put_claim(self.checksum, self._name, self._seconds)


def claim(
    self: DatabaseClient, checksum: ChecksumLike, *, seconds: float = SECONDS, wait: bool = False
) -> Claim:
    """Claim a transformation within a `with` block, so that others wait for its result.

    Check in the block whether the claim is `held`; otherwise there is a `result`, or a `holder`
    `since` a time. With `wait`, the block begins when the claim is held or there is a result. The
    claim is a hint: nothing keeps others from computing or storing the result. It is renewed until
    the block ends, and ends `seconds` after its holder was killed.
    """
    return Claim(self, checksum, seconds, min(WAIT, self._timeout / 2) if wait else 0)


def compute_once(
    self: DatabaseClient,
    checksum: ChecksumLike,
    function: Callable[[], ChecksumLike],
    *,
    seconds: float = SECONDS,
) -> str:
    """Return the stored result of a transformation, or compute and store it.

    If another worker computes it at present, wait for its result. `function` returns the checksum
    of the result, whose buffer it must have stored; its errors end the claim, and another worker
    computes. It must not ask for the same transformation, because it would wait for itself.
    """
    found = self.get_transformation(checksum)
    if found is not None:
        return found
    with claim(self, checksum, seconds=seconds, wait=True) as claimed:
        if claimed.result is not None:
            return claimed.result
        result = checksum_text(function(), "result")
        self.put_transformation(checksum, result)
        return result


def async_claim(
    self: AsyncDatabaseClient,
    checksum: ChecksumLike,
    *,
    seconds: float = SECONDS,
    wait: bool = False,
) -> AsyncClaim:
    """Claim a transformation within an `async with` block; see `DatabaseClient.claim`."""
    return AsyncClaim(self, checksum, seconds, min(TASK_WAIT, self._timeout / 2) if wait else 0)


async def async_compute_once(
    self: AsyncDatabaseClient,
    checksum: ChecksumLike,
    function: Callable[[], Awaitable[ChecksumLike]],
    *,
    seconds: float = SECONDS,
) -> str:
    """Return the stored result of a transformation, or compute and store it.

    If another worker computes it at present, wait for its result. `function` is awaited; see
    `DatabaseClient.compute_once`.
    """
    found = await self.get_transformation(checksum)
    if found is not None:
        return found
    async with async_claim(self, checksum, seconds=seconds, wait=True) as claimed:
        if claimed.result is not None:
            return claimed.result
        result = checksum_text(await function(), "result")
        await self.put_transformation(checksum, result)
        return result


def _user() -> str:
    try:
        # a name in another encoding has unpaired surrogates
        return getpass.getuser()[:64].encode(errors="replace").decode()
    except (OSError, KeyError, ImportError):  # a container may have no name for the user
        return "unknown"
