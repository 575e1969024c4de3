"""Ask for any number of checksums: in how many requests, and what to do if a server knows no lists.

Pure: a conversation gives the calls to send one after the other, and is sent their results; both
faces of the client lead the same one.
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

#: gives calls, takes their results, or has the error thrown in; returns what was found
CallFlow = Generator[Call[Any], Any, dict[K, T]]


@dataclass(slots=True)
class BulkLookup(Generic[T]):
    """One kind of list request to one server, and what was learned of it.

    Two threads may learn the same at the same time, which does no harm.
    """

    many: Callable[[Sequence[str]], Call[dict[str, T] | None]]
    one: Callable[[str], Call[T | None]]
    #: False once the server has turned out not to know lists
    supported: bool = field(default=True, init=False)

    def ask(self, checksums: Iterable[K]) -> CallFlow[K, T]:
        """Ask for all of them; what is found is under the checksum as it was given."""
        texts = {
            checksum: checksum_text(checksum, f"checksums[{index}]")
            for index, checksum in enumerate(checksums)
        }
        found: dict[str, T] = {}
        keys = list(dict.fromkeys(texts.values()))
        for start in range(0, len(keys), MAX_CHECKSUMS):
            found |= yield from self._part(keys[start : start + MAX_CHECKSUMS])
        return {checksum: found[text] for checksum, text in texts.items() if text in found}

    def _part(self, keys: list[str]) -> CallFlow[str, T]:
        """Ask for as many as fit into one request."""
        if not self.supported:
            return (yield from self._one_by_one(keys))
        try:
            return (yield self.many(keys)) or {}
        except RequestError:
            if not (yield from self._probe_support()):
                return (yield from self._one_by_one(keys))
            if len(keys) == 1:
                raise
        # all of them are checksums, so it is that the answer would be too large
        middle = len(keys) // 2
        first = yield from self._part(keys[:middle])
        return first | (yield from self._part(keys[middle:]))

    def _probe_support(self) -> Generator[Call[Any], Any, bool]:
        """Find out whether the server knows lists at all, with one that nobody can refuse."""
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
    """Ask for results of transformations."""
    return BulkLookup(calls.get_transformations, calls.get_transformation)


def of_buffer_infos() -> BulkLookup[Object]:
    """Ask for what is known of buffers."""
    return BulkLookup(calls.get_buffer_infos, calls.get_buffer_info)
