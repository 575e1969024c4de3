"""Any number of look-ups or writes: split into requests, with a fallback for older servers.

The generators here send nothing: they yield the calls to send, and receive the results. The
blocking client and the client for event loops run the same generators.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from seamless_database.client import calls
from seamless_database.client.calls import Call
from seamless_database.client.checksum_argument import ChecksumLike, checksum_text
from seamless_database.errors import BulkWriteError, ConflictError, RequestError
from seamless_database.protocol.request import MAX_CHECKSUMS, MAX_ENTRIES

if TYPE_CHECKING:
    from seamless_database.client.calls import Rejections
    from seamless_database.client.response_checks import Object

#: bytes of a bulk write, well below the limit that a server has by default
MAX_BULK_BYTES = 4 * 1024 * 1024

T = TypeVar("T")
K = TypeVar("K", bound=ChecksumLike)

#: yields calls, receives their results or errors, and returns a result
Flow: TypeAlias = Generator[Call[Any], Any, T]


@dataclass(slots=True)
class BulkLookup(Generic[T]):
    """One type of list request to one server, and whether the server supports it.

    Two threads may find that out at the same time, which does no harm.
    """

    many: Callable[[Sequence[str]], Call[dict[str, T] | None]]
    one: Callable[[str], Call[T | None]]
    #: False once the server has rejected a list that is valid
    supported: bool = field(default=True, init=False)

    def lookup(self, checksums: Iterable[K]) -> Flow[dict[K, T]]:
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

    def shared(self, checksums: Iterable[str]) -> Call[dict[str, T] | None]:
        """Return one request for all checksums."""
        return self.many(list(checksums))

    def _lookup_part(self, keys: list[str]) -> Flow[dict[str, T]]:
        """Look up the checksums of one request, in halves if the response would be too large."""
        if not self.supported:
            return (yield from self._one_by_one(keys))
        try:
            return (yield self.many(keys)) or {}
        except RequestError:
            if not (yield from self.probe_support()):
                return (yield from self._one_by_one(keys))
            if len(keys) == 1:
                raise
        # all of them are valid checksums, so the response would be too large
        middle = len(keys) // 2
        first = yield from self._lookup_part(keys[:middle])
        return first | (yield from self._lookup_part(keys[middle:]))

    def probe_support(self) -> Flow[bool]:
        """Find out whether the server supports lists, with an empty one."""
        try:
            yield self.many([])
        except RequestError:
            self.supported = False
        return self.supported

    def _one_by_one(self, keys: list[str]) -> Flow[dict[str, T]]:
        found: dict[str, T] = {}
        for key in keys:
            value = yield self.one(key)
            if value is not None:
                found[key] = value
        return found


@dataclass(slots=True)
class BulkWrite(Generic[T]):
    """One type of bulk write to one server, and whether the server supports it."""

    many: Callable[[Mapping[str, Any]], Call[Rejections]]
    one: Callable[[str, Any], Call[None]]
    #: makes the entry of a request from a key and what the caller gave for it
    entry: Callable[[str, T], Any]
    #: False once the server has rejected a bulk write that is valid
    supported: bool = field(default=True, init=False)

    def write(self, given: Mapping[K, T]) -> Flow[None]:
        """Write all entries; raises a `BulkWriteError` if some were not stored."""
        keys: dict[str, K] = {}
        entries: list[tuple[str, Any]] = []
        for key, value in given.items():
            text = checksum_text(key)
            if text in keys:
                raise RequestError(f"the checksum {text} is given twice", "checksum")
            keys[text] = key
            entries.append((text, self.entry(text, value)))
        errors: Rejections = {}
        for start in range(0, len(entries), MAX_ENTRIES):
            errors |= yield from self._write_part(entries[start : start + MAX_ENTRIES])
        if errors:
            raise BulkWriteError({keys[text]: errors[text] for text in errors}, len(entries))

    def shared(self, entries: Mapping[str, Any]) -> Call[Rejections]:
        """Return one request for all entries; raises a `RequestError` if it is too large."""
        call = self.many(entries)
        if len(call.body) > MAX_BULK_BYTES:
            raise RequestError("the entries are too large for one request")
        return call

    def _write_part(self, part: list[tuple[str, Any]]) -> Flow[Rejections]:
        """Write the entries of one request, in halves if it would be too large."""
        if not self.supported or len(part) == 1:
            return (yield from self._one_by_one(part))
        try:
            call = self.many(dict(part))
            if len(call.body) <= MAX_BULK_BYTES:
                return (yield call) or {}
        except RequestError:
            if not (yield from self.probe_support()):
                return (yield from self._one_by_one(part))
        # too large for the server, or an entry cannot be sent
        middle = len(part) // 2
        first = yield from self._write_part(part[:middle])
        return first | (yield from self._write_part(part[middle:]))

    def probe_support(self) -> Flow[bool]:
        """Find out whether the server supports bulk writes, with an empty one."""
        try:
            yield self.many({})
        except RequestError:
            self.supported = False
        return self.supported

    def _one_by_one(self, part: list[tuple[str, Any]]) -> Flow[Rejections]:
        errors: Rejections = {}
        for key, entry in part:
            try:
                yield self.one(key, entry)
            except (RequestError, ConflictError) as error:
                errors[key] = error
        return errors


def of_transformations() -> BulkLookup[str]:
    """Look up results of transformations."""
    return BulkLookup(calls.get_transformations, calls.get_transformation)


def of_buffer_infos() -> BulkLookup[Object]:
    """Look up buffer info."""
    return BulkLookup(calls.get_buffer_infos, calls.get_buffer_info)


def writes_of_transformations() -> BulkWrite[ChecksumLike]:
    """Write results of transformations."""
    return BulkWrite(
        calls.put_transformations,
        calls.put_transformation,
        lambda key, result: checksum_text(result, f"result of {key}"),
    )


def writes_of_buffer_infos() -> BulkWrite[Mapping[str, Any]]:
    """Write buffer info."""
    return BulkWrite(calls.put_buffer_infos, calls.put_buffer_info, lambda _key, info: info)


def writes_of_metadatas() -> BulkWrite[tuple[ChecksumLike, Mapping[str, Any]]]:
    """Write execution records, each given with the result that it belongs to."""
    return BulkWrite(
        calls.put_metadatas,
        lambda key, entry: calls.put_metadata(key, entry["result"], entry["value"]),
        lambda key, given: {
            "result": checksum_text(given[0], f"result of {key}"),
            "value": given[1],
        },
    )
