"""Coalesce calls: those of one kind that an event loop makes in the same turn share one request.

Every caller has a future of its own, so it gets its own answer, and may be cancelled alone. A batch
takes calls until it is sent: at the end of the turn, or, if all connections are in use, when one of
them is free.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from seamless_database.errors import DatabaseError
from seamless_database.protocol.request import MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

V = TypeVar("V")

#: returns the values by their keys, and closes the batch
TakeValues: TypeAlias = "Callable[[], dict[str, V]]"

#: keys in one shared request; while the client parses its response, the event loop is busy
MAX_KEYS = MAX_ENTRIES


class Alone(Enum):
    """The type of `ALONE`."""

    ALONE = "send a request of your own"


ALONE: Final = Alone.ALONE


class Coalescer(Generic[V]):
    """The calls of one kind; belongs to one event loop.

    `send` sends a request for the calls of a batch. When it has a connection, it takes their values
    by their keys, and it returns the outcomes by the same keys: a result, an error, or nothing for
    None. It returns `ALONE` if the callers have to send single requests.
    """

    def __init__(
        self, send: Callable[[TakeValues[V]], Awaitable[Mapping[str, Any] | Alone]]
    ) -> None:
        self._send = send
        #: the batch that takes calls
        self._batch: _Batch[V] = _Batch()
        #: the event loop itself refers to its tasks only weakly
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, key: str, value: V) -> Any:
        """Return the outcome of a call; `ALONE` if the caller has to send a single request."""
        if not self._batch.callers or not self._batch.accepts(key, value):
            self._batch = _Batch()
            asyncio.get_running_loop().call_soon(self._start, self._batch)
        batch = self._batch
        try:
            return await batch.add(key, value)
        except asyncio.CancelledError:
            batch.leave()
            raise

    def _start(self, batch: _Batch[V]) -> None:
        if batch.callers == 1:
            batch.resolve(ALONE)
        elif batch.callers:
            batch.task = asyncio.create_task(self._exchange(batch))
            self._tasks.add(batch.task)
            batch.task.add_done_callback(self._tasks.discard)

    async def _exchange(self, batch: _Batch[V]) -> None:
        try:
            outcomes = await self._send(batch.take)
        except asyncio.CancelledError:
            batch.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # every caller gets it
            batch.fail(error)
        else:
            batch.resolve(outcomes)


class _Batch(Generic[V]):
    """Calls that share a request."""

    def __init__(self) -> None:
        self._values: dict[str, V] = {}
        self._futures: dict[str, list[asyncio.Future[Any]]] = {}
        #: callers that were not cancelled
        self.callers = 0
        #: what sends the request
        self.task: asyncio.Task[None] | None = None
        self._is_closed = False

    def accepts(self, key: str, value: V) -> bool:
        """Whether a call fits into the batch, which has one value for each key."""
        if self._is_closed:
            return False
        if key in self._values:
            return self._values[key] is value
        return len(self._values) < MAX_KEYS

    def add(self, key: str, value: V) -> asyncio.Future[Any]:
        """Add a call, and return the future of its caller."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._values[key] = value
        self._futures.setdefault(key, []).append(future)
        self.callers += 1
        return future

    def leave(self) -> None:
        """Count a caller that was cancelled; after the last one the request is cancelled."""
        self.callers -= 1
        if not self.callers and self.task is not None:
            self.task.cancel()

    def take(self) -> dict[str, V]:
        """Return the values of the callers that were not cancelled; no others are added."""
        self._is_closed = True
        return {
            key: self._values[key]
            for key, futures in self._futures.items()
            if not all(future.done() for future in futures)
        }

    def resolve(self, outcomes: Mapping[str, Any] | Alone) -> None:
        """Give each caller its outcome; callers of the same key get a copy each."""
        self._is_closed = True
        for key, futures in self._futures.items():
            outcome = outcomes if isinstance(outcomes, Alone) else outcomes.get(key)
            for number, future in enumerate(futures):
                if future.done():
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(_copy(outcome))
                else:
                    future.set_result(deepcopy(outcome) if number else outcome)
        # the coalescer keeps the batch until there is another one
        self._futures.clear()
        self._values.clear()

    def fail(self, error: Exception) -> None:
        """Give each caller the error."""
        self.resolve(dict.fromkeys(self._futures, error))

    def cancel(self) -> None:
        """Cancel the callers."""
        self._is_closed = True
        for futures in self._futures.values():
            for future in futures:
                future.cancel()


def _copy(error: Exception) -> Exception:
    """Copy an error of this package, so that each caller has its own traceback."""
    if not isinstance(error, DatabaseError):
        return error
    copied = type(error).__new__(type(error))
    copied.args = error.args
    vars(copied).update(vars(error))
    return copied
