"""Look up any number of checksums: split into requests, with a fallback for servers without lists.

The generators here send nothing: they yield the calls to send, and receive the results. The
blocking client and the client for event loops run the same generators.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seamless_database.client import calls
from seamless_database.client.calls import Call
from seamless_database.client.checksum_argument import ChecksumLike, checksum_text
from seamless_database.errors import RequestError
from seamless_database.protocol.request import MAX_CHECKSUMS

if TYPE_CHECKING:
    from seamless_database.client.response_checks import Object

T = TypeVar("T")
K = TypeVar("K", bound=ChecksumLike)

#: yields calls, receives their results or errors, and returns what was found
CallFlow = Generator[Call[Any], Any, dict[K, T]]


@dataclass(slots=True)
class BulkLookup(Generic[T]):
    """One type of list request to one server, and whether the server supports it.

    Two threads may find that out at the same time, which does no harm.
    """

    many: Callable[[Sequence[str]], Call[dict[str, T] | None]]
    one: Callable[[str], Call[T | None]]
    #: False once the server has rejected a list that is valid
    supported: bool = field(default=True, init=False)

    def lookup(self, checksums: Iterable[K]) -> CallFlow[K, T]:
        """Look up all checksums; each result is under the checksum as it was given."""
        texts = {
            checksum: checksum_text(checksum, f"checksums[{index}]")
            for index, checksum in enumerate(checksums)
        }
        found: dict[str, T] = {}
        keys = list(dict.fromkeys(texts.values()))
        for start in range(0, len(keys), MAX_CHECKSUMS):
            found |= yield from self._lookup_part(keys[start : start + MAX_CHECKSUMS])
        return {checksum: found[text] for checksum, text in texts.items() if text in found}

    def _lookup_part(self, keys: list[str]) -> CallFlow[str, T]:
        """Look up the checksums of one request, in halves if the response would be too large."""
        if not self.supported:
            return (yield from self._one_by_one(keys))
        try:
            return (yield self.many(keys)) or {}
        except RequestError:
            if not (yield from self._probe_support()):
                return (yield from self._one_by_one(keys))
            if len(keys) == 1:
                raise
        # all of them are valid checksums, so the response would be too large
        middle = len(keys) // 2
        first = yield from self._lookup_part(keys[:middle])
        return first | (yield from self._lookup_part(keys[middle:]))

    def _probe_support(self) -> Generator[Call[Any], Any, bool]:
        """Find out whether the server supports lists, with an empty one."""
        try:
            yield self.many([])
        except RequestError:
            self.supported = False
        return self.supported

    def _one_by_one(self, keys: list[str]) -> CallFlow[str, T]:
        found: dict[str, T] = {}
        for key in keys:
            value = yield self.one(key)
            if value is not None:
                found[key] = value
        return found


def of_transformations() -> BulkLookup[str]:
    """Look up results of transformations."""
    return BulkLookup(calls.get_transformations, calls.get_transformation)


def of_buffer_infos() -> BulkLookup[Object]:
    """Look up buffer info."""
    return BulkLookup(calls.get_buffer_infos, calls.get_buffer_info)
