"""Execute a bulk write: all entries in one transaction, then those that need a long comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamless_database.errors import DatabaseError, UnavailableError
from seamless_database.request_types.base import UndecidedError
from seamless_database.storage.batch_queue import BatchQueue, Operation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from seamless_database.request_types.bulk_write import BulkWrite, Outcome
    from seamless_database.storage.comparisons import Comparisons


class BulkExecution:
    """The execution of one bulk write.

    The caller waits for each future of `steps`, in its own way, and then takes the `response`.
    """

    def __init__(
        self, request: BulkWrite, writer: BatchQueue[None], comparisons: Comparisons
    ) -> None:
        self._request = request
        self._writer = writer
        self._comparisons = comparisons
        self._operations = {
            key: Operation(write.run, write.lock_keys()) for key, write in request.writes().items()
        }

    def steps(self) -> Iterator[Future[Any]]:
        """Start one step after the other; yields the future of each."""
        operations = [*self._operations.values()]
        if operations:
            yield self._writer.submit_all(operations)
        for operation in operations:
            if isinstance(operation.error, UndecidedError):
                # one at a time, because there is room for few
                comparison = self._comparisons.submit(operation.error)
                yield comparison
                error = comparison.exception()
                operation.error = error if isinstance(error, Exception) else None
                operation.changed = operation.error is None and comparison.result()

    def response(self) -> str:
        """Return the outcomes; raises an error if the database could store nothing at all."""
        outcomes = {key: _outcome(operation) for key, operation in self._operations.items()}
        errors = [found for found in outcomes.values() if isinstance(found, UnavailableError)]
        if errors and len(errors) == len(outcomes):
            raise errors[0]
        return self._request.response(outcomes)


def _outcome(operation: Operation[None]) -> Outcome:
    error = operation.error
    if error is None:
        return operation.changed
    if isinstance(error, DatabaseError):
        return error
    # a fault of the program, which is logged
    raise error
